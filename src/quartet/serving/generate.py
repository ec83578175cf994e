"""Noise to images. MLflow keeps this file beside the exported program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec

PACKAGES = ("torch", "numpy", "pandas")
BATCH = 256


class Generator(PythonModel):
    """How many images, such as `np.array([16])` → images (N,H,W,C), uint8. Param: `seed`."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        self.noise = json.loads((folder / "settings.json").read_text())["noise"]
        self.net = torch.export.load(folder / "generate.pt2").module()

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        draw = torch.Generator().manual_seed(int((params or {}).get("seed", 0)))
        z_NZ = torch.randn(int(np.asarray(model_input).sum()), self.noise, generator=draw)
        with torch.inference_mode():
            x_NHWC = torch.cat([self.net(part) for part in z_NZ.split(BATCH)])
        return ((x_NHWC + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def signature(settings: dict[str, Any]) -> ModelSignature:
    images = TensorSpec(np.dtype("uint8"), (-1, *settings["shape"]))
    params = ParamSchema([ParamSpec("seed", "long", 0)])
    return ModelSignature(Schema([TensorSpec(np.dtype("int64"), (-1,))]), Schema([images]), params)


def example(settings: dict[str, Any]) -> np.ndarray:
    return np.array([2])


set_model(Generator())
