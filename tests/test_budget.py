from __future__ import annotations

import pytest

from quartet.budget import Budget, Spent
from quartet.types import QuartetError

SPENT = Spent(samples=300, steps=3, samples_per_epoch=600, flops_per_sample=10.0, seconds=5.0)


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("600 samples", 0.5),
        ("1_200 samples", 0.25),
        ("6 steps", 0.5),
        ("1 epoch", 0.5),
        ("3e3 flops", 1.0),
        ("0.5 epochs", 1.0),
        ("20 seconds", 0.25),
    ],
)
def test_each_unit_is_a_fraction_of_what_was_spent(text: str, used: float) -> None:
    assert Budget.parse(text).used(SPENT) == pytest.approx(used)


@pytest.mark.parametrize("text", ["", "3", "epochs", "-1 epochs", "0 samples", "3 hours", "many samples"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(QuartetError, match="validate_every"):
        Budget.parse(text, key="validate_every")
