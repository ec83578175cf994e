"""A verdict follows from intervals and thresholds alone, and says so where an interval is too wide."""

from __future__ import annotations

from typing import Any

import pytest

from quartet.findings import Condition, Verdict, verdict
from quartet.types import QuartetError

ABOVE, BELOW = Condition("gain", above=0.1), Condition("loss", below=0.5)
GAINS = {"met": (0.2, 0.3), "failed": (-0.1, 0.05), "open": (0.0, 0.2)}
LOSSES = {"met": (0.1, 0.4), "failed": (0.6, 0.9), "open": (0.4, 0.6)}


@pytest.mark.parametrize(
    ("gain", "loss", "expected"),
    [
        ("met", "met", Verdict.HOLDS),
        ("met", "failed", Verdict.IN_PART),
        ("failed", "met", Verdict.IN_PART),
        ("failed", "failed", Verdict.DOES_NOT),
        ("open", "met", Verdict.UNDECIDED),
        ("met", "open", Verdict.UNDECIDED),
        ("open", "failed", Verdict.UNDECIDED),
    ],
)
def test_a_verdict_is_what_all_ways_agree_on(gain: str, loss: str, expected: Verdict) -> None:
    assert verdict([ABOVE, BELOW], {"gain": GAINS[gain], "loss": LOSSES[loss]}) is expected


def test_an_open_condition_that_changes_nothing_leaves_the_verdict() -> None:
    third = Condition("other", above=0.0)
    intervals = {"gain": GAINS["met"], "loss": LOSSES["failed"], "other": (-1.0, 1.0)}
    assert verdict([ABOVE, BELOW, third], intervals) is Verdict.IN_PART


@pytest.mark.parametrize(
    ("gain", "loss", "expected"),
    [
        ("met", "met", Verdict.HOLDS),
        ("met", "failed", Verdict.DOES_NOT),  # it gives no part
        ("failed", "met", Verdict.DOES_NOT),
        ("open", "met", Verdict.UNDECIDED),
        ("open", "failed", Verdict.DOES_NOT),
    ],
)
def test_without_what_is_needed_a_statement_does_not_hold(gain: str, loss: str, expected: Verdict) -> None:
    needed = Condition("gain", above=0.1, needed=True)
    assert verdict([needed, BELOW], {"gain": GAINS[gain], "loss": LOSSES[loss]}) is expected
    assert str(needed) == "gain above 0.1, needed"


@pytest.mark.parametrize(("condition", "interval"), [(ABOVE, (0.2, 0.3)), (BELOW, (0.3, 0.4))])
def test_room_is_the_distance_of_the_nearer_end(condition: Condition, interval: tuple[float, float]) -> None:
    assert condition.room(interval) == pytest.approx(0.1)


@pytest.mark.parametrize("sides", [{}, {"above": 1.0, "below": 2.0}])
def test_a_condition_has_one_threshold(sides: Any) -> None:
    with pytest.raises(QuartetError, match=r"rule: gain: needs either above or below"):
        Condition("gain", **sides)


def test_a_number_that_was_not_measured_is_refused() -> None:
    with pytest.raises(QuartetError, match=r"rule: gain: no such number; measured are loss"):
        verdict([ABOVE], {"loss": (0.0, 1.0)})


def test_a_rule_without_conditions_is_refused() -> None:
    with pytest.raises(QuartetError, match="has no condition"):
        verdict([], {})
    with pytest.raises(QuartetError, match="no condition beside those that are needed"):
        verdict([Condition("gain", above=0.1, needed=True)], {"gain": (0.2, 0.3)})
