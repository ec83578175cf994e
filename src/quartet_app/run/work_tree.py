"""What the sources were when a run began: the commit, and all in which the work config differs from it, as a diff.

The diff holds tracked files, and untracked ones of the rooms whose code or configuration a run may use; nothing that
git ignores. `git apply` takes it, in a work config of the commit.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("src", "pipelines", "conf")  # where an untracked file may take part in a run
WRITTEN = ":(exclude)dvc.lock"  # DVC writes it between two stages: a diff of it would say nothing of the sources
FILE_LIMIT, LIMIT = 1_000_000, 5_000_000  # bytes: of a changed file or its diff, and of all together
CLEAN = b"# The work tree had no changes.\n"
LEFT_OUT = "# left out, as it is too large: "
# As git prints a diff by itself, whatever a person has set for it.
ALIKE = ("--no-renames", "--relative", "--ignore-submodules", "--no-ext-diff", "--no-textconv")
PLAIN = (*ALIKE, "--binary", "--full-index", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class WorkTree:
    """`commit`: its name, `-dirty` where there is a `diff`, `unknown` outside a repository."""

    commit: str
    diff: bytes


def write_diff(path: Path, diff: bytes) -> None:
    """Keep a diff in a file that is never empty: DVC warns of empty outputs."""
    path.write_bytes(diff or CLEAN)


def read_diff(path: Path | None) -> bytes:
    """Return the diff that `write_diff` kept, b"" where nothing had changed or where there is no file."""
    kept = path.read_bytes() if path is not None and path.exists() else b""
    return b"" if kept == CLEAN else kept


def look(folder: Path) -> WorkTree:
    """Return the work tree in `folder` as it is now."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        diff = _difference(folder, commit)
    except (OSError, subprocess.CalledProcessError):
        return WorkTree("unknown", b"")
    return WorkTree(commit + ("-dirty" if diff else ""), diff)


def changed(diff: bytes) -> list[str]:
    """The paths that a diff of ours changes, and those that it leaves out."""
    paths = [path.decode(errors="replace") for path in re.findall(rb"^diff --git a/.* b/(.*)$", diff, re.MULTILINE)]
    return sorted(paths + left_out(diff))


def left_out(diff: bytes) -> list[str]:
    """The paths of files that were too large to be kept."""
    lines = diff.decode(errors="replace").splitlines()
    return [line.removeprefix(LEFT_OUT).rsplit(", ", 2)[0] for line in lines if line.startswith(LEFT_OUT)]


def _difference(folder: Path, commit: str) -> bytes:
    new = _names(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *ROOMS)
    old = _names(folder, "diff", "--name-only", "-z", *ALIKE, "HEAD", "--", ".", WRITTEN)
    if not new and not old:
        return b""
    large = [path for path in [*old, *new] if _size(folder / path) > FILE_LIMIT]
    with tempfile.TemporaryDirectory() as scratch:
        # A copy of the index, in which untracked files are meant to be added: one diff then shows all.
        index = Path(scratch) / "index"
        own = folder / _git(folder, "rev-parse", "--git-path", "index").decode().strip()
        if own.exists():
            shutil.copyfile(own, index)
        small = [path for path in new if path not in large]
        if small:
            _git(folder, "add", "--intent-to-add", "--", *(f":(literal){path}" for path in small), index=index)
        without = [f":(exclude,literal){path}" for path in large]
        whole = _git(folder, "diff", *PLAIN, "HEAD", "--", ".", WRITTEN, *without, index=index)
    kept, total = [], 0
    for piece in re.split(rb"^(?=diff --git )", whole, flags=re.MULTILINE):
        if len(piece) > FILE_LIMIT or total + len(piece) > LIMIT:
            large += changed(piece)
        else:
            kept.append(piece)
            total += len(piece)
    return _header(folder, commit, large) + b"".join(kept) if large or total else b""


def _header(folder: Path, commit: str, large: Sequence[str]) -> bytes:
    """Lines that `git apply` passes over."""
    lines = [f"# What the work config changed in commit {commit}; there, `git apply` brings it back."]
    lines += [f"{LEFT_OUT}{path}, {_size(folder / path)} bytes, SHA-256 {_sha256(folder / path)}" for path in large]
    return ("\n".join(lines) + "\n").encode()


def _names(folder: Path, *words: str) -> list[str]:
    names = _git(folder, *words).decode(errors="surrogateescape").split("\0")
    return [name for name in names if name and not name.endswith("/")]  # a repository inside this one ends in a slash


def _size(path: Path) -> int:
    return path.lstat().st_size if path.is_file() else 0


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "none"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *words: str, index: Path | None = None) -> bytes:
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **({"GIT_INDEX_FILE": str(index)} if index else {})}
    command = ["git", "-C", str(folder), "-c", "core.quotePath=false", *words]
    return subprocess.run(command, capture_output=True, check=True, env=env).stdout
