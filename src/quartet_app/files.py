"""Read and write the small files that runs, tables and sweeps keep, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from quartet.types import QuartetError

GENERATED_FOLDERS = ("build", "data", "results", "reports", "runs")  # of a table
STAGES = "stages"  # in a table of findings: the stages of each point, <point>/dvc.yaml
COMPOSED = "Written by the stage `compose`"  # the first words of each file in a table's build/
# What a person can mend when the system refuses to write, by the number of its error.
SPACE = "free some space or allow writing there, then give the same command again"
READING = "allow reading it, then give the same command again"
IN_THE_WAY = "move away what is in its place, then give the same command again"
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM), SPACE),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), IN_THE_WAY),
    errno.ENAMETOOLONG: "give a shorter name",
}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; then flush that file to the disk and rename it to `path`.

    After an error, `path` is as it was before. Raises QuartetError where the disk or the folder refuses.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> QuartetError:
    """Return the refusal for a file or folder that cannot be written."""
    remedy = REMEDIES.get(error.errno or 0, SPACE)
    return QuartetError(f"{path}: cannot be written ({error.strerror or error})\n{remedy}")


def not_read(path: Path, error: OSError) -> QuartetError:
    """Return the refusal for a file or folder that cannot be read."""
    remedy = REMEDIES.get(error.errno or 0, READING)
    return QuartetError(f"{path}: cannot be read ({error.strerror or error})\n{READING if remedy == SPACE else remedy}")


def refused_by_disk(error: BaseException) -> QuartetError | None:
    """Return the refusal where the system refused to write or read a file, as on a full disk; None for another error.

    It says "read" where this user may not read what is there, and "written" elsewhere.
    """
    if not isinstance(error, OSError) or error.errno not in REMEDIES:
        return None
    path = Path(error.filename2 or error.filename or os.getcwd())
    closed = error.errno in (errno.EACCES, errno.EPERM) and os.path.exists(path) and not os.access(path, os.R_OK)
    return not_read(path, error) if closed else not_written(path, error)


def make_folder(path: Path) -> None:
    """Make a folder and its parents; QuartetError where the disk or the folder above refuses."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: write a temporary file in the same folder, then rename it."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; {} where the file is missing or incomplete."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_record(path: Path, *, remedy: str) -> dict[str, Any]:
    """Return the mapping in a JSON file; QuartetError with `remedy` where the file is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise QuartetError(f"{path}: cannot be read ({error.strerror or error})\n{remedy}") from error
    except ValueError as error:
        raise QuartetError(f"{path}: damaged ({error})\n{remedy}") from error
    if not isinstance(found, dict):
        raise QuartetError(f"{path}: damaged (it holds a {type(found).__name__} instead of a mapping)\n{remedy}")
    return found


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
