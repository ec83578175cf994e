"""Estimate means over few seeds with intervals, and test differences between nets.

The rule was fixed before any result. The nets of one task and data set are compared by one metric, all pairs at once,
each over the seeds that both nets have.

1. A pair differs where Student's paired t test is significant after Holm's correction over all tested pairs. If no pair
   differed, at most 1 - `LEVEL` of such comparisons would report any difference. A pair's interval has the level at
   which Holm's procedure tested it: it excludes zero exactly where this test finds a difference. This level is never
   below `LEVEL`, so the interval covers the true difference at least that often.
2. The t test assumes normally distributed differences. The exact sign-flip permutation test does not, but with n seeds
   its p cannot be below 2^(1 - n): with three seeds 0.25, for any data. It has a vote where there are enough seeds for
   a significant result after the correction; there both tests must agree. Elsewhere it is shown without a vote.
3. Where no difference is shown, the verdict gives the seeds that would show a relevant difference with a chance of
   `power.POWER` by this rule, if the seeds' variance stays the same (`power.seeds_needed`). Where the interval excludes
   any relevant difference, the verdict states that instead.
4. A pair with fewer than two common seeds is not tested. Neither is a pair whose difference is the same at every seed:
   its variance is zero and its t infinite. It counts as a pair with p = 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev, variance
from typing import Any

LEVEL = 0.95  # of every interval; 1 - LEVEL is the rate of false alarms
UNBOUNDED = -math.inf, math.inf
MAX_FLIPS = 2**14  # all sign patterns of up to 14 seeds; above 14, this many random patterns with a fixed seed


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds and its t interval. `deviation` is the sample's, nan for a single value. The bounds are nan
    for a single value and for equal ones, which say nothing of chance."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The difference `first - second` of two nets, over the seeds that both have.

    Attributes:
        level: of the interval `low … high`.
        p, flip_p: of the paired t test and of the sign-flip test; nan without a test.
        holm, flip_holm: the same after the correction over `pairs` tests.
        votes: whether the sign-flip test could be significant. shown: whether the rule finds a difference.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    pairs: int
    mean: float
    deviation: float
    level: float
    low: float
    high: float
    p: float
    holm: float
    flip_p: float
    flip_holm: float
    votes: bool
    shown: bool


def welch(a: Sequence[float], b: Sequence[float], *, level: float = LEVEL) -> tuple[float, float, float]:
    """Return `(mean(a) - mean(b), low, high)` by Welch's t interval, for unequal variances.

    Values that are not finite are ignored. With fewer than two values on a side the bounds are infinite, and without
    any the difference is nan. Equal values say nothing of chance: where neither side varies, the bounds are infinite.
    """
    a, b = ([value for value in side if math.isfinite(value)] for side in (a, b))
    difference = fmean(a) - fmean(b) if a and b else math.nan
    if min(len(a), len(b)) < 2:
        return difference, -math.inf, math.inf
    errors = [variance(side) / len(side) for side in (a, b)]
    error = sum(errors)
    if error == 0:
        return difference, -math.inf, math.inf
    # Welch and Satterthwaite: the degrees of freedom of a sum of two variances.
    freedom = 1 / sum((e / error) ** 2 / (len(side) - 1) for e, side in zip(errors, (a, b), strict=True))
    half = t_quantile(level, freedom) * math.sqrt(error)
    return difference, difference - half, difference + half


def estimate(values: Sequence[float], *, level: float = LEVEL, between: tuple[float, float] = UNBOUNDED) -> Estimate:
    """Return mean, deviation and interval of one or more finite values, one for each seed. The interval is clipped to
    `between`, the metric's lowest and highest possible value."""
    n, mean = len(values), fmean(values)
    if n < 2:
        return Estimate(n, mean, math.nan, math.nan, math.nan)
    deviation = stdev(values)
    if deviation <= 1e-12 * abs(mean):
        return Estimate(n, mean, 0.0, math.nan, math.nan)
    half = t_quantile(level, n - 1) * deviation / math.sqrt(n)
    return Estimate(n, mean, deviation, max(mean - half, between[0]), min(mean + half, between[1]))


def sampling_error(share: float, count: int, *, level: float = LEVEL) -> float:
    """Return how far a share of `count` examples may lie from the share in the whole population.

    This is the interval of Agresti and Coull (1998), which also holds for few examples.
    """
    from scipy.stats import norm

    z = float(norm.isf((1 - level) / 2))
    n = count + z**2
    p = (share * count + z**2 / 2) / n
    return z * math.sqrt(p * (1 - p) / n)


