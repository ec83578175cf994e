"""Record the sources of a run: the commit, and the changes of the work tree to it as a diff.

The diff holds changes of tracked files, and untracked files of the folders that a run may use, but no ignored files.
`git apply` applies it in a work tree of the commit.
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

from quartet_app.files import whole_file

SOURCE_FOLDERS = ("src", "pipelines", "conf")  # a run may use untracked files of these
WITHOUT_LOCK_FILE = ":(exclude)dvc.lock"  # DVC writes it between stages; it is no source
MAX_FILE_BYTES, MAX_BYTES = 1_000_000, 5_000_000  # bytes of a changed file or its diff, and of the whole diff
CLEAN = b"# The work tree had no changes.\n"
LEFT_OUT = "# left out, as it is too large: "
# These make git's output independent of a person's own settings.
DIFF_OPTIONS = ("--no-renames", "--relative", "--ignore-submodules", "--no-ext-diff", "--no-textconv")
PATCH_OPTIONS = (*DIFF_OPTIONS, "--binary", "--full-index", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class WorkTree:
    """A work tree. `commit`: its hash, with `-dirty` where there is a `diff`; `unknown` outside a repository."""

    commit: str
    diff: bytes


def write_diff(path: Path, diff: bytes) -> None:
    """Write a diff to a file that is never empty: DVC warns of empty outputs."""
    with whole_file(path) as part:
        part.write_bytes(diff or CLEAN)


def read_diff(path: Path | None) -> bytes:
    """Return the diff that `write_diff` wrote, b"" where nothing had changed or where there is no file."""
    written = path.read_bytes() if path is not None and path.exists() else b""
    return b"" if written == CLEAN else written


def read_work_tree(folder: Path) -> WorkTree:
    """Return the commit and the changes of the work tree in `folder`."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        diff = _difference(folder, commit)
    except (OSError, subprocess.CalledProcessError):
        return WorkTree("unknown", b"")
    return WorkTree(commit + ("-dirty" if diff else ""), diff)


def changed_paths(diff: bytes) -> list[str]:
    """Return the paths that a diff of this module changes, and those that it leaves out as too large."""
    paths = [path.decode(errors="replace") for path in re.findall(rb"^diff --git a/.* b/(.*)$", diff, re.MULTILINE)]
    return sorted(paths + left_out_paths(diff))


def left_out_paths(diff: bytes) -> list[str]:
    """Return the paths of files that the diff leaves out, as they are too large."""
    lines = diff.decode(errors="replace").splitlines()
    return [line.removeprefix(LEFT_OUT).rsplit(", ", 2)[0] for line in lines if line.startswith(LEFT_OUT)]


def _difference(folder: Path, commit: str) -> bytes:
    """Return the diff of the work tree to its commit, with a header that lists files that are too large for it."""
    new = _names(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCE_FOLDERS)
    old = _names(folder, "diff", "--name-only", "-z", *DIFF_OPTIONS, "HEAD", "--", ".", WITHOUT_LOCK_FILE)
    if not new and not old:
        return b""
    large = [path for path in [*old, *new] if _size(folder / path) > MAX_FILE_BYTES]
    with tempfile.TemporaryDirectory() as scratch:
        # In a copy of the index, untracked files are marked as added, so that one diff shows all changes.
        index = Path(scratch) / "index"
        own = folder / _git(folder, "rev-parse", "--git-path", "index").decode().strip()
        if own.exists():
            shutil.copy2(own, index)  # with its time: git compares contents where a file is as young as the index
        small = [path for path in new if path not in large]
        if small:
            _git(folder, "add", "--intent-to-add", "--", *(f":(literal){path}" for path in small), index=index)
        without = [f":(exclude,literal){path}" for path in large]
        whole = _git(folder, "diff", *PATCH_OPTIONS, "HEAD", "--", ".", WITHOUT_LOCK_FILE, *without, index=index)
    pieces, total = [], 0
    for piece in re.split(rb"^(?=diff --git )", whole, flags=re.MULTILINE):
        if len(piece) > MAX_FILE_BYTES or total + len(piece) > MAX_BYTES:
            large += changed_paths(piece)
        else:
            pieces.append(piece)
            total += len(piece)
    return _header(folder, commit, large) + b"".join(pieces) if large or total else b""


def _header(folder: Path, commit: str, large: Sequence[str]) -> bytes:
    """Return comment lines for the top of a diff; `git apply` skips them."""
    lines = [f"# The changes of the work tree to commit {commit}; `git apply` restores them there."]
    lines += [f"{LEFT_OUT}{path}, {_size(folder / path)} bytes, SHA-256 {_sha256(folder / path)}" for path in large]
    return ("\n".join(lines) + "\n").encode()


def _names(folder: Path, *arguments: str) -> list[str]:
    """Return the paths that a git command with -z prints."""
    names = _git(folder, *arguments).decode(errors="surrogateescape").split("\0")
    return [name for name in names if name and not name.endswith("/")]  # a repository inside this one ends in a slash


def _size(path: Path) -> int:
    return path.lstat().st_size if path.is_file() else 0


def _sha256(path: Path) -> str:
    if not path.is_file():
        return "none"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *arguments: str, index: Path | None = None) -> bytes:
    """Run git in `folder`, with another `index` if one is named; returns its output."""
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **({"GIT_INDEX_FILE": str(index)} if index else {})}
    command = ["git", "-C", str(folder), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, capture_output=True, check=True, env=env).stdout
