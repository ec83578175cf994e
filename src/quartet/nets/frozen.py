"""Load a classifier with fixed weights, named by their digest: its features mean the same in every run."""

from __future__ import annotations

from hashlib import sha256 as digest
from pathlib import Path
from typing import Any

from safetensors.torch import load

from quartet.nets.base import Net
from quartet.nets.models import Classifier
from quartet.types import Classes, Pixels, QuartetError

WEIGHTS = Path(__file__).parent / "weights"


def frozen_classifier(
    *, net: Net, pixels: dict[str, Any], classes: list[str], weights: str, sha256: str
) -> Classifier:  # fmt: skip
    """Return `net`'s classifier with fixed `weights`: a safetensors file in nets/weights/, or an absolute path.

    `pixels` are the fields of `Pixels`. Raises QuartetError if the file is absent, has another SHA-256, or holds
    weights of another net.
    """
    path = WEIGHTS / weights
    if not path.is_file():
        raise QuartetError(f"weights={weights}: no such file in {WEIGHTS}")
    content = path.read_bytes()
    found = digest(content).hexdigest()
    if found != sha256:
        raise QuartetError(f"weights={weights}: its SHA-256 is {found}, not {sha256}; restore the file")
    inputs = Pixels(**{**pixels, "mean": tuple(pixels["mean"]), "std": tuple(pixels["std"])})
    model = net.classifier(inputs, Classes(names=tuple(classes)))
    try:
        model.load_state_dict(load(content))
    except RuntimeError as error:
        raise QuartetError(f"weights={weights}: not the weights of {net}") from error
    model.digest, model.names = sha256, tuple(classes)
    model.shape = (inputs.height, inputs.width, inputs.channels)
    return model.eval().requires_grad_(False)
