"""Compute a verdict from intervals and thresholds that were written down before.

Each condition compares one number with a threshold. It is met or failed where the number's whole interval lies on one
side, else open. The verdict is what all ways in which the open conditions may turn out agree on.

A condition that is `needed` gives no part of a verdict: what it names is not the statement, but without it the
statement is false, as of a translator that sees the words it should foretell.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from quartet.types import QuartetError

Interval = tuple[float, float]


class Verdict(StrEnum):
    """What a rule finds about a statement."""

    HOLDS = "holds"
    IN_PART = "holds in part"
    DOES_NOT = "does not hold here"
    UNDECIDED = "not decided"


@dataclass(frozen=True)
class Condition:
    """A number that must lie `above` or `below` a threshold; exactly one of the two is given.

    Where one that is `needed` is failed, the statement does not hold; where it is met, the others decide.
    """

    number: str
    above: float | None = None
    below: float | None = None
    needed: bool = False

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise QuartetError(f"rule: {self.number}: needs either above or below, one of them")

    def met(self, interval: Interval) -> bool | None:
        """Return whether the condition is met, None where the interval reaches over the threshold."""
        room = self.room(interval)
        if room > 0:
            return True
        return None if self.room(interval[::-1]) > 0 else False

    def room(self, interval: Interval) -> float:
        """Return how far the interval's nearer end lies on the right side of the threshold; negative: on the wrong."""
        low, high = interval
        if self.above is not None:
            return low - self.above
        assert self.below is not None
        return self.below - high

    def __str__(self) -> str:
        side = f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
        return f"{self.number} {side}{', needed' if self.needed else ''}"


def verdict(rule: Sequence[Condition], intervals: Mapping[str, Interval]) -> Verdict:
    """Return the verdict of a rule on the intervals of its numbers; QuartetError for a number that was not measured."""
    if all(condition.needed for condition in rule):
        raise QuartetError("rule: has no condition" + (" beside those that are needed" if rule else ""))
    if lacking := [condition.number for condition in rule if condition.number not in intervals]:
        raise QuartetError(f"rule: {lacking[0]}: no such number; measured are {', '.join(intervals)}")
    found = [condition.met(intervals[condition.number]) for condition in rule]
    ways = itertools.product(*([met] if met is not None else [True, False] for met in found))
    verdicts = {_of(rule, way) for way in ways}
    return verdicts.pop() if len(verdicts) == 1 else Verdict.UNDECIDED


def _of(rule: Sequence[Condition], met: Sequence[bool]) -> Verdict:
    """Return the verdict where each condition is decided."""
    needed = [is_met for condition, is_met in zip(rule, met, strict=True) if condition.needed]
    others = [is_met for condition, is_met in zip(rule, met, strict=True) if not condition.needed]
    if not all(needed) or not any(others):
        return Verdict.DOES_NOT
    return Verdict.HOLDS if all(others) else Verdict.IN_PART
