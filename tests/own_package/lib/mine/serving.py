"""Series to numbers. MLflow keeps this file beside the exported program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import Schema, TensorSpec

PACKAGES = ("torch", "numpy")


class Scorer(PythonModel):
    """x (N, L), float32 → N numbers."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {"score": torch.export.load(folder / "score.pt2").module()})

    def use(self, described: Any, programs: Any) -> None:
        self.length, self.net = described["inputs"]["length"], programs["score"]

    @torch.inference_mode()
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        x = torch.from_numpy(np.asarray(model_input, np.float32).reshape(-1, self.length, 1))
        return np.asarray(self.net(x).numpy())


def signature(described: Any) -> ModelSignature:
    inputs = TensorSpec(np.dtype("float32"), (-1, described["inputs"]["length"]))
    return ModelSignature(Schema([inputs]), Schema([TensorSpec(np.dtype("float32"), (-1,))]))


def example(described: Any) -> np.ndarray:
    return np.zeros((2, described["inputs"]["length"]), np.float32)


set_model(Scorer())
