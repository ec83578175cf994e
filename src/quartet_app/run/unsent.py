"""Say what of a run did not reach its MLflow store, and how it gets there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartet.tracking import Tracker

UNSENT = "unsent.csv"  # in a run's folder: rows of the curves that did not reach the store


def say_what_was_lost(tracker: Tracker, folder: Path) -> None:
    """Print a line where something of the run in `folder` did not reach the store: how it gets there later."""
    if tracker.lost or (folder / UNSENT).exists():
        print(
            f"tracking: not all of this run reached {tracker.uri}; it is whole in {folder}, and "
            f"quartet trace --send {folder} delivers the rest",
            file=sys.stderr,
        )
