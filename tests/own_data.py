"""Prepare a person's own data through the real sources, and check that wrong data is refused in a few words."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartet.data import DataModule, Source, prepare
from quartet.types import QuartetError


def make(tmp_path: Path, source: Source) -> DataModule:
    folder = prepare(name="own", source=source, recipe={}, root=tmp_path / "data", downloads=tmp_path / "downloads")
    context = 8 if source.KIND == "text" else None
    return DataModule(folder=folder, batch_size=512, evaluation_batch_size=512, context=context)


def refused(tmp_path: Path, source: Source, words: str) -> None:
    with pytest.raises(QuartetError, match=words) as error:
        make(tmp_path, source)
    assert str(error.value).count("\n") <= 1
    assert not (tmp_path / "data" / "own").exists()
