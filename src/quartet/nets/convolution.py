"""Parts of convolutional nets, for images and series: convolutions, rectifiers, initial weights and memory layout."""

from __future__ import annotations

import torch
from torch import nn

from quartet.nets.norm import Norm

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


def convolution(inputs: int, outputs: int, *, kernel: int, rank: int, norm: Norm, stride: int = 1) -> nn.Module:
    """Return a convolution of `rank` dimensions, drawn for rectifiers (He et al. 2015).

    `norm` names the layer that the caller adds after it: batch norm needs no bias before it.
    """
    layer = CONV[rank](inputs, outputs, kernel, stride, (kernel - stride + 1) // 2, bias=norm != "batch")
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer
