"""Weights from files that nobody need trust: what could carry code is refused, never run."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

if TYPE_CHECKING:
    from torch import nn


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What Lightning saved: tensors and plain values only. QuartetError for a file that holds anything else."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the odd pickle, just before it is refused
            return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it carries code{f' ({named.group(1)})' if named else ''}, or is damaged"
        raise QuartetError(f"{path}: refused: {reason}\ndelete it, and the run starts afresh") from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise QuartetError(
            f"{path}: cannot be read ({_first_line(error)})\ndelete it, and the run starts afresh"
        ) from error


def load_weights(model: nn.Module, path: Path, *, beside: str | None = None) -> None:
    """Put the weights of a safetensors file into `model`, its dtype kept. Those whose names begin with `beside` may be
    there too. QuartetError for a file of another kind, or of another model."""
    import safetensors
    from safetensors.torch import load_model

    try:
        missing, unexpected = load_model(model, str(path), strict=False)
    except RuntimeError as error:  # the sizes differ, a line each after the first
        reason = str(error).strip().splitlines()[-1].strip()
        raise QuartetError(f"{path}: refused: these are another model's weights: {reason}") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise QuartetError(f"{path}: refused: this is no safetensors file ({_first_line(error)})") from error
    foreign = [name for name in unexpected if beside is None or not name.startswith(beside)]
    if missing or foreign:
        name, what = (sorted(missing)[0], "lacks") if missing else (sorted(foreign)[0], "has too many")
        raise QuartetError(f"{path}: refused: these are another model's weights: it {what} {name}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
