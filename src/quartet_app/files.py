"""Read and write the small files that runs, tables and sweeps keep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: into a file beside it, which then takes its place."""
    part = path.with_name(path.name + f".{os.getpid()}")
    part.write_text(text)
    part.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file's mapping; return {} where there is no file, or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def relative_to_cwd(path: Path) -> str:
    """Return `path` as seen from the working directory where it lies below it, so that it means the same in a copy."""
    whole = path.absolute()
    return (whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole).as_posix()
