"""Parts of convolutional nets, for images and series: convolutions, residual blocks, rectifiers, initial weights and
memory layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quartet.nets.norm import Norm, normalisation

CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
POOL: dict[tuple[str, int], type[nn.Module]] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


def rectifier(discriminating: bool) -> nn.Module:
    """Return a rectifier, leaky in a discriminator: its generator then always gets gradients (Radford et al. 2016)."""
    return nn.LeakyReLU(0.2) if discriminating else nn.ReLU()


def lay_channels_last(layers: nn.Module) -> None:
    """Store two-dimensional kernels with channels last, as the features are; else each step would convert them."""
    for parameter in layers.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def start_small(layer: nn.Module) -> None:
    """Draw a GAN's weights with deviation 0.02 (Radford et al. 2016), so that the first images are plain, not noise."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, std=0.02)


def convolution(
    inputs: int, outputs: int, *, kernel: int | Sequence[int], rank: int, norm: Norm, stride: int = 1
) -> nn.Module:
    """Return a convolution of `rank` dimensions, drawn for rectifiers (He et al. 2015).

    `kernel` is the side of the kernels, or all their sides. `norm` names the layer that the caller adds after it: batch
    norm needs no bias before it.
    """
    sides: Any = (kernel,) * rank if isinstance(kernel, int) else tuple(kernel)  # `rank` of them, as no type says
    padding: Any = tuple((side - stride + 1) // 2 for side in sides)
    layer = CONV[rank](inputs, outputs, sides, stride, padding, bias=norm != "batch")
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def covering(grid: Sequence[int]) -> tuple[int, ...]:
    """Return the sides of the smallest kernel that has a middle and covers `grid`: (28, 14) gives (29, 15)."""
    return tuple(side | 1 for side in grid)


class Residual(nn.Module):
    """A residual block: the rectified sum of x and two convolutions of x."""

    def __init__(self, width: int, *, kernel: tuple[int, ...], norm: Norm, discriminating: bool) -> None:
        super().__init__()
        rank = len(kernel)
        self.branch = nn.Sequential(
            convolution(width, width, kernel=kernel, rank=rank, norm=norm),
            normalisation(norm, width),
            rectifier(discriminating),
            convolution(width, width, kernel=kernel, rank=rank, norm=norm),
            normalisation(norm, width),
        )
        self.rectify = rectifier(discriminating)

    def forward(self, x: Tensor) -> Tensor:
        return self.rectify(x + self.branch(x))
