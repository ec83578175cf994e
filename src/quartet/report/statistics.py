"""What a few seeds can show: means with intervals, and differences between nets with tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

LEVEL = 0.95  # of every interval; 1 - LEVEL is the rate of false alarms


def welch(a: Sequence[float], b: Sequence[float], *, level: float = LEVEL) -> tuple[float, float, float]:
    """The difference of two means that need not vary alike: `(mean(a) - mean(b), low, high)`, by Welch's t interval.

    What is not finite is left out. With fewer than two values on a side nothing bounds the difference (-inf, inf), and
    with none it is nan; where neither side varies at all, the bounds are the difference itself.
    """
    a, b = ([value for value in side if math.isfinite(value)] for side in (a, b))
    difference = fmean(a) - fmean(b) if a and b else math.nan
    if min(len(a), len(b)) < 2:
        return difference, -math.inf, math.inf
    errors = [variance(side) / len(side) for side in (a, b)]
    if sum(errors) == 0:
        return difference, difference, difference
    # Welch and Satterthwaite: the degrees of freedom of a sum of two variances.
    freedom = sum(errors) ** 2 / sum(e**2 / (len(side) - 1) for e, side in zip(errors, (a, b), strict=True))
    half = _t(level, freedom) * math.sqrt(sum(errors))
    return difference, difference - half, difference + half


def _t(level: float, freedom: float) -> float:
    """How many standard errors a two-sided interval reaches on either side."""
    from scipy.stats import t

    return float(t.isf((1 - level) / 2, freedom))