def differences(
    values: Mapping[str, Mapping[int, float]],
    *,
    level: float = LEVEL,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> list[Difference]:
    """Return the difference of each pair of nets by the rule above, in order. `values`: net → seed → finite value.

    `pairs`: those to test, chosen before any result; all by default.
    """
    pairs = list(combinations(values, 2)) if pairs is None else pairs
    common = [sorted(values[a].keys() & values[b].keys()) for a, b in pairs]
    found = [_paired_differences(values[a], values[b], seeds) for (a, b), seeds in zip(pairs, common, strict=True)]
    tested = [i for i, d in enumerate(found) if len(d) > 1]
    t_p, flip_p = {i: paired_t(found[i]) for i in tested}, {i: sign_flip(found[i]) for i in tested}
    t_holm, flip_holm = (holm(list(p.values())) for p in (t_p, flip_p))
    levels = _levels([t_p[i] for i in tested], level)
    compared = []
    for i, ((a, b), seeds, d) in enumerate(zip(pairs, common, found, strict=True)):
        if i not in t_p or math.isnan(t_p[i]):
            compared.append(_untested(a, b, seeds, d, len(tested), level))
            continue
        k = tested.index(i)
        about = estimate(d, level=levels[k])
        votes = len(tested) * 2.0 ** (1 - len(d)) <= 1 - level
        shown = t_holm[k] <= 1 - level and (not votes or flip_holm[k] <= 1 - level)
        compared.append(
            Difference(a, b, tuple(seeds), len(tested), about.mean, about.deviation, levels[k], about.low, about.high,
                       t_p[i], t_holm[k], flip_p[i], flip_holm[k], votes, shown)
        )  # fmt: skip
    return compared


def _paired_differences(a: Mapping[int, float], b: Mapping[int, float], seeds: Sequence[int]) -> list[float]:
    """Return `a - b` by seed. Differences that vary by rounding alone are made equal."""
    d = [a[seed] - b[seed] for seed in seeds]
    rounding = 1e-12 * max((abs(side[seed]) for side in (a, b) for seed in seeds), default=0.0)
    return [d[0]] * len(d) if d and max(d) - min(d) <= rounding else d


def _untested(a: str, b: str, seeds: Sequence[int], d: Sequence[float], pairs: int, level: float) -> Difference:
    """Return a pair without a test."""
    mean, deviation = fmean(d) if d else math.nan, 0.0 if len(d) > 1 else math.nan
    unknown = (math.nan,) * 6
    return Difference(a, b, tuple(seeds), pairs, mean, deviation, level, *unknown, votes=False, shown=False)


def paired_t(d: Sequence[float]) -> float:
    """Return the two-sided p of Student's test that the differences have mean zero; nan where they do not vary."""
    from scipy.stats import t

    deviation = stdev(d)
    if deviation == 0:
        return math.nan
    return float(2 * t.sf(abs(fmean(d)) / (deviation / math.sqrt(len(d))), len(d) - 1))


def sign_flip(d: Sequence[float]) -> float:
    """Return the two-sided p of the sign-flip permutation test, exact up to 14 seeds.

    It is the share of sign patterns whose mean lies as far from zero as the observed mean.
    """
    import numpy as np
    from scipy.stats import permutation_test

    flipped = permutation_test(
        (np.asarray(d),), np.mean, permutation_type="samples", vectorized=True, n_resamples=MAX_FLIPS, rng=0
    )
    return float(flipped.pvalue)


def known(value: Any) -> Any:
    """Return a value for JSON, which has neither nan nor infinities: None for these, else the value."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down procedure; nan counts as one and stays nan.

    Rejecting adjusted values up to α keeps the chance of any false alarm below α.
    """
    adjusted, largest = [math.nan] * len(ps), 0.0
    for rank, i in enumerate(_order(ps)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def _levels(ps: Sequence[float], level: float) -> list[float]:
    """Return the level at which Holm's procedure tests each p. It stops at the first p that it does not reject, whose
    level holds for all later ones."""
    levels, step = [level] * len(ps), 0
    for i in _order(ps):
        alpha = (1 - level) / (len(ps) - step)
        levels[i] = 1 - alpha
        step += ps[i] <= alpha
    return levels


def _order(ps: Sequence[float]) -> list[int]:
    """Return the indices of the p values without nan, smallest first."""
    return sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i])


def t_quantile(level: float, freedom: float) -> float:
    """Return how many standard errors a two-sided interval extends on either side."""
    from scipy.stats import t

    return float(t.isf((1 - level) / 2, freedom))
