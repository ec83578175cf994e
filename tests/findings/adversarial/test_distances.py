"""Distances between sets of features against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from quartet.findings.adversarial.distances import (
    copies,
    coverage_of_equals,
    frechet,
    kernel_distance,
    nearest,
    overlap,
)
from quartet.tasks.fid import feature_sums, fid


def normal(count: int, dimensions: int, *, seed: int, mean: float = 0.0, scale: float = 1.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return mean + scale * torch.randn(count, dimensions, generator=draw, dtype=torch.float64)


def test_the_frechet_distance_of_two_normals() -> None:
    """|m - m'|² + D (σ - σ')² (Dowson & Landau 1982)."""
    x, y = normal(40_000, 4, seed=0), normal(40_000, 4, seed=1, mean=0.5, scale=1.5)
    assert frechet(x, y) == pytest.approx(4 * 0.5**2 + 4 * 0.5**2, rel=0.03)


def test_the_frechet_distance_is_the_one_of_the_runs() -> None:
    x, y = normal(500, 6, seed=0), normal(700, 6, seed=1, mean=0.3)
    assert frechet(x, y) == pytest.approx(fid(feature_sums(x), feature_sums(y)), rel=1e-6)


def test_the_kernel_distance_of_two_points() -> None:
    """Without spread, (xx + 1)³ + (yy + 1)³ - 2 (xy + 1)³ in one dimension."""
    x, y = torch.full((30, 1), 2.0, dtype=torch.float64), torch.full((30, 1), -0.5, dtype=torch.float64)
    assert kernel_distance(x, y) == pytest.approx(5**3 + 1.25**3 - 0)


def test_the_kernel_distance_of_two_uniforms() -> None:
    """In one dimension it compares three moments: (μ³ + μ)² + 3 μ⁴ + 3 μ² for uniforms on [-1, 1] that lie μ apart."""
    shift, draw = 0.5, torch.Generator().manual_seed(0)
    x, y = (2 * torch.rand(8000, 1, generator=draw, dtype=torch.float64) - 1 for _ in range(2))
    expected = (shift**3 + shift) ** 2 + 3 * shift**4 + 3 * shift**2
    assert kernel_distance(x, y + shift) == pytest.approx(expected, rel=0.1)


def test_the_kernel_distance_of_equals_is_about_zero_on_either_side() -> None:
    found = [kernel_distance(normal(1000, 8, seed=2 * i), normal(1000, 8, seed=2 * i + 1)) for i in range(12)]
    assert min(found) < 0 < max(found)
    assert abs(sum(found) / 12) < 0.02


@pytest.mark.parametrize(("n", "m"), [(600, 600), (900, 300)])
def test_density_and_coverage_of_equals_are_as_published(n: int, m: int) -> None:
    """Naeem et al. 2020: an expected density of 1, and the coverage of their lemma, for any distribution."""
    found = [overlap(normal(n, 16, seed=i), normal(m, 16, seed=50 + i)) for i in range(5)]
    assert sum(each.density for each in found) / 5 == pytest.approx(1, abs=0.05)
    assert sum(each.coverage for each in found) / 5 == pytest.approx(coverage_of_equals(n, m, 5), abs=0.02)


def test_the_coverage_of_many_equals_is_as_published() -> None:
    """1 - 2^-k for as many generated as real ones, in the limit (Naeem et al. 2020)."""
    assert coverage_of_equals(10**7, 10**7, 5) == pytest.approx(1 - 2**-5, abs=1e-6)


def test_precision_falls_for_a_wider_set_and_recall_for_a_narrower_one() -> None:
    real, narrow, wide = normal(600, 4, seed=0), normal(600, 4, seed=1, scale=0.3), normal(600, 4, seed=2, scale=3)
    assert overlap(real, narrow).precision > 0.95 > 0.5 > overlap(real, narrow).recall
    assert overlap(real, wide).recall > 0.95 > 0.5 > overlap(real, wide).precision


def test_sets_that_do_not_meet_share_nothing() -> None:
    found = overlap(normal(100, 3, seed=0), normal(100, 3, seed=1, mean=1e3))
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_reaches_are_counted_by_hand() -> None:
    """On a line: real 0, 1, 3 reach 1, 1, 2 with k = 1; generated 0.5, 10, 12 reach 9.5, 2, 2."""
    real, fake = (torch.tensor(each, dtype=torch.float64)[:, None] for each in ([0.0, 1.0, 3.0], [0.5, 10.0, 12.0]))
    found = overlap(real, fake, k=1)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 1
    assert found.density == pytest.approx(2 / 3)
    assert found.coverage == pytest.approx(2 / 3)


def test_copies_lie_nearer_than_held_out_ones() -> None:
    train, new, other = (normal(2000, 8, seed=seed) for seed in range(3))
    held_out, _ = nearest(new, train)
    found, which = nearest(train[:50], train)
    assert which.tolist() == list(range(50))
    assert copies(found, nearest(train[:50], new)[0], held_out) == 1
    honest, near = nearest(other, train)[0], nearest(other, new)[0]
    assert copies(honest, near, held_out) == pytest.approx(0, abs=0.005)
    tight = 0.1 * normal(500, 8, seed=3)  # one cluster of many, whose members are all alike
    mixture = torch.cat([0.1 * normal(100, 8, seed=4), train])
    held_out, _ = nearest(torch.cat([0.1 * normal(100, 8, seed=5), new]), mixture)
    of_test = nearest(tight, torch.cat([0.1 * normal(100, 8, seed=5), new]))[0]
    assert copies(nearest(tight, mixture)[0], of_test, held_out) < 0.1
