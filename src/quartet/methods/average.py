"""An exponential moving average of the weights (Polyak and Juditsky 1992; the ramp as in TensorFlow's)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def averaged_copy(model: nn.Module) -> nn.Module:
    """A copy to hold the average: no gradients, so that DDP and the optimizers leave it alone."""
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Move `average` towards `model`; the first steps move faster, so that the random start is soon forgotten.

    Parameters are averaged, buffers (batch norm's statistics) copied. `step` counts from 0.
    """
    weight = 1.0 - min(decay, (1.0 + step) / (10.0 + step))
    kept: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(kept, list(model.parameters()), weight)
    for mine, theirs in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(theirs)
