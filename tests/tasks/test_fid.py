from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from quartet.tasks.fid import feature_sums, fid, frechet_distance, total_variation_from_uniform


def features(size: int, *, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, 6, generator=draw) @ torch.randn(6, 6, generator=torch.Generator().manual_seed(9)) + 2


def test_identical_sets_are_at_no_distance() -> None:
    sums = feature_sums(features(200))
    assert fid(sums, sums) < 1e-6


def test_closed_form_of_gaussians_with_diagonal_covariance() -> None:
    means = torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 1.0]], dtype=torch.float64)
    deviations = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.5, 1.0]], dtype=torch.float64)
    expected = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    a, b = deviations.square().diag_embed()
    assert frechet_distance(means[0], a, means[1], b) == pytest.approx(expected.item())


def test_equals_the_definition_by_a_matrix_root() -> None:
    from scipy.linalg import sqrtm

    x, y = features(100).double(), features(80, seed=1).double() * 1.5
    c, d = np.cov(x.T.numpy()), np.cov(y.T.numpy())
    expected = (x.mean(0) - y.mean(0)).square().sum().item() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert fid(feature_sums(x), feature_sums(y)) == pytest.approx(expected)


def test_sums_of_parts_give_the_distance_of_the_whole() -> None:
    x, y = features(100), features(80, seed=1)
    count, total, products = zip(*(feature_sums(part) for part in x.split([1, 60, 39])), strict=True)
    added = torch.stack(count).sum(), torch.stack(total).sum(0), torch.stack(products).sum(0)
    whole = feature_sums(y)
    assert fid(added, whole) == pytest.approx(fid(feature_sums(x), whole), rel=1e-12)


def test_a_collapsed_generator_has_a_distance_too() -> None:
    collapsed = feature_sums(torch.ones(50, 6))
    assert math.isfinite(fid(feature_sums(features(200)), collapsed))
    assert math.isnan(fid(feature_sums(features(200)), feature_sums(features(1))))


def test_total_variation() -> None:
    assert total_variation_from_uniform(torch.tensor([5, 5, 5, 5])) == 0
    assert total_variation_from_uniform(torch.tensor([20, 0, 0, 0])) == pytest.approx(0.75)
    assert total_variation_from_uniform(torch.tensor([8, 4, 4, 4])) == pytest.approx(0.15)
