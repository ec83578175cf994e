"""Find an experiment's data; with --quick, small data that are made up here, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from measure import Skipped

from quartet.types import QuartetError
from quartet_app.data.made_up import made_up
from quartet_app.data.prepared import ensure

FOLDER = Path("made_up")


def prepared(config: dict[str, Any]) -> Path:
    """Return the absolute folder of the prepared data of a resolved config. Raises Skipped where they cannot be had."""
    try:
        return ensure(config["data"]).resolve()
    except QuartetError as error:
        raise Skipped(str(error)) from error


def small_data(kind: str) -> list[str]:
    """Return the overrides that put made-up data of a `kind` (images, series, text, pairs) in the place of real ones.

    The first call writes them below the working directory.
    """
    option, settings = made_up(kind, FOLDER)
    return [f"data={option}", *(f"data.source.{key}={value}" for key, value in settings.items())]
