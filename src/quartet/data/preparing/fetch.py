"""Get a file from the first place that has it, check it, and move it into place whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from quartet.data.preparing.places import Place, Unavailable
from quartet.types import QuartetError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MIRROR = "QUARTET_MIRROR"


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mirrors(option: str | None, dataset: str) -> list[Path]:
    """Return the local folders that may hold `dataset`: `<mirror>/<dataset>` for the option and for QUARTET_MIRROR."""
    return [Path(root).expanduser() / dataset for root in (option, os.environ.get(MIRROR)) if root]


def fetch(
    target: Path,
    *,
    digests: Sequence[str],
    places: Sequence[Place],
    digest: Callable[[Path], str] = sha256,
    advice: str = "",
) -> Path:
    """Return `target`, once it is there with one of `digests`; keep a correct file that exists.

    Tries `places` in order. `digest` computes a file's digest; `advice` says what to do about another digest. Raises
    QuartetError that names each place and its failure. Only a checked file is ever called `target`.
    """
    if target.exists() and _digest_of(target, digest) in digests:
        return target
    tried = []
    with room(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        for place in places:
            with tempfile.TemporaryDirectory(prefix=".part-", dir=target.parent) as scratch:
                part = Path(scratch) / target.name
                try:
                    place.copy_to(part)
                    found = _digest_of(part, digest)
                except Unavailable as reason:
                    tried.append(f"{place}: {reason}")
                    continue
                if found in digests:
                    os.replace(part, target)
                    return target
                tried.append(f"{place}: {_mismatch(found, digests)}{advice and f', {advice}'}")
    what = "; ".join(tried) or "no place is known"
    raise QuartetError(
        f"{target.name} cannot be fetched. Tried: {what}\n"
        f"put the file into <mirror>/{target.parent.name}/ and set {MIRROR}=<mirror>, or connect to the network"
    )


def _digest_of(path: Path, digest: Callable[[Path], str]) -> str:
    """Return the digest, or the reason why there is none: an unreadable file is a wrong file."""
    try:
        return digest(path)
    except (ValueError, EOFError, LookupError) as reason:
        return f"unreadable ({reason})"


def _mismatch(found: str, digests: Sequence[str]) -> str:
    """Return the reason why a file with this digest is wrong."""
    if found.startswith("unreadable"):
        return f"truncated or another file, {found}"
    return f"wrong content, SHA-256 {found} instead of {' or '.join(digests)}"


@contextlib.contextmanager
def room(folder: Path) -> Iterator[None]:
    """Turn the errors 'no space left' and 'not allowed' into a QuartetError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise QuartetError(
                f"no room on the disk for {folder} ({os.strerror(error.errno or 0)}): nothing was changed\n"
                "free some space, or choose a folder on another disk"
            ) from error
        if isinstance(error, PermissionError):
            raise QuartetError(
                f"{error.filename or folder} cannot be read or written: {error.strerror}\n"
                "allow it, or work in a folder of your own"
            ) from error
        raise
