"""Standard normal noise as a pure function of a key: an example gets the same noise in every batch and rank.

Shapes: B batch, Z noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # the increment of SplitMix64, as a signed number


def mix(x: Tensor) -> Tensor:
    """Return SplitMix64's output function (Steele et al. 2014) of int64, whose products are modulo 2^64."""
    x = (x ^ _shift(x, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ _shift(x, 27)) * (0x94D049BB133111EB - 2**64)
    return x ^ _shift(x, 31)


def uniform(bits: Tensor) -> Tensor:
    """Return the upper 53 bits of an int64 as float64 in [0, 1)."""
    return _shift(bits, 11).double() * 2.0**-53


def content_keys(x: Tensor) -> Tensor:
    """Return key_B, int64: a hash of the content of each example of `x` (uint8, batch first), and of nothing else."""
    bytes_BN = x.flatten(1).cpu().long()
    weights_N = mix(torch.arange(1, bytes_BN.shape[1] + 1) * GOLDEN) | 1
    return mix((bytes_BN * weights_N).sum(1))


def normal(keys_B: Tensor, width: int) -> Tensor:
    """Return noise z_BZ, float64: row i depends on key i alone (Box and Muller 1958 on SplitMix64)."""
    half = (width + 1) // 2
    bits = mix(mix(keys_B.cpu())[:, None] + GOLDEN * torch.arange(1, 2 * half + 1))
    radius, angle = uniform(bits).chunk(2, 1)
    radius, angle = (-2.0 * (1.0 - radius).log()).sqrt(), 2.0 * math.pi * angle
    return torch.cat((radius * angle.cos(), radius * angle.sin()), 1)[:, :width]


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift to the right without the sign (a logical shift)."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
