"""Check that prepared data is still as preparing wrote it: by sizes and times, and by content where these changed."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from quartet.data.preparing.store import MANIFEST, content_digest, manifest_digest
from quartet.types import QuartetError
from quartet_app.files import read_json, read_record, write_text

SEEN = ".verified"  # the folder beside the data sets of single runs that keeps what was found right, and when


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the prepared data in `folder`; QuartetError where it is damaged."""
    return read_record(folder / MANIFEST, remedy=remedy(folder))


def check_content(folder: Path, *, seen: Path, full: bool) -> None:
    """Raise QuartetError where the prepared data in `folder` is not what its manifest says.

    Reads the files where their sizes and times are not those of the last check, which a file below `seen` holds. With
    `full` it always reads them.
    """
    manifest = read_manifest(folder)
    note = seen / f"{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]}.json"
    stamps = {name: _stamp(folder / name) for name in [*manifest["files"], MANIFEST]}
    if not full and read_json(note) == stamps:
        return
    if manifest.get("manifest", "") not in ("", manifest_digest(manifest)):  # data sets of early versions have none
        raise QuartetError(f"{folder / MANIFEST}: changed since the data was prepared\n{remedy(folder)}")
    found = content_digest(folder, manifest["files"])
    if found != manifest["digest"]:
        raise QuartetError(
            f"{folder}: its files changed since they were prepared: their digest is {found[:12]}, the manifest says "
            f"{manifest['digest'][:12]}\n{remedy(folder)}"
        )
    with suppress(OSError, QuartetError):  # where it cannot be written, the next check reads the files again
        seen.mkdir(parents=True, exist_ok=True)
        write_text(note, json.dumps(stamps))


def remedy(folder: Path) -> str:
    """Return the second line of a refusal: how to get the data set right."""
    return f"delete {folder}, and the same command prepares it anew"


def _stamp(path: Path) -> list[int]:
    """Return what changes with a file's content, cheaply: bytes, nanoseconds of its change, and its inode."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
