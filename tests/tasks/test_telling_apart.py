"""A discriminator's probabilities against the shares that they speak of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from quartet.tasks.task import Sums
from quartet.tasks.telling_apart import calibration_error, confidence, told_apart


class Says(nn.Module):
    """Answers with the probability that an image's single pixel holds."""

    def __init__(self) -> None:
        super().__init__()
        self.dtype = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x_BHWC: Tensor) -> Tensor:
        return x_BHWC[:, 0, 0, 0].logit()


def sums(*probability: float, real: bool, counts: list[bool] | None = None) -> Sums:
    x = torch.tensor(probability, dtype=torch.float64)[:, None, None, None]
    counted = torch.ones(len(x), dtype=torch.bool) if counts is None else torch.tensor(counts)
    return told_apart(Says(), x, counts_B=counted, real=real)


def test_probabilities_that_are_right_have_no_error() -> None:
    """Of those it calls 75 % real three in four are, of those it calls 25 % real one in four."""
    real = sums(0.75, 0.75, 0.75, 0.25, real=True)["bins"]
    fake = sums(0.75, 0.25, 0.25, 0.25, real=False)["bins"]
    assert calibration_error(real, fake) == pytest.approx(0, abs=1e-12)
    assert confidence(real, fake) == pytest.approx(0.75)


def test_a_discriminator_that_is_too_sure() -> None:
    """It says 95 % of all, where half are real."""
    real, fake = sums(0.95, 0.95, real=True)["bins"], sums(0.95, 0.95, real=False)["bins"]
    assert calibration_error(real, fake) == pytest.approx(0.45)
    assert confidence(real, fake) == pytest.approx(0.95)


def test_both_kinds_weigh_alike_however_many_there_are() -> None:
    real, fake = sums(*[0.9] * 30, real=True)["bins"], sums(0.1, real=False)["bins"]
    assert calibration_error(real, fake) == pytest.approx(0.1)
    assert confidence(real, fake) == pytest.approx(0.9)


def test_images_that_do_not_count_change_nothing() -> None:
    with_them = sums(0.95, 0.3, 0.6, real=True, counts=[True, False, True])
    for name, value in sums(0.95, 0.6, real=True).items():
        torch.testing.assert_close(with_them[name], value)


def test_certainty_stays_in_the_last_bin() -> None:
    assert sums(1.0, 0.0, real=True)["bins"][:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_the_error_is_the_mean_over_all_bins() -> None:
    """Answers of 0.6 and 0.2, each with another share of real images."""
    real = sums(0.6, 0.2, real=True)["bins"]
    fake = sums(0.6, 0.2, 0.2, 0.2, real=False)["bins"]
    # 0.6: 1/2 of the real, 1/4 of the fake: share real 2/3. 0.2: 1/2 of the real, 3/4 of the fake: share 2/5.
    weights = {0.6: (0.375, 2 / 3), 0.2: (0.625, 2 / 5)}
    expected = sum(weight * abs(said - share) for said, (weight, share) in weights.items())
    assert calibration_error(real, fake) == pytest.approx(expected)
