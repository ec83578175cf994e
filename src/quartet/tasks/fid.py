"""Fréchet distance between two sets of features, and the balance of generated classes: from sums, in float64.

Shapes: B batch, D features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def feature_sums(f_BD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return number (), sum (D,) and sum of outer products (D, D) of features, float64."""
    f_BD = f_BD.double()
    return f_BD.new_tensor(float(len(f_BD))), f_BD.sum(0), f_BD.T @ f_BD


def features_of(sums: dict[str, Tensor], which: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three sums of `feature_sums` for "real" or "fake" images."""
    return sums[f"{which}_count"], sums[f"{which}_features"], sums[f"{which}_products"]


def mean_and_covariance(n: Tensor, f_D: Tensor, ff_DD: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and unbiased covariance from the sums of `feature_sums`."""
    mean_D = f_D / n
    return mean_D, (ff_DD - n * torch.outer(mean_D, mean_D)) / (n - 1)


def frechet_distance(mean_D: Tensor, cov_DD: Tensor, other_mean_D: Tensor, other_cov_DD: Tensor) -> float:
    """Return |m - m'|² + tr(C + C' - 2 (C C')^½) (Dowson and Landau 1982; as an image metric, Heusel et al. 2017).

    The root's trace comes from the symmetric C^½ C' C^½, which has the same eigenvalues as C C'. That avoids complex
    numbers, and works for the singular covariance of a collapsed generator.
    """
    values_D, vectors_DD = torch.linalg.eigh(cov_DD)
    root_DD = (vectors_DD * values_D.clamp(min=0).sqrt()) @ vectors_DD.T
    product_DD = root_DD @ other_cov_DD @ root_DD
    overlap = torch.linalg.eigvalsh((product_DD + product_DD.T) / 2).clamp(min=0).sqrt().sum()
    distance = (mean_D - other_mean_D).square().sum() + cov_DD.trace() + other_cov_DD.trace() - 2 * overlap
    return max(0.0, distance.item())


def fid(sums: tuple[Tensor, Tensor, Tensor], other: tuple[Tensor, Tensor, Tensor]) -> float:
    """Return the Fréchet distance of two sets of features from their sums; NaN if a set has fewer than two."""
    if min(float(sums[0]), float(other[0])) < 2:
        return float("nan")
    # On the CPU: faster for a small matrix, and the same on every machine.
    a, b = (tuple(part.cpu() for part in each) for each in (sums, other))
    return frechet_distance(*mean_and_covariance(*a), *mean_and_covariance(*b))


def total_variation_from_uniform(counts_K: Tensor) -> float:
    """Return half the sum of |class share - 1/K|: 0 if all classes are equally frequent, 1 - 1/K if only one occurs."""
    share_K = counts_K.double() / counts_K.sum()
    return 0.5 * (share_K - 1 / len(counts_K)).abs().sum().item()
