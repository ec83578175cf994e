"""The abstract source of examples: a kind, a licence, and a function that builds its files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Source(ABC):
    """The recipe of a data set. A subclass takes keywords and sets the constants below."""

    KIND: str  # a literal: "images", "series", "text", "labelled_text", "pairs", or the full path of your own kind
    LICENCE: str  # shown to the user during preparation
    ORIGIN: str  # who made it, or where it comes from
    FETCHED_MB: float = 0.0  # about how many megabytes to fetch; 0 for the user's own files

    @abstractmethod
    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        """Write the prepared files into `staging` and return their entries in the manifest.

        Fetched files stay in `downloads`. The same recipe writes the same bytes. Raises QuartetError if the data is
        unavailable or wrong.
        """

    def foreseen(self) -> dict[str, Any]:
        """Return the manifest's shape, classes and examples, if they are known before fetching; else nothing."""
        return {}
