"""Losses against the size of the training set are compared and their crossings found, and the rule hears them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from findings.attention.toys import found, seeds

from quartet.findings import Measured, Trained, Verdict
from quartet.findings.attention import data_hunger
from quartet.findings.attention.data_hunger import crossing, size_of
from quartet.types import QuartetError

SIZES: dict[str, list[Any]] = {"translation": ["1%", "3%", "10%", "30%", "100%"], "text": [50, 150, 500, 1500, 5000]}


def runs(hunger: float, start: float) -> dict[str, list[Trained]]:
    """Runs in which the Transformer is `start` behind with a hundredth of the data, and gains `hunger` with each of 4
    steps."""
    made: dict[str, list[Trained]] = {}
    for task, sizes in SIZES.items():
        for net, offset in (("transformer", start), ("rnn", 0.0), ("cnn", 0.02)):
            for budget, count in (("equal", 5), ("epochs", 4)):
                steeper = hunger if net == "transformer" else 0.0
                made[f"{task}_{net}_{budget}"] = [
                    run
                    for step, size in enumerate(sizes[:count])
                    for run in seeds(None, values={"data.loading.limit_train": size},
                                     loss=4.0 + offset - (0.3 + steeper) * step)
                ]  # fmt: skip
    return made


def test_the_numbers_are_differences_of_losses() -> None:
    measured = data_hunger(runs(hunger=0.1, start=0.2))
    means = {name: float(np.mean(number.values)) for name, number in measured.numbers.items()}
    for prefix in ("translation_equal", "text_equal", "translation_epochs", "text_epochs"):
        assert means[f"{prefix}_behind_with_little"] == pytest.approx(0.18)  # the CNN is the nearer one
        assert means[f"{prefix}_behind_with_all"] == pytest.approx(-0.22)
        assert means[f"{prefix}_gains_more"] == pytest.approx(0.4)
        assert means[f"{prefix}_crossing_rnn"] == pytest.approx(1.0)  # level with a tenth of the data
    assert set(measured.figures) == {"sizes"}


def test_a_crossing_is_interpolated_between_powers_of_ten() -> None:
    share = np.array([0.01, 0.1, 1.0])
    assert crossing(share, np.array([0.3, 0.1, -0.1])) == pytest.approx(1.5)
    assert crossing(share, np.array([0.3, -0.1, -0.1])) == pytest.approx(0.75)
    assert crossing(share, np.array([0.1, -0.1, 0.1])) == pytest.approx(2.5)  # does not stay ahead
    assert crossing(share, np.array([-0.1, -0.1, -0.1])) == pytest.approx(-0.5)


def test_sizes_are_shares_or_numbers() -> None:
    assert [size_of(limit) for limit in ("3%", 150, "0.5%")] == [3.0, 150.0, 0.5]


def test_a_missing_run_is_named() -> None:
    lacking = runs(0.1, 0.2)
    lacking["text_cnn_equal"] = lacking["text_cnn_equal"][:-1]
    with pytest.raises(QuartetError, match="text_cnn_equal lacks a size or a seed"):
        data_hunger(lacking)


def verdict_of(hunger: float, start: float) -> tuple[Verdict, Measured]:
    measured = data_hunger(runs(hunger, start))
    return found("T2", measured), measured


def test_a_net_that_needs_more_data_is_found_hungry_and_another_is_not() -> None:
    assert verdict_of(hunger=0.1, start=0.2)[0] is Verdict.HOLDS
    assert verdict_of(hunger=0.0, start=0.2)[0] is Verdict.IN_PART  # behind with all data too
    assert verdict_of(hunger=0.0, start=-0.2)[0] is Verdict.DOES_NOT


def test_every_number_is_finite() -> None:
    _, measured = verdict_of(0.1, 0.2)
    assert all(math.isfinite(float(np.mean(number.values))) for number in measured.numbers.values())
