"""How much? A number for a series, its label taken for one. Shapes: B batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quartet.tasks import Task
from quartet.tasks.examples import example_arrays
from quartet.tasks.task import add, split_batches
from quartet.types import Evidence


class Score(Task):
    """Squared error in training, the mean absolute error by which weights are chosen."""

    ACCEPTS = ("series",)
    ROLE = "mine.roles.Score"
    NET_ROLE = "score"
    METHOD = "supervised"
    MONITOR = "absolute_error"
    MODE = "min"

    def build(self, net: Any, data: Any) -> nn.Module:
        return net.scorer(data.inputs)

    def facts(self, data: Any) -> dict[str, Any]:
        return {"inputs": data.inputs}

    def loss(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        return (model(batch["x"]) - batch["y"]).square().sum()

    @torch.no_grad()
    def errors(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        return (model(batch["x"]).double() - batch["y"]).abs()

    def measure(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        error_B = self.errors(model, batch)
        return {"error": error_B.sum(), "count": error_B.new_tensor(float(len(error_B)))}

    def summarize(self, sums: dict[str, Tensor]) -> dict[str, float]:
        return {"absolute_error": (sums["error"] / sums["count"]).item()}

    def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"absolute_error": sums["error"] / sums["examples"]}

    def evaluate(
        self, model: nn.Module, data: Any, *, split: str = "test", device: torch.device, progress: Any = None
    ) -> Evidence:
        sums: dict[str, Tensor] = {}
        errors = []
        for batch in split_batches(data, split, what="score", device=device, progress=progress):
            sums = add(sums, self.measure(model.to(device).eval(), batch))
            errors.append(self.errors(model, batch).cpu().numpy())
        arrays = example_arrays(self, {"error": np.concatenate(errors)})
        return Evidence(self.summarize(sums), arrays, {"examples": int(sums["count"])})
