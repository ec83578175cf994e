"""Read and write the small files that runs, tables and sweeps keep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from quartet.types import QuartetError


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: write a temporary file in the same folder, then rename it."""
    part = path.with_name(path.name + f".{os.getpid()}")
    part.write_text(text, encoding="utf-8")
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


def expand_home(text: str) -> Path:
    """Return a path in which `~` is the home folder; QuartetError where the system knows none."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise QuartetError(f"{text}: no home folder is known (is HOME set?); give the whole path") from error


def is_utf8(name: str) -> bool:
    """Return whether a name, as the system gave it, is UTF-8: Python stands surrogates for other bytes."""
    return not any("\udc80" <= character <= "\udcff" for character in name)
