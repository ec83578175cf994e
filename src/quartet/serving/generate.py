"""Generate images from noise. MLflow stores this file with the exported program.

Shapes: N images, H height, W width, C channels, Z noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ParamSchema, ParamSpec, Schema, TensorSpec

PACKAGES = ("torch", "numpy", "pandas")
BATCH, MOST = 256, 10_000


class Generator(PythonModel):
    """Map a number of images, such as `np.array([16])`, to images (N,H,W,C), uint8. Param: `seed`."""

    def load_context(self, context: Any) -> None:
        """Load the description and the program from MLflow's artifacts."""
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {"generate": torch.export.load(folder / "generate.pt2").module()})

    def use(self, described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> None:
        """Set the description and the program."""
        self.latent_dim, self.net = described["latent_dim"], programs["generate"]

    @torch.inference_mode()
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Return as many new images as `model_input` says."""
        counts, seed = np.asarray(model_input), (params or {}).get("seed", 0)
        asked = counts.ravel()[:4].tolist()
        if counts.size != 1 or type(asked[0]) is not int or not 1 <= asked[0] <= MOST:
            refuse(f"{asked} images asked for; one number, 1 to {MOST}, would do")
        if seed is None or not 0 <= seed < 2**63:
            refuse(f"seed: {seed} given; 0 to 2^63 - 1 would do")
        draw = torch.Generator().manual_seed(int(seed))
        z_NZ = torch.randn(asked[0], self.latent_dim, generator=draw)
        x_NHWC = torch.cat([self.net(part) for part in z_NZ.split(BATCH)])
        return ((x_NHWC + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def refuse(message: str) -> None:
    """Raise the MlflowException for invalid input."""
    raise MlflowException.invalid_parameter_value(message)


def signature(described: Mapping[str, Any]) -> ModelSignature:
    """Return MLflow's signature. The number has no type in it, as MLflow would cut 2.7 to 2; `Generator` checks."""
    images = TensorSpec(np.dtype("uint8"), (-1, *described["shape"]))
    params = ParamSchema([ParamSpec("seed", "long", 0)])
    return ModelSignature(Schema([TensorSpec(np.dtype("O"), (-1,))]), Schema([images]), params)


def example(described: Mapping[str, Any]) -> np.ndarray:
    """Return an input example: a request for two images."""
    return np.array([2])


def request(described: Mapping[str, Any], count: int) -> np.ndarray:
    """Return a request for `count` images at once, as serving is timed by it."""
    return np.array([count])


set_model(Generator())
