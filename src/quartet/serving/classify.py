"""Classify images of bytes or series of numbers. MLflow stores this file with the exported program.

Shapes: N examples, H height, W width, C channels, L length, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ColSpec, Schema, TensorSpec

PACKAGES = ("torch", "numpy", "pandas")
BATCH = 256


class Classifier(PythonModel):
    """Map x to label and confidence: uint8 (N,H,W,C), or (N,H,W) with one channel; float32 (N,L,C) or (N,L)."""

    def load_context(self, context: Any) -> None:
        """Load the description and the program from MLflow's artifacts."""
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {"classify": torch.export.load(folder / "classify.pt2").module()})

    def use(self, described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> None:
        """Set the description and the program."""
        self.dtype, self.shape, self.classes = described["dtype"], described["shape"], described["classes"]
        self.net = programs["classify"]

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a table with the label and the confidence of each example."""
        confidence, index = torch.from_numpy(self.probabilities(model_input)).max(-1)
        labels = [self.classes[i] for i in index.tolist()]
        return pd.DataFrame({"label": labels, "confidence": confidence.numpy()})

    @torch.inference_mode()
    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return p_NK of the classes."""
        x = self._checked(np.asarray(x))
        parts = [self.net(part).softmax(-1) for part in torch.from_numpy(x).split(BATCH)]
        return torch.cat(parts).numpy()

    def _checked(self, x: np.ndarray) -> np.ndarray:
        """Return a copy of x as (N, *shape). Raises MlflowException for a wrong shape, type or value."""
        shape, given = tuple(self.shape), x.shape[1:]
        if given != shape and not (shape[-1] == 1 and given == shape[:-1]):
            refuse(f"examples of shape {given} given; {shape} would do, or {shape[:-1]} if it has one channel")
        if len(x) == 0:
            refuse("no example given; one or more would do")
        if self.dtype == "uint8" and x.dtype == object:
            x = bytes_of(x)
        if not np.issubdtype(x.dtype, np.number) or (self.dtype == "uint8" and x.dtype != np.uint8):
            refuse(f"examples of {x.dtype} given; {self.dtype} would do")
        if not np.isfinite(x).all():
            refuse("an example holds a number that is not finite; replace it")
        return x.astype(self.dtype).reshape(-1, *shape)


def bytes_of(x: np.ndarray) -> np.ndarray:
    """Return JSON's numbers as uint8. Only whole numbers of a byte pass: pixels in 0 … 1 would silently turn black."""
    odd = [value for value in x.flat if type(value) is not int or not 0 <= value <= 255]
    if odd:
        refuse(f"an example holds {odd[0]!r}; whole numbers from 0 to 255 would do")
    return x.astype(np.uint8)


def refuse(message: str) -> None:
    """Raise the MlflowException for invalid input."""
    raise MlflowException.invalid_parameter_value(message)


def signature(described: Mapping[str, Any]) -> ModelSignature:
    """Return MLflow's signature. Images have no type in it, as MLflow would cut 0.5 down to 0; `Classifier` checks."""
    *shape, channels = described["shape"]
    each = shape if channels == 1 else (*shape, channels)
    images = described["dtype"] == "uint8"
    raw = TensorSpec(np.dtype("O"), (-1,)) if images else TensorSpec(np.dtype("float32"), (-1, *each))
    return ModelSignature(Schema([raw]), Schema([ColSpec("string", "label"), ColSpec("float", "confidence")]))


def example(described: Mapping[str, Any]) -> np.ndarray:
    """Return an input example: two blank images or series."""
    *shape, channels = described["shape"]
    return np.zeros((2, *shape) if channels == 1 else (2, *shape, channels), described["dtype"])


set_model(Classifier())
