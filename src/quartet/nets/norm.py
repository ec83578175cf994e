"""Normalisation layers, and batch norm that can be synchronised over processes on any device.

Shapes: B batch, C channels, then any grid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import spectral_norm

from quartet.types import QuartetError

Norm = Literal["batch", "group", "layer", "none"]
NORMS: tuple[str, ...] = get_args(Norm)
Module = TypeVar("Module", bound=nn.Module)


def gather(x_N: Tensor) -> Tensor:
    """Return x_RN, whose row r is the x_N of rank r. All R processes call it, with equally many numbers."""
    x_RN = x_N.new_empty(dist.get_world_size(), x_N.numel())
    dist.all_gather(list(x_RN.unbind()), x_N)
    return x_RN


class BatchNorm(_BatchNorm):
    """Batch norm of x_BC… (Ioffe & Szegedy 2015); `synchronise` takes its statistics over all processes.

    torch's SyncBatchNorm runs on GPUs only. This class runs anywhere and equals one process on the whole batch, up to
    rounding. That holds for running statistics and for unequal shares too.
    """

    synchronise = False
    gather: Callable[[Tensor], Tensor] = staticmethod(gather)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.synchronise and self.training and dist.is_available() and dist.is_initialized()
        if shared and dist.get_world_size() > 1:
            return self._synchronised(x)
        return super().forward(x)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise QuartetError(f"BatchNorm: needs (batch, channels, …), not {tuple(x.shape)}")

    def _synchronised(self, x: Tensor) -> Tensor:
        """Normalise by the statistics of all processes, and update the running statistics."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        x_same = x.to(self.running_mean.dtype)
        y, mean_C, var_C, total = Synchronised.apply(x_same, self.weight, self.bias, self.eps, self.gather)
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(var_C * (total / (total - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return y.to(x.dtype)


class Synchronised(torch.autograd.Function):
    """Batch norm by torch's fused kernels, with the statistics of all processes.

    The evaluation kernel normalises by given statistics. Its gradient holds the two sums that the gradient of the
    statistics needs (Ioffe & Szegedy 2015, section 3). Calls of small operations cost more than their work, so that
    there are few.
    """

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float, gather: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, ...]:
        channels = x.shape[1]
        if len(x):
            mean_C, var_C = torch.batch_norm_update_stats(x, None, None, 0.0)
        else:  # the kernels accept no empty share
            mean_C = var_C = x.new_zeros(channels)
        all_RN = gather(torch.cat((mean_C, var_C, x.new_full((1,), x.numel() / channels))))
        mean_RC, var_RC, count_R1 = all_RN.split((channels, channels, 1), 1)
        total = count_R1.sum()
        part_R1 = count_R1 / total
        # Add the variance within the parts and the variance of their means (Chan, Golub & LeVeque 1983). A matrix
        # product would be shorter, but mixed precision would round it to 16 bits.
        mean_C = (part_R1 * mean_RC).sum(0)
        apart_RC = mean_RC - mean_C
        var_C = (part_R1 * torch.addcmul(var_RC, apart_RC, apart_RC)).sum(0)
        y = F.batch_norm(x, mean_C, var_C, weight_C, bias_C, training=False, eps=eps) if len(x) else x.clone()
        context.save_for_backward(x, weight_C, mean_C, var_C, total)
        context.eps, context.gather = eps, gather
        context.mark_non_differentiable(mean_C, var_C, total)
        context.set_materialize_grads(False)
        return y, mean_C, var_C, total

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, weight and bias; the sums over processes enter the gradient of x."""
        x, weight_C, mean_C, var_C, total = context.saved_tensors
        given = (gradient, x, weight_C, mean_C, var_C, None, None, False, context.eps, [False, True, True])
        nothing = (torch.zeros_like(weight_C), torch.zeros_like(weight_C))
        kernel = torch.ops.aten.native_batch_norm_backward
        of_weight_C, of_bias_C = kernel(*given)[1:] if len(x) else nothing
        sums = context.gather(torch.cat((of_bias_C, of_weight_C))).sum(0) / total
        of_mean_C, of_scale_C = sums.chunk(2)
        slope_C = (var_C + context.eps).rsqrt_()
        scale_C = weight_C * slope_C
        factor_C = scale_C * slope_C * of_scale_C
        # x's gradient is scale · (gradient - of_mean) - factor · (x - mean)
        rest_C = torch.addcmul(factor_C * mean_C, scale_C, of_mean_C, value=-1)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scale, factor, rest = scale_C.view(shape), factor_C.view(shape), rest_C.view(shape)
        gradient_x = torch.addcmul(rest, x, factor, value=-1).addcmul_(gradient, scale)
        return gradient_x, of_weight_C, of_bias_C, None, None


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of x_BC…, separately at each place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """Return the norm layer for x_BC…. Groups have 8 channels, or all channels if 8 does not divide their number."""
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "group":
        return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)
    return ChannelNorm(channels) if kind == "layer" else nn.Identity()


def synchronise_batch_norm(module: Module) -> Module:
    """Let every batch norm in `module` take its statistics over all processes; return the same module.

    Raises QuartetError for torch's own batch norm, which cannot do so on a CPU.
    """
    for name, child in module.named_modules():
        if isinstance(child, BatchNorm):
            child.synchronise = True
        elif isinstance(child, _BatchNorm):
            kind = type(child).__name__
            raise QuartetError(f"{name}: {kind} cannot be synchronised; build it as quartet.nets.BatchNorm")
    return module


def spectrally_normalise(module: Module) -> Module:
    """Divide each convolution and linear map by its largest singular value (Miyato et al. 2018); return the module."""
    for child in list(module.modules()):
        if isinstance(child, nn.Conv1d | nn.Conv2d | nn.Linear):
            spectral_norm(child)
    return module
