"""Load checkpoints and weights safely: refuse a file that could carry code, and never run such code."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

if TYPE_CHECKING:
    from torch import nn


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint of Lightning that holds only tensors and plain values; QuartetError for any other content."""
    import torch

    try:
        refuse_flipped_bits(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of an odd pickle, which is refused below anyway
            return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it carries code{f' ({found.group(1)})' if found else ''}, or is damaged"
        raise QuartetError(f"{path}: refused: {reason}\ndelete it, and the run starts afresh") from error
    except (RuntimeError, EOFError, ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise QuartetError(
            f"{path}: cannot be read ({_first_line(error)})\ndelete it, and the run starts afresh"
        ) from error


def refuse_flipped_bits(path: Path) -> None:
    """Raise BadZipFile where a checkpoint's content does not match its checksums, which torch writes and ignores."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def load_weights(model: nn.Module, path: Path, *, extra_prefix: str | None = None) -> None:
    """Load the weights of a safetensors file into `model`, which keeps its dtype.

    The file may hold further weights whose names begin with `extra_prefix`. Raises QuartetError for a file that is not
    safetensors, and for the weights of another model.
    """
    import safetensors
    from safetensors.torch import load_model

    try:
        missing, unexpected = load_model(model, str(path), strict=False)
    except RuntimeError as error:  # sizes differ; the message has a line for each such weight
        reason = str(error).strip().splitlines()[-1].strip()
        raise QuartetError(f"{path}: refused: these are another model's weights: {reason}") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise QuartetError(f"{path}: refused: this is no safetensors file ({_first_line(error)})") from error
    foreign = [name for name in unexpected if extra_prefix is None or not name.startswith(extra_prefix)]
    if missing or foreign:
        fault = f"it lacks {sorted(missing)[0]}" if missing else f"it also has {sorted(foreign)[0]}"
        raise QuartetError(f"{path}: refused: these are another model's weights: {fault}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
