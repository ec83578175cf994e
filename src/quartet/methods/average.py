"""An exponential moving average of the weights (Polyak and Juditsky 1992; the ramp as in TensorFlow's)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def averaged_copy(model: nn.Module) -> nn.Module:
    """Return a copy that holds the average. It needs no gradients, so that DDP and the optimizers ignore it."""
    return copy.deepcopy(model).requires_grad_(False).eval()


class Average:
    """Move `average` towards `model`. The first steps move faster, so that the random start soon has no weight.

    Parameters are averaged, buffers (batch norm's statistics) copied. The tensors are listed once, when both modules
    are on their device: a walk over the modules takes longer than the update.
    """

    def __init__(self, average: nn.Module, model: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.parameters: tuple[list[Tensor], list[Tensor]] = [*average.parameters()], [*model.parameters()]
        self.buffers = list(average.buffers()), list(model.buffers())

    @torch.no_grad()
    def update(self, *, step: int) -> None:
        """Move the average by one step; `step` counts from 0."""
        kept, newest = self.parameters
        torch._foreach_lerp_(kept, newest, 1.0 - min(self.decay, (1.0 + step) / (10.0 + step)))
        for mine, theirs in zip(*self.buffers, strict=True):
            mine.copy_(theirs)
