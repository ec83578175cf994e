"""Find the pixels that a value of a map depends on, by gradient.

Shapes: N images, H height, W width, C channels, h, w places of a map.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from quartet.findings.convolution.maps import written

SEED = 5  # of the signs by which channels are added


def gradient(model: nn.Module, x_NHWC: Tensor, layer: nn.Module, place: tuple[int, int]) -> Tensor:
    """Return the size of the gradient of a layer's values at one place by each pixel, g_NHW.

    The channels are added with random signs, always the same, so that no two can cancel each other everywhere.
    """
    x_NHWC = x_NHWC.float().requires_grad_()
    (z_NChw,) = written(model, x_NHWC, [layer])
    signs_C = torch.randint(0, 2, (z_NChw.shape[1],), generator=torch.Generator().manual_seed(SEED)) * 2.0 - 1
    (found_NHWC,) = torch.autograd.grad((z_NChw[:, :, place[0], place[1]] * signs_C).sum(), x_NHWC)
    return found_NHWC.abs().sum(-1)


def seen(model: nn.Module, x_NHWC: Tensor, layer: nn.Module, place: tuple[int, int]) -> Tensor:
    """Return the pixels that the values at one place depend on in any of the images, True or False (H, W)."""
    return (gradient(model, x_NHWC, layer, place) > 0).any(0)


def diameter(g_HW: np.ndarray, *, share: float = 0.95) -> float:
    """Return the side in pixels of a square of as many pixels as hold `share` of the gradient, the strongest first.

    It is the effective receptive field of Luo et al. 2016 (arXiv:1701.04128), there by a threshold for each pixel: a
    gradient that is the same in a square of k × k pixels, and zero outside, has about k.
    """
    strongest = np.sort(np.asarray(g_HW, np.float64).ravel())[::-1]
    total = strongest.sum()
    if not total > 0:
        return 0.0
    return float(np.sqrt(1 + np.searchsorted(np.cumsum(strongest), share * total * (1 - 1e-12))))
