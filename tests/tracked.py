"""Copy what git knows of the repository, without what a person has made beside it. Imports nothing of ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_tracked(folder: Path, *names: str) -> Path:
    """Copy the tracked files below `names` into `folder`, as they are in the work tree; links stay links.

    Where there is no git repository, all files below `names` are copied. Returns `folder`.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    if not files:
        files = [path for name in names for path in [ROOT / name, *(ROOT / name).rglob("*")]]
    for path in (path for path in files if path.is_file() or path.is_symlink()):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy, follow_symlinks=False)
    return folder
