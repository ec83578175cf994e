"""Compare a set of features with another: Fréchet and kernel distances, precision and recall, nearest neighbours.

The first two are torchmetrics'. Its metrics of single images need another extractor; these take any features.

Shapes: N real, M generated, T training, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BLOCK = 1000  # features in a block of the kernel distance, as in its paper
ROWS = 1000  # rows of a matrix of distances in memory at a time


def frechet(real_ND: Tensor, fake_MD: Tensor) -> float:
    """Return the Fréchet distance of two sets of float64 features (Heusel et al. 2017), by torchmetrics."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    # An image of one pixel with D channels, whose features are itself.
    metric = FrechetInceptionDistance(feature=nn.Flatten(), input_img_size=(real_ND.shape[1], 1, 1))
    metric.set_dtype(torch.float64)
    metric.update(real_ND[:, :, None, None], real=True)
    metric.update(fake_MD[:, :, None, None], real=False)
    return max(0.0, float(metric.compute()))


def kernel_distance(real_ND: Tensor, fake_MD: Tensor) -> float:
    """Return the kernel distance, the unbiased squared MMD with the kernel (x·y / D + 1)³ (Bińkowski et al. 2018), by
    torchmetrics; the mean over pairs of blocks. It is about 0, on either side, for sets of one distribution."""
    from torchmetrics.image.kid import poly_mmd

    size = min(BLOCK, len(real_ND), len(fake_MD))
    blocks = zip(real_ND.split(size), fake_MD.split(size), strict=False)
    found = [float(poly_mmd(x, y)) for x, y in blocks if len(x) == len(y) == size]
    return sum(found) / len(found)


@dataclass(frozen=True)
class Overlap:
    """How far generated and real features share their ground.

    Attributes:
        precision: share of generated ones within a real one's reach; recall: the other way round (Kynkäänniemi et al.
            2019). A reach is the distance to the k-th neighbour in one's own set.
        density: of a generated one, in how many real reaches it lies, over k. coverage: share of real ones that have a
            generated one in their reach (Naeem et al. 2020).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real_ND: Tensor, fake_MD: Tensor, *, k: int = 5) -> Overlap:
    """Return precision, recall, density and coverage of generated features; k = 5 as Naeem et al. 2020 advise.

    For two sets of one distribution the expected density is 1, the expected coverage `coverage_of_equals`.
    """
    real_reach_N, fake_reach_M = reach(real_ND, k), reach(fake_MD, k)
    apart_NM = torch.cdist(real_ND, fake_MD, compute_mode="donot_use_mm_for_euclid_dist")
    in_real_NM = apart_NM < real_reach_N[:, None]
    return Overlap(
        precision=share(in_real_NM.any(0)),
        recall=share((apart_NM < fake_reach_M).any(1)),
        density=in_real_NM.double().sum(0).mean().item() / k,
        coverage=share(in_real_NM.any(1)),
    )


def coverage_of_equals(n: int, m: int, k: int) -> float:
    """Return the expected coverage of n real by m generated features of one distribution (Naeem et al. 2020)."""
    left = 1.0
    for i in range(1, k + 1):
        left *= (n - i) / (m + n - i)
    return 1 - left


def reach(x_ND: Tensor, k: int) -> Tensor:
    """Return each feature's distance to its k-th nearest other one, (N,)."""
    apart_NN = torch.cdist(x_ND, x_ND, compute_mode="donot_use_mm_for_euclid_dist")
    return apart_NN.kthvalue(k + 1, dim=1).values


def share(true_N: Tensor) -> float:
    """Return the share of true ones."""
    return true_N.double().mean().item()


def nearest(x_MD: Tensor, train_TD: Tensor) -> tuple[Tensor, Tensor]:
    """Return each one's distance to the nearest training feature, (M,), and which that is, (M,)."""
    found = [torch.cdist(part, train_TD).min(1) for part in x_MD.split(ROWS)]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def copies(fake_M: Tensor, fake_to_test_M: Tensor, held_out_N: Tensor, *, quantile: float = 0.01) -> float:
    """Return the share of samples that lie very near to a training image, and much nearer than to any test image.

    Very near is nearer than the nearest `quantile` of held-out images. Samples of a class whose images are all alike
    are that, too, but not half as far from training images as from test images. Copies have 1, honest samples about 0.

    Args:
        fake_M, held_out_N: distances to the nearest training image.
        fake_to_test_M: the samples' distances to the nearest test image.
    """
    return share((fake_M < held_out_N.quantile(quantile)) & (fake_M < 0.5 * fake_to_test_M))
