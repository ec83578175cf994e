"""Images of bytes, or series of numbers, to their classes. MLflow keeps this file beside the exported program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ColSpec, Schema, TensorSpec

PACKAGES = ("torch", "numpy", "pandas")
BATCH = 256


class Classifier(PythonModel):
    """x (N,H,W,C) or, of one channel, (N,H,W), uint8; or series (N,L,C) or (N,L), float32 → label and confidence."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        self.settings = json.loads((folder / "settings.json").read_text())
        self.net = torch.export.load(folder / "classify.pt2").module()

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        x = np.asarray(model_input, dtype=self.settings["dtype"]).reshape(-1, *self.settings["shape"])
        with torch.inference_mode():
            parts = [self.net(part).softmax(-1) for part in torch.from_numpy(x.copy()).split(BATCH)]
        confidence, index = torch.cat(parts).max(-1)
        labels = [self.settings["classes"][i] for i in index.tolist()]
        return pd.DataFrame({"label": labels, "confidence": confidence.numpy()})


def signature(settings: dict[str, Any]) -> ModelSignature:
    *shape, channels = settings["shape"]
    raw = TensorSpec(np.dtype(settings["dtype"]), (-1, *shape) if channels == 1 else (-1, *shape, channels))
    return ModelSignature(Schema([raw]), Schema([ColSpec("string", "label"), ColSpec("float", "confidence")]))


def example(settings: dict[str, Any]) -> np.ndarray:
    *shape, channels = settings["shape"]
    return np.zeros((2, *shape) if channels == 1 else (2, *shape, channels), settings["dtype"])


set_model(Classifier())
