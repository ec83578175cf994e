"""On how many maps of the layer before a channel's answer rests.

Shapes: N images, C channels, B channels of the layer before, h, w places of a map.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from quartet.findings.convolution.maps import rectified


def patterns_combined(model: nn.Module, x_NHWC: Tensor) -> list[float]:
    """Return for each rectified layer but the first the effective number of maps before that its channels combine.

    For each channel the strongest answer to any of the images is taken, where it has one; see `participation`.
    """
    layers = rectified(model)
    found = []
    for before, after in pairwise(layers):
        counts = [participation(parts_B) for parts_B in contributions(model, x_NHWC, before, after)]
        found.append(float(np.mean(counts)) if counts else 0.0)
    return found


def participation(parts_B: Tensor) -> float:
    """Return the participation ratio (Σ a)² / Σ a² of the sizes of the parts: n for n equal ones and zeros beside."""
    sizes = parts_B.double().abs()
    return float(sizes.sum().square() / sizes.square().sum().clamp(min=1e-300))


def contributions(model: nn.Module, x_NHWC: Tensor, before: nn.Module, after: nn.Module) -> list[Tensor]:
    """Return for each channel of `after` what each map of `before` adds to its strongest answer, (B,).

    A map's part is the sum over its places of value times gradient. Channels that never answer are left out.
    """
    kept: dict[str, Tensor] = {}

    def follow(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept["before"] = output.detach().requires_grad_()
        return kept["before"]

    def keep(layer: nn.Module, inputs: object, output: Tensor) -> None:
        kept["after"] = output

    hooks = [before.register_forward_hook(follow), after.register_forward_hook(keep)]
    try:
        with torch.enable_grad():
            model(x_NHWC)
    finally:
        for hook in hooks:
            hook.remove()
    strongest_C = kept["after"].movedim(1, 0).flatten(1).amax(1)
    found = []
    for answer in strongest_C[strongest_C > 0]:
        (slope_NBhw,) = torch.autograd.grad(answer, kept["before"], retain_graph=True)
        found.append((slope_NBhw * kept["before"].detach()).sum((0, 2, 3)))
    return found
