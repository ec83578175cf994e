"""Prepared data sets on disk: built aside, then moved into place whole, with a manifest that says what they are."""

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
ROOMS = ("preparing", "sources")  # the folders whose code decides what is prepared
SHARED = ("loading/files.py", "loading/tokenizer.py")  # and the files of the third that do


def prepare(*, name: str, source: Source, recipe: dict[str, Any], root: Path, downloads: Path) -> Path:
    """Build the data set `name` as `root/name`, unless it is there with the same `recipe`; return that folder.

    Any number of processes may call this at once. Whatever goes wrong, `root/name` is whole: the old set or the new.
    Raises QuartetError (no place has the data, wrong content, full disk, unreadable own data).
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
    """Whether `folder` holds, whole, what `recipe` makes now (of the user's own files: as they are now)."""
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
    """SHA-256 over the sources that prepare data: sets that another version of them made are prepared anew.

    `target` is the source's full path; where it is not ours, its file counts too.
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
    """The file in which somebody else's class is; None for ours, and where it is not a file."""
    module = target.rpartition(".")[0]
    if not module or module.split(".")[0] == "quartet":
        return None
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def listing(folder: Path) -> dict[str, str]:
    """What tells that the user's own files changed: a digest over their names, sizes and times."""
    files = [folder] if folder.is_file() else (path for path in sorted(folder.rglob("*")) if path.is_file())
    lines = (f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)
    return {"folder": str(folder), "listing": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def content_digest(folder: Path, files: Iterable[str]) -> str:
    """SHA-256 over the content of `files`: each one's name, NUL and SHA-256, in the order of names."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(file.encode() + b"\0" + bytes.fromhex(sha256(folder / file)))
    return total.hexdigest()


def _build(folder: Path, *, source: Source, recipe: dict[str, Any], downloads: Path) -> None:
    staging = folder.with_name(f".{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed: we hold the lock
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
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Put back what a process that was killed between two renames had moved aside."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _comparable(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe as JSON gives it back, without the mirror, which says where from and not what."""
    try:
        return json.loads(json.dumps({key: value for key, value in recipe.items() if key != "mirror"}))
    except TypeError as error:
        raise QuartetError(f"the recipe of a data set holds plain values only: {error}") from error


def _announce(name: str, source: Source) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"preparing {name}: {source.ORIGIN}. Licence: {source.LICENCE}", highlight=False)
