"""Read and write the small files that runs, tables and sweeps keep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

GENERATED_FOLDERS = ("build", "data", "results", "reports", "runs")  # of a table
COMPOSED = "Written by the stage `compose`"  # the first words of each file in a table's build/


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: write a temporary file in the same folder, then rename it."""
    part = path.with_name(path.name + f".{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; {} where the file is missing or incomplete."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def relative_to_cwd(path: Path) -> str:
    """Return `path` relative to the working directory, so that it stays right in a copy of the folder.

    A path that is not below the working directory stays absolute.
    """
    absolute = path.absolute()
    return (absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute).as_posix()
