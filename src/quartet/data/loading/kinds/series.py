"""The kind `series`: sequences of numbers of one length, one label each."""

from __future__ import annotations

from quartet.data.loading.kinds.labelled import LabelledKind
from quartet.types import Series


class SeriesKind(LabelledKind):
    """x float32 (N, L, C). If the manifest has `mean` and `std` of the training split, the model normalises by them."""

    LIKE = ("series",)
    DTYPE = "float32"

    @property
    def inputs(self) -> Series:
        length, channels = self.manifest["shape"]
        mean, std = tuple(self.manifest.get("mean", ())), tuple(self.manifest.get("std", ()))
        return Series(length=length, channels=channels, mean=mean, std=std)
