"""Make the untrained twin of a trained net: the same layers with fresh weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def untrained(model: nn.Module, x_NHWC: Tensor, *, seed: int) -> nn.Module:
    """Return a copy of `model` with fresh weights, in evaluation mode; the model itself stays as it is.

    Each layer draws its weights as torch does, and kernels for rectifiers (He et al. 2015), as the nets of this project
    do. Batch norms take their statistics from the images `x_NHWC`.
    """
    twin = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for layer in twin.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if isinstance(layer, _BatchNorm):
                layer.momentum = None  # a mean of all batches, which is one
                layer.train()
        twin(x_NHWC)
    return twin.eval()
