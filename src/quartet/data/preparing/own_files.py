"""Walk a user's own files without clutter, and name all broken ones at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from quartet.types import QuartetError

Item = TypeVar("Item")
Read = TypeVar("Read")
# What systems and programs leave beside a person's files, in small letters; hidden names begin with a dot.
CLUTTER = frozenset(
    {"__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini"}
)
SHOWN = 50  # broken files named in one message


class BrokenFile(QuartetError):
    """A file that cannot be used: its path, the reason and the remedy."""

    def __init__(self, file: Path | str, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {reason}; {remedy}")
        self.file, self.reason, self.remedy = file, reason, remedy


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or was left by a system: `._1.png`, `__MACOSX`."""
    return name.startswith((".", "~$")) or name.lower() in CLUTTER


def entries(folder: Path) -> list[Path]:
    """Return the files and folders directly in `folder` without clutter, in order of name."""
    try:
        return sorted(path for path in folder.iterdir() if not is_clutter(path.name))
    except OSError as error:
        raise _closed(error, folder) from error


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly in `folder` without clutter, in order of name."""
    return [path for path in entries(folder) if path.is_dir()]


def files_below(folder: Path) -> list[Path]:
    """Return the files below `folder` without clutter, in order of path.

    Links are followed, but not back up. A link to nothing is a file too, so that a reader names it. Raises QuartetError
    for a folder that may not be read.
    """
    return sorted(_files(folder, above=()))


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files of `folder`; `above`: the real folders that hold it."""
    here = folder.resolve()
    if here in above:
        return
    for path in entries(folder):
        if path.is_dir():
            yield from _files(path, (*above, here))
        elif path.is_file() or (path.is_symlink() and not path.exists()):
            yield path


def read_all(items: Iterable[Item], read: Callable[[Item], Read]) -> Iterator[Read | None]:
    """Yield what `read` returns for each item, None for a broken file. Raises one error that names all broken files."""
    broken = []
    for item in items:
        try:
            yield read(item)
        except BrokenFile as error:
            broken.append(error)
            yield None
    refuse(broken)


def refuse(broken: list[BrokenFile]) -> None:
    """Raise one error that names the broken files, if there are any."""
    if len(broken) == 1:
        raise broken[0]
    if broken:
        named = ", ".join(f"{error.file} ({error.reason})" for error in broken[:SHOWN])
        more = f", and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        remedies = "; ".join(dict.fromkeys(error.remedy for error in broken))
        raise QuartetError(f"{len(broken)} files cannot be used: {named}{more}\n{remedies}")


def name_some(names: Iterable[str], *, most: int = 8) -> str:
    """Return names with commas; of many, the first and how many more there are. Bytes outside UTF-8 become escapes."""
    listed = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _closed(error: OSError, folder: Path) -> QuartetError:
    """Return the error for a folder that cannot be listed."""
    return QuartetError(f"{folder}: this folder cannot be read ({error.strerror}); allow it or move it away")
