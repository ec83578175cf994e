"""Delete what the commands have made in tables' folders, and leave all else: `make clean`.

    python -m quartet_app.table.clean FOLDER …

A person may keep pictures in data/ or notes in runs/. So each folder and file is looked at: ours hold a manifest, a
run, an evaluation or a sweep, or have a name that only we write. Links are not followed. Needs no installed package.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from quartet.data.preparing.store import is_ours
from quartet_app.files import COMPOSED, GENERATED_FOLDERS, read_json

# The files that together show what made a folder: each group belongs to a run, an evaluation, a sweep.
MARKS = (
    ("config.yaml", "state.json"),
    ("config.yaml", "run.json"),
    ("config.yaml", "lock"),
    ("metrics.json", "evidence.json"),
    ("study.json", "trials.jsonl"),
)
WHOLE = ("runs/downloads", "runs/grid")  # fetched files; logs of `quartet grid`
NAMES = {
    "reports": ("index.html", "report.md", "results.json", "statistics.json", "bench.json"),
    "runs": ("own_targets.txt", "multirun.yaml"),
    "results": (".gitignore",),
    "data": (".gitignore",),
    "build": (".gitignore",),
}
NOTE = {"data", "digest", "recipe"}


def clean(table: Path) -> list[Path]:
    """Delete what was made in the folders of `table`; returns what was left because it is not ours."""
    return [left for name in GENERATED_FOLDERS for left in _clean(table / name, table)]


def _clean(path: Path, table: Path) -> Iterator[Path]:
    """Delete `path` if it is ours, else what is ours below it; yield what is left."""
    room = path.relative_to(table).parts[0]
    if path.is_dir() and not path.is_symlink():
        if _made(path, table):
            shutil.rmtree(path)
            return
        for inner in sorted(path.iterdir()):
            yield from _clean(inner, table)
        if not any(path.iterdir()):
            path.rmdir()
    elif path.is_file() and _written(path, room):
        path.unlink()
    elif path.is_symlink() or path.exists():
        yield path


def _made(folder: Path, table: Path) -> bool:
    """Return whether a folder was made by a command of ours."""
    marked = any(all((folder / name).is_file() for name in names) for names in MARKS)
    return marked or folder.relative_to(table).as_posix() in WHOLE or is_ours(folder)


def _written(file: Path, room: str) -> bool:
    """Return whether a file in the folder `room` of a table was written by a command of ours."""
    if file.name in NAMES[room] or (file.name.startswith(".") and file.suffix == ".lock"):
        return True
    if room == "build":
        return file.suffix == ".yaml" and file.read_text(encoding="utf-8", errors="replace").startswith(f"# {COMPOSED}")
    return room == "data" and file.suffix == ".json" and set(read_json(file)) == NOTE


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        for left in clean(Path(folder)):
            print(f"kept: {left}, which Quartet has not made")
