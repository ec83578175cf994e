"""Compute the power of the rule in `statistics`: how many seeds would show a difference of a given size."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import product

from quartet.report.comparing.statistics import LEVEL, MAX_FLIPS, t_quantile

POWER = 0.8  # how often a true difference should be shown
POWER_DRAWS = 2000  # simulated comparisons, for an error of about a hundredth
MAX_SEEDS = 1000  # above this number nobody trains


def power(count: int, *, effect: float, level: float) -> float:
    """Return how often the paired t test over `count` seeds shows a difference of `effect` deviations: t² is noncentral
    F."""
    from scipy.stats import ncf, t

    far = t.isf((1 - level) / 2, count - 1)
    return float(ncf.sf(far**2, 1, count - 1, count * effect**2))


def combined_power(count: int, *, effect: float, level: float) -> float:
    """Return the power of both tests together, where the permutation test has a vote.

    With few seeds the permutation test is significant for almost nothing but equal signs, which costs up to a fifth of
    the power. The result is simulated; with many seeds it equals the t test's.
    """
    import numpy as np

    if 2.0 ** (1 - count) > 1 - level or 2**count > MAX_FLIPS:
        return power(count, effect=effect, level=level)
    d = np.random.default_rng(0).normal(effect, 1, (POWER_DRAWS, count)).astype(np.float32)
    rest = np.array(
        list(product((1, -1), repeat=count - 1)), np.float32
    )  # the first sign stays: its flip gives the same sizes
    sizes, seen = np.abs(d[:, :1] + d[:, 1:] @ rest.T), np.abs(d.sum(1))
    flip_p = (sizes >= seen[:, None] * (1 - 1e-5)).mean(1)
    far = seen / d.std(1, ddof=1) / math.sqrt(count)
    return float(np.mean((far >= t_quantile(level, count - 1)) & (flip_p <= 1 - level)))


def seeds_needed(size: float, *, deviation: float, pairs: int = 1, level: float = LEVEL, least: int = 2) -> int | None:
    """Return the smallest number of seeds, at least `least`, that shows a difference of `size` with a chance of
    `POWER`.

    The correction over `pairs` is taken at its strictest. Return None above `MAX_SEEDS`.
    """
    counts, strictest = range(least, MAX_SEEDS + 1), 1 - (1 - level) / pairs
    effect = min(size / deviation, 1e3)  # above this scipy's distribution is inaccurate
    at = bisect_left(counts, POWER, key=lambda n: power(n, effect=effect, level=strictest))
    return next((n for n in counts[at:] if combined_power(n, effect=effect, level=strictest) >= POWER), None)
