"""Normalisation: batch norm that can be synchronised on any device, and the choice among the usual ones.

Shapes: B batch, C channels, then any grid.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import spectral_norm

from quartet.types import QuartetError

Norm = Literal["batch", "group", "layer", "none"]
NORMS: tuple[str, ...] = get_args(Norm)
Module = TypeVar("Module", bound=nn.Module)


class BatchNorm(_BatchNorm):
    """Batch norm of x_BC… (Ioffe & Szegedy 2015) that, if `synchronise`, takes its statistics over all processes.

    torch's SyncBatchNorm runs on GPUs only. This one runs anywhere and equals one process on the whole batch to
    rounding, running statistics included, however unequal the shares of the processes are.
    """

    synchronise = False

    def forward(self, x: Tensor) -> Tensor:
        shared = self.synchronise and self.training and dist.is_available() and dist.is_initialized()
        if shared and dist.get_world_size() > 1:
            return self._synchronised(x)
        return super().forward(x)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise QuartetError(f"BatchNorm: needs (batch, channels, …), was given {tuple(x.shape)}")

    def _synchronised(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        shape = (1, -1) + (1,) * (x.ndim - 2)
        # Every process knows the running mean; sums of squares about it do not cancel as those about zero would.
        centre_C = self.running_mean.clone()
        y = x.to(centre_C.dtype) - centre_C.view(shape)
        over = [0, *range(2, x.ndim)]
        count = y.new_full((1,), x.numel() / x.shape[1])
        sums = SumOverProcesses.apply(torch.cat((y.sum(over), y.square().sum(over), count)))
        total = sums[-1].detach()
        mean_C, square_C = (sums[:-1] / total).chunk(2)
        var_C = (square_C - mean_C.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(centre_C + mean_C, self.momentum)
            self.running_var.lerp_(var_C * total / (total - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        y = (y - mean_C.view(shape)) * ((var_C + self.eps).rsqrt() * self.weight).view(shape) + self.bias.view(shape)
        return y.to(x.dtype)


class SumOverProcesses(torch.autograd.Function):
    """What every process gets depends on what every process gave, so the gradients add up over processes too."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return SumOverProcesses.total(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return SumOverProcesses.total(gradient)

    @staticmethod
    def total(x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of x_BC… at each place by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """The layer for x_BC…; groups are of 8 channels or, where 8 does not divide them, of all."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "group":
        return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)
    return ChannelNorm(channels) if kind == "layer" else nn.Identity()


def synchronise_batch_norm(module: Module) -> Module:
    """Let every batch norm in `module` take its statistics over all processes; returns the same module.

    Raises QuartetError for a batch norm of torch's own, which could not.
    """
    for name, child in module.named_modules():
        if isinstance(child, BatchNorm):
            child.synchronise = True
        elif isinstance(child, _BatchNorm):
            kind = type(child).__name__
            raise QuartetError(f"{name}: {kind} cannot be synchronised; build it as quartet.nets.BatchNorm")
    return module


def spectrally_normalise(module: Module) -> Module:
    """Bound every convolution and linear map by its largest singular value (Miyato et al. 2018); the same module."""
    for child in list(module.modules()):
        if isinstance(child, nn.Conv1d | nn.Conv2d | nn.Linear):
            spectral_norm(child)
    return module
