"""Write checkpoints so that a kill, a full disk or another file system never loses more than the newest checkpoint."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from quartet.types import QuartetError
from quartet_app.files import whole_file
from quartet_app.run.workers.checkpoints import load_checkpoint

if TYPE_CHECKING:
    from torch import nn

LAST, BEFORE, BEST = "last.ckpt", "last.before.ckpt", "best.ckpt"


class WholeFiles(TorchCheckpointIO):
    """Write a checkpoint to a temporary file in its folder, flush it to the disk, and rename it; keep the one before.

    Lightning writes into the system's temporary folder and moves the file. Between two file systems a move is a copy,
    and a kill in the middle leaves half a file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`; QuartetError where the disk refuses, and then the older file stays."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if target.name == LAST and target.exists():
                keep_before(target)
            part.replace(target)
        except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError for a full disk
            with suppress(OSError):
                part.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise QuartetError(
                f"{target}: cannot be written ({reason})\nfree some space there; the same command then resumes the run"
            ) from error


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's weights as safetensors, whole or not at all; QuartetError where the disk refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_model

    with whole_file(path) as part:
        try:
            save_model(model, str(part))
        except SafetensorError as error:  # how it passes on an error of the disk
            raise OSError(str(error)) from error


def keep_before(last: Path) -> None:
    """Keep the file `last` under a second name, BEFORE, by a hard link. Does nothing where the file system has none."""
    before = last.with_name(BEFORE)
    with suppress(OSError):
        before.unlink(missing_ok=True)
        os.link(last, before)


def newest_readable(folder: Path) -> Path | None:
    """Return the checkpoint in `folder` to resume from: the last, or the one before where the last is damaged.

    Returns None where there is no checkpoint. Raises QuartetError where there are some but none can be read.
    """
    refusal: QuartetError | None = None
    for name in (LAST, BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            load_own(path)
        except QuartetError as error:
            refusal = refusal or error
            continue
        if refusal is not None:
            print(f"{str(refusal).partition(chr(10))[0]}; resuming from {path}, the one before", file=sys.stderr)
        return path
    if refusal is not None:
        reason = str(refusal).partition("\n")[0]
        raise QuartetError(f"{reason}\ndelete {folder}, and the run starts afresh")
    return None


def to_resume_from(folder: Path) -> Path | None:
    """Return the checkpoint in `folder` to resume from, None for none; QuartetError where no way leads to the end.

    Training would not write a damaged best checkpoint again unless it got better, and fail at its end.
    """
    newest = newest_readable(folder)
    if newest is not None and (folder / BEST).exists():
        load_best(folder)
    return newest


def load_own(path: Path) -> dict[str, Any]:
    """Return a checkpoint of ours; QuartetError for a file that is damaged or holds something else."""
    content = load_checkpoint(path)
    if not isinstance(content, dict) or not {"quartet", "state_dict"} <= content.keys():
        raise QuartetError(f"{path}: not a checkpoint of Quartet\ndelete it, and the run starts afresh")
    return content


def load_best(folder: Path) -> dict[str, Any]:
    """Return the best checkpoint of a training, from `folder`; QuartetError where it cannot be read."""
    try:
        return load_own(folder / BEST)
    except QuartetError as error:
        reason = str(error).partition("\n")[0]
        raise QuartetError(f"{reason}\ndelete {folder}, and the run starts afresh") from error
