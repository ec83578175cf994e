"""Compute the power of the rule in `statistics`: how many seeds would show a difference of a given size."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import product
from typing import Any

from quartet.report.chance.chance import LEAN, Chance
from quartet.report.chance.permutation import MAX_FLIPS
from quartet.report.comparing.statistics import LEVEL

POWER = 0.8  # how often a true difference should be shown
POWER_DRAWS = 2000  # simulated comparisons, for an error of about a hundredth
MAX_SEEDS = 1000  # above this number nobody trains


def power(count: int, *, effect: float, level: float, examples: float = 0.0, of: int = 0) -> float:
    """Return how often the paired t test over `count` seeds shows a difference of `effect` deviations: t² is noncentral
    F. `examples` is the variance that comes from `of` test examples, in squared deviations of a seed."""
    from scipy.stats import ncf

    chance = _chance(count, examples, of)
    freedom = min(1e6, (count - 1) * (chance.variance / chance.seeds) ** 2)  # of the variance, by Satterthwaite
    far = chance.quantile(level) ** 2
    return float(ncf.sf(far, 1, freedom, effect**2 / chance.variance))


def combined_power(count: int, *, effect: float, level: float, examples: float = 0.0, of: int = 0) -> float:
    """Return the power of both tests together, where the permutation test has a vote; arguments as in `power`.

    With few seeds the permutation test is significant for almost nothing but equal signs, which costs up to a fifth of
    the power. The result is simulated; with many seeds it equals the t test's.
    """
    import numpy as np

    if 2.0 ** (1 - count) > 1 - level or 2**count > MAX_FLIPS:
        return power(count, effect=effect, level=level, examples=examples, of=of)
    draw = np.random.default_rng(0)
    d = draw.normal(effect, 1, (POWER_DRAWS, count)).astype(np.float32)
    if examples:  # what other examples change is the same for all seeds
        d += draw.normal(0, math.sqrt(examples), (POWER_DRAWS, 1)).astype(np.float32)
    rest = np.array(
        list(product((1, -1), repeat=count - 1)), np.float32
    )  # the first sign stays: its flip gives the same sizes
    sizes, seen = np.abs(d[:, :1] + d[:, 1:] @ rest.T), np.abs(d.sum(1))
    flip_p = (sizes >= seen[:, None] * (1 - 1e-5)).mean(1)
    seeds = d.var(1, ddof=1) / count
    lean = (seeds / (seeds + examples)) ** LEAN
    few = Chance(1.0, count, 0.0, 0).quantile(level) ** 2
    many = Chance(0.0, count, 1.0, of).quantile(level) ** 2 if examples else 0.0
    reach = np.sqrt((lean * few + (1 - lean) * many) * (seeds + examples))
    return float(np.mean((seen / count >= reach) & (flip_p <= 1 - level)))


def _chance(count: int, examples: float, of: int) -> Chance:
    """Return the chance in the mean of `count` seeds whose deviation is 1."""
    return Chance(1 / count, count, examples, of)


def seeds_needed(
    size: float,
    *,
    deviation: float,
    pairs: int = 1,
    level: float = LEVEL,
    least: int = 2,
    examples: float = 0.0,
    of: int = 0,
) -> int | None:
    """Return the smallest number of seeds, at least `least`, that shows a difference of `size` with a chance of
    `POWER`.

    The correction over `pairs` is taken at its strictest. `examples` is the variance that comes from `of` test
    examples, which more seeds do not lessen. Return None above `MAX_SEEDS`.
    """
    counts, strictest = range(least, MAX_SEEDS + 1), 1 - (1 - level) / pairs
    effect = min(size / deviation, 1e3)  # above this scipy's distribution is inaccurate
    rest: dict[str, Any] = {"effect": effect, "level": strictest, "examples": examples / deviation**2, "of": of}
    at = bisect_left(counts, POWER, key=lambda n: power(n, **rest))
    return next((n for n in counts[at:] if combined_power(n, **rest) >= POWER), None)


def examples_needed(size: float, *, error: float, of: int, pairs: int = 1, level: float = LEVEL) -> int:
    """Return the number of test examples that shows a difference of `size` with a chance of `POWER`, as far as they go.

    `error` is the standard error that comes from `of` examples now. Other seeds come on top.
    """
    from scipy.stats import norm

    strictest = (1 - level) / pairs
    reach = float(norm.isf(strictest / 2) + norm.isf(1 - POWER))
    return math.ceil(of * (error * reach / size) ** 2)
