"""Delete what the commands have made in tables' folders, and leave all else: `make clean`.

    python -m quartet_app.table.clean FOLDER …

A person may keep pictures in data/, or notes in runs/ and in the folder of a run. So each folder and file is looked at:
folders of ours hold a manifest, a run, an evaluation or a sweep, and in these the files that we write there have names
that we know. Elsewhere a name must be one that only we write. Links are not followed. Needs no installed package.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from quartet.data.preparing.store import MANIFEST, is_ours
from quartet_app.files import COMPOSED, GENERATED_FOLDERS, read_json

# The files that together show what made a folder: each group belongs to a run, an evaluation, a sweep.
MARKS = (
    ("config.yaml", "state.json"),
    ("config.yaml", "run.json"),
    ("config.yaml", "lock"),
    ("metrics.json", "evidence.json"),
    ("study.json", "trials.jsonl"),
)
# The names of files in folders of a run, an evaluation or a sweep.
FILES = {
    "config.yaml", "state.json", "run.json", "result.json", "lock", "model.json", "model.safetensors", "train.csv",
    "val.csv", "work_tree.diff", "unsent.csv", "trial.log", "checkpoint", ".gitignore",
    "last.ckpt", "last.before.ckpt", "best.ckpt",
    "metrics.json", "evidence.json", "evidence.npz", "cost.json", "metrics.csv", "confusion.csv",
    "study.json", "trials.jsonl", "multirun.yaml", "sweep.log", "mlflow.json", "found.json",
}  # fmt: skip
PARTS = re.compile(r"checkpoints|before|evaluate|plots|\d+")  # folders in these; a number is that of a trial
RAYS = re.compile(r"ray|\.tune-.*")  # folders in these that Ray fills while it works
# Fetched files, logs of `quartet grid`, when prepared data were last found right.
WHOLE = ("runs/downloads", "runs/grid", "runs/data/.verified")
SHOWING = {MANIFEST, *(name for names in MARKS for name in names)}  # go last: an interrupted clean can be repeated
PART = re.compile(r"\.(.+)\.(?:\d+|part)")
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


def _clean(path: Path, table: Path, known: Collection[str] = ()) -> Iterator[Path]:
    """Delete `path` if it is ours, else what is ours below it; yield what is left.

    `known` are the names of our files in its folder, where that is one of ours.
    """
    room = path.relative_to(table).parts[0]
    if path.is_dir() and not path.is_symlink():
        unfinished = (is_ours(path) and path.name.startswith(".")) or (known and RAYS.fullmatch(path.name))
        if unfinished or path.relative_to(table).as_posix() in WHOLE:
            shutil.rmtree(path)
            return
        names = _files_of(path) or (FILES if known and PARTS.fullmatch(path.name) else ())
        for inner in sorted(path.iterdir(), key=lambda inner: (inner.name in SHOWING, inner.name)):
            yield from _clean(inner, table, names)
        if not any(path.iterdir()):
            path.rmdir()
    elif path.is_file() and (_named(path.name, known) if known else _written(path, room)):
        path.unlink()
    elif path.is_symlink() or path.exists():
        yield path


def _files_of(folder: Path) -> Collection[str]:
    """Return the names of our files in a folder that a command of ours has made, none for another folder."""
    if is_ours(folder):
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return {MANIFEST, *manifest["files"]}
    return FILES if any(all((folder / name).is_file() for name in names) for names in MARKS) else ()


def _named(name: str, known: Collection[str]) -> bool:
    """Return whether a name is among the known ones, or that of a part that was to become such a file."""
    part = PART.fullmatch(name)
    return name in known or (part is not None and part[1] in known)


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
