"""The losses of discriminator and generator, as pure functions of the discriminator's logits; sums over the batch.

Shapes: B batch, H height, W width, C channels. The higher a logit, the more real the image seems.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from quartet.tasks.task import at_least_float

Kind = Literal["non_saturating", "hinge", "least_squares"]


def generator_loss(fake_B: Tensor, *, kind: Kind) -> Tensor:
    """Return the generator's loss from the logits of its images.

    non_saturating: -log sigmoid(fake) (Goodfellow et al. 2014); hinge: -fake (Lim and Ye 2017); least_squares: (fake -
    1)² / 2, where 1 means real and 0 generated (Mao et al. 2017).
    """
    fake_B = at_least_float(fake_B)
    if kind == "non_saturating":
        return F.softplus(-fake_B).sum()
    if kind == "hinge":
        return -fake_B.sum()
    return 0.5 * (fake_B - 1.0).square().sum()


def discriminator_loss(real_B: Tensor, fake_B: Tensor, *, kind: Kind, label_smoothing: float) -> Tensor:
    """Return the discriminator's loss from the logits of real and generated images; `kind` as in `generator_loss`.

    `label_smoothing` lowers the label 1 of real images only (Salimans et al. 2016). The hinge loss has no labels: there
    it lowers the margin.
    """
    real_B, fake_B = at_least_float(real_B), at_least_float(fake_B)
    label = 1.0 - label_smoothing
    if kind == "non_saturating":
        target_B = torch.full_like(real_B, label)
        return F.binary_cross_entropy_with_logits(real_B, target_B, reduction="sum") + F.softplus(fake_B).sum()
    if kind == "hinge":
        return F.relu(label - real_B).sum() + F.relu(1.0 + fake_B).sum()
    return 0.5 * ((real_B - label).square().sum() + fake_B.square().sum())


def gradient_penalty(real_B: Tensor, x_BHWC: Tensor) -> Tensor:
    """Return R1: the squared norm of the logits' gradient with respect to the real images (Mescheder et al. 2018).

    `x_BHWC` must require a gradient before `real_B` is computed from it. The usual weight is gamma / 2.
    """
    (gradient,) = torch.autograd.grad(real_B.sum(), x_BHWC, create_graph=True)
    return gradient.square().sum()
