"""Write checkpoints such that a kill, a full disk or another file system never costs more than the newest one."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from quartet.types import QuartetError
from quartet_app.run.workers.checkpoints import load_checkpoint

LAST, BEFORE, BEST = "last.ckpt", "last.before.ckpt", "best.ckpt"


class WholeFiles(TorchCheckpointIO):
    """Write a checkpoint beside its place, flush it to the disk, then put it there; keep the last one but one.

    Lightning writes into the system's temporary folder and moves the file: from another file system that is a copy,
    and a kill in the middle of it leaves half a file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`. QuartetError where the disk refuses; what was there before stays."""
        place = Path(path)
        part = place.with_name(f".{place.name}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if place.name == LAST and place.exists():
                keep_before(place)
            part.replace(place)
        except (OSError, RuntimeError) as error:  # torch's writer tells a full disk by a RuntimeError
            with suppress(OSError):
                part.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise QuartetError(
                f"{place}: cannot be written ({reason})\nfree some room there; the same command then goes on"
            ) from error


def keep_before(last: Path) -> None:
    """Keep the file under a second name, where the file system knows such links."""
    before = last.with_name(BEFORE)
    with suppress(OSError):
        before.unlink(missing_ok=True)
        os.link(last, before)


def newest_readable(folder: Path) -> Path | None:
    """Return the checkpoint in `folder` to go on from: the last, or where it is damaged the one before; None for none.

    Raises QuartetError where there are checkpoints and none can be read.
    """
    refusal: QuartetError | None = None
    for name in (LAST, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            content = load_checkpoint(path)
            if not isinstance(content, dict) or "quartet" not in content:
                raise QuartetError(f"{path}: no checkpoint of ours\ndelete it, and the run starts afresh")
        except QuartetError as error:
            refusal = refusal or error
            continue
        if refusal is not None:
            print(f"{str(refusal).partition(chr(10))[0]}; going on from {path}, the one before", file=sys.stderr)
        return path
    if refusal is not None:
        raise refusal
    return None


def load_best(folder: Path) -> dict[str, Any]:
    """Return the chosen checkpoint of a finished training in `folder`; QuartetError that names the way out."""
    try:
        return load_checkpoint(folder / BEST)
    except QuartetError as error:
        reason = str(error).partition("\n")[0]
        raise QuartetError(f"{reason}\ndelete {folder}, and the run starts afresh") from error
