"""What every source of examples is: a kind, a licence, and a way to build its files from what it fetched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Source(ABC):
    """A data set's recipe. Final subclasses take keywords, and set the three words below at class level."""

    KIND: str  # "images", "series", "text", "pairs", or your own kind's full path: what the batches hold; a literal
    LICENCE: str  # shown to the user when the data is prepared
    ORIGIN: str  # who made it, or where it comes from
    FETCHED_MB: float = 0.0  # about how much is fetched; 0 for the user's own files

    @abstractmethod
    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        """Write the prepared files into `staging` and return what the manifest says of them.

        Fetched files are kept in `downloads`. The same recipe writes the same bytes.
        Raises QuartetError when the data cannot be had, or is not what it should be.
        """

    def foreseen(self) -> dict[str, Any]:
        """What the manifest will say of shape, classes and examples, where that is known before anything is fetched;
        nothing where it is not."""
        return {}
