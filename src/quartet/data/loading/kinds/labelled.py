"""Examples with one label each: the shared part of the kinds `images` and `series`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from quartet.data.loading.examples import Examples
from quartet.data.loading.files import write_blank
from quartet.data.loading.kinds.kind import Kind
from quartet.types import Classes


class LabelledKind(Kind):
    """Files `x_<split>.npy` and `y_<split>.npy`; the manifest has `shape`, `classes` and `examples`."""

    DTYPE: ClassVar[str]  # of x

    @property
    def outputs(self) -> Classes:
        return Classes(names=tuple(self.manifest["classes"]))

    def reader(self, split: str, *, limit: int | None, seed: int) -> Examples:
        return Examples(self.folder, split, limit=limit, seed=seed)

    @classmethod
    def stand_in(cls, folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
        for split, count in facts["examples"].items():
            write_blank(folder / f"x_{split}.npy", (count, *facts["shape"]), cls.DTYPE)
            write_blank(folder / f"y_{split}.npy", (count,), "int64")
        return {}
