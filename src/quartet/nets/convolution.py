"""Parts of convolutional nets: convolutions, residual blocks, rectifiers, initial weights and memory layout for images
and series; windows of words for texts.

Shapes: B batch, L length, D width, F filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.nets.norm import Norm, normalisation
from quartet.nets.roles import Encoder

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


def halving(
    inputs: int, outputs: int, *, pool: str, kernel: tuple[int, ...], norm: Norm, discriminating: bool
) -> list[nn.Module]:
    """Return layers that convolve and halve the grid. Pooling comes before the norm, which then has less work."""
    rank = len(kernel)
    if pool == "stride":
        layers = [convolution(inputs, outputs, kernel=4, stride=2, rank=rank, norm=norm)]
    else:
        pools = [] if pool == "none" else [POOL[pool, rank](2)]
        layers = [convolution(inputs, outputs, kernel=kernel, rank=rank, norm=norm), *pools]
    return [*layers, normalisation(norm, outputs), rectifier(discriminating)]


class Windows(Encoder):
    """Sum a text up as the largest answer of each filter in any window of it (Kim 2014): x_BLD → features_B1D.

    Each size of window has `filters` of them. Windows overlap the ends, so that a text may be shorter than a window.
    What lies beyond the ends, or is masked, counts as zeros.
    """

    layers: Sequence[nn.Conv1d]

    def __init__(self, *, width: int, filters: int, sizes: Sequence[int]) -> None:
        super().__init__(width=filters * len(sizes), grid=(1,))
        self.layers = nn.ModuleList(nn.Conv1d(width, filters, size) for size in sizes)  # type: ignore[assignment]
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        real_B1L = (x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)).unsqueeze(1)
        x_BDL = x.mT * real_B1L
        found = []
        for layer in self.layers:
            reach = layer.kernel_size[0] - 1
            # A window without any word of the text answers 0, below which no rectified answer lies.
            touches_B1L = F.pad(real_B1L, (reach, 0), value=1.0)
            found.append((F.relu(layer(F.pad(x_BDL, (reach, reach)))) * touches_B1L).amax(2))
        return torch.cat(found, 1).unsqueeze(1)
