"""Prepared data sets on disk: built in a staging folder, then moved into place whole, with a manifest of their
contents."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quartet.data.preparing.fetch import room, sha256
from quartet.data.preparing.source import Source
from quartet.types import QuartetError

MANIFEST = "manifest.json"
ROOMS = ("preparing", "sources")  # folders whose code determines the prepared files
SHARED = ("loading/files.py", "loading/tokenizer.py")  # files of loading/ that do so too


def prepare(*, name: str, source: Source, recipe: dict[str, Any], root: Path, downloads: Path) -> Path:
    """Build the data set `name` as `root/name`, unless it exists with the same `recipe`; return that folder.

    Several processes may call this at once. After any failure `root/name` is whole: the old set or the new. Raises
    QuartetError (no place has the data, wrong content, full disk, unreadable own data).
    """
    from filelock import FileLock

    folder = root / name
    with room(root):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            _recover(folder)
            if not is_prepared(folder, recipe):
                _announce(name, source)
                _build(folder, source=source, recipe=recipe, downloads=downloads)
    return folder


def is_prepared(folder: Path, recipe: dict[str, Any]) -> bool:
    """Return whether `folder` holds, whole, the result of `recipe` with today's code and today's own files."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {file: (folder / file).stat().st_size for file in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    own = manifest.get("own")
    return (
        manifest.get("code") == code_digest(str(recipe.get("_target_", "")))
        and manifest["recipe"] == _comparable(recipe)
        and manifest["files"] == sizes
        and (own is None or not Path(own["folder"]).exists() or own == listing(Path(own["folder"])))
    )


@cache
def code_digest(target: str = "") -> str:
    """Return the SHA-256 of the code that prepares data: a set from other code is prepared again.

    `target`: the source's full path; where it is not ours, its file counts too.
    """
    total = hashlib.sha256()
    data = Path(__file__).parents[1]
    files = [*(path for room in ROOMS for path in (data / room).glob("*.py")), *(data / name for name in SHARED)]
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    if own := _file_of(target):
        total.update(own.read_bytes())
    return total.hexdigest()


def _file_of(target: str) -> Path | None:
    """Return the file of a class that is not ours; None for ours, and for a class without a file."""
    module = target.rpartition(".")[0]
    if not module or module.split(".")[0] == "quartet":
        return None
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def listing(folder: Path) -> dict[str, str]:
    """Return a digest of the names, sizes and times of the user's own files, which shows a change."""
    files = [folder] if folder.is_file() else (path for path in sorted(folder.rglob("*")) if path.is_file())
    lines = (f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)
    return {"folder": str(folder), "listing": hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()}


def content_digest(folder: Path, files: Iterable[str]) -> str:
    """Return the SHA-256 over each file's name, NUL and SHA-256, in order of name."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(file.encode() + b"\0" + bytes.fromhex(sha256(folder / file)))
    return total.hexdigest()


def _build(folder: Path, *, source: Source, recipe: dict[str, Any], downloads: Path) -> None:
    """Build a data set in a staging folder, and swap it in."""
    staging = folder.with_name(f".{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)  # a killed process left it: we hold the lock
    staging.mkdir()
    try:
        fields = source.build(staging, downloads / folder.name)
        files = {path.name: path.stat().st_size for path in sorted(staging.iterdir())}
        manifest = {
            "name": folder.name,
            "kind": source.KIND,
            "code": code_digest(str(recipe.get("_target_", ""))),
            "digest": content_digest(staging, files),
            "recipe": _comparable(recipe),
            "licence": source.LICENCE,
            "origin": source.ORIGIN,
            "files": files,
            **fields,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (staging / MANIFEST).write_text(text, encoding="utf-8")
        for path in staging.iterdir():
            _flush(path)
        _swap(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, folder: Path) -> None:
    """Move `staging` to `folder`, and delete the old set afterwards."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Put the old set back if a process was killed between the two renames of `_swap`."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def _flush(path: Path) -> None:
    """Write a file's or folder's cached changes to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _comparable(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe as JSON reads it back, without the mirror, which does not change the content."""
    try:
        return json.loads(json.dumps({key: value for key, value in recipe.items() if key != "mirror"}))
    except TypeError as error:
        raise QuartetError(f"the recipe of a data set holds plain values only: {error}") from error


def _announce(name: str, source: Source) -> None:
    """Print a data set's origin and licence."""
    from rich.console import Console

    Console(stderr=True).print(f"preparing {name}: {source.ORIGIN}. Licence: {source.LICENCE}", highlight=False)
