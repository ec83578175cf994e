"""How well a discriminator tells real from generated images, and how far its probabilities are to be believed.

Shapes: B batch, H height, W width, C channels, P bins of the probability of being real.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.tasks.task import Sums

BINS = 10  # of equal width, as in Guo et al. 2017


def told_apart(discriminator: nn.Module, x_BHWC: Tensor, *, counts_B: Tensor, real: bool) -> Sums:
    """Return how many images in [-1, 1] the discriminator classifies correctly, the sum of its logits, and for each bin
    of its probability (P, 2) the number of images and the sum of their probabilities."""
    score_B = discriminator(x_BHWC.to(next(discriminator.parameters()).dtype)).double()
    right_B = score_B > 0 if real else score_B <= 0
    counts_B = counts_B.to(score_B.device)
    probability_B = score_B.sigmoid()
    bin_B = (probability_B * BINS).nan_to_num().long().clamp(max=BINS - 1)
    member_BP = F.one_hot(bin_B, BINS).double() * counts_B[:, None]
    return {
        "told": (right_B & counts_B).sum().double(),
        "score": (score_B * counts_B).sum(),
        "bins": torch.stack((member_BP.sum(0), member_BP.T @ probability_B), 1),
    }


def halves(real_P2: Tensor, fake_P2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weight of each bin, of its real images, and its sum of probabilities, each (P,).

    Real and generated images weigh one half each, as in training, however many of each there are.
    """
    real_P2, fake_P2 = (bins / (2 * bins[:, 0].sum()) for bins in (real_P2, fake_P2))
    return real_P2[:, 0] + fake_P2[:, 0], real_P2[:, 0], real_P2[:, 1] + fake_P2[:, 1]


def calibration_error(real_P2: Tensor, fake_P2: Tensor) -> float:
    """Return the expected calibration error (Naeini et al. 2015): over the bins, the mean distance between the
    probability of being real and the share of real images; 0 for probabilities that are right, at most 1."""
    _, real_P, probability_P = halves(real_P2, fake_P2)
    return (real_P - probability_P).abs().sum().item()


def confidence(real_P2: Tensor, fake_P2: Tensor) -> float:
    """Return the mean probability that the discriminator gives its own answer, from 0.5 to 1: the accuracy that it
    believes to have."""
    weight_P, _, probability_P = halves(real_P2, fake_P2)
    return torch.maximum(probability_P, weight_P - probability_P).sum().item()
