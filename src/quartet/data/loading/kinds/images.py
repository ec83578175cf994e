"""The kind `images`: pictures of one size in bytes, one label each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.data.loading.kinds.labelled import LabelledKind
from quartet.types import Pixels


class ImageKind(LabelledKind):
    """x uint8 (N, H, W, C). The manifest has `mean` and `std` of training bytes, by which the model normalises.

    `bits`, if there, are those that files of 16 bits a pixel use.
    """

    LIKE = ("images",)
    AUGMENTED = True
    DTYPE = "uint8"

    @property
    def inputs(self) -> Pixels:
        height, width, channels = self.manifest["shape"]
        mean, std = tuple(self.manifest["mean"]), tuple(self.manifest["std"])
        return Pixels(
            height=height, width=width, channels=channels, mean=mean, std=std, bits=self.manifest.get("bits", 16)
        )

    @classmethod
    def stand_in(cls, folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
        channels = facts["shape"][-1]
        super().stand_in(folder, facts)
        return {"mean": [128.0] * channels, "std": [64.0] * channels}
