"""Series: sequences of numbers of one length, one label each."""

from __future__ import annotations

from quartet.data.loading.kinds.labelled import LabelledKind
from quartet.types import Series


class SeriesKind(LabelledKind):
    """x float32 (N, L, C)."""

    LIKE = ("series",)
    DTYPE = "float32"

    @property
    def inputs(self) -> Series:
        length, channels = self.manifest["shape"]
        return Series(length=length, channels=channels)
