"""Estimate means over few seeds with intervals, and test differences between nets.

The rule was fixed before any result. The nets of one task and data set are compared by one metric, all pairs at once,
each over the seeds that both nets have, and over the test examples where both have kept a score for each.

1. A pair differs where Student's paired t test is significant after Holm's correction over all tested pairs. It weighs
   the difference against what other seeds and other test examples could make of it (`chance`). If no pair
   differed, at most 1 - `LEVEL` of such comparisons would report any difference. A pair's interval has the level at
   which Holm's procedure tested it: it excludes zero exactly where this test finds a difference. This level is never
   below `LEVEL`, so the interval covers the true difference at least that often.
2. The t test assumes normally distributed differences. The exact sign-flip permutation test over seeds does not, but
   with n seeds its p cannot be below 2^(1 - n): with three seeds 0.25, for any data. It has a vote where there are
   enough seeds for a significant result after the correction; there both tests must agree. Elsewhere it is shown
   without a vote. For one seed each and right or wrong answers the permutation is over the examples, which is
   McNemar's exact test. It always has a vote.
3. Where no difference is shown, the verdict gives the seeds that would show a relevant difference with a chance of
   `power.POWER` by this rule, if the seeds' variance stays the same (`power.seeds_needed`). Where the interval excludes
   any relevant difference, the verdict states that instead.
4. A pair without a common seed is not tested, nor is one in which no chance is seen to weigh the difference against:
   a single seed, or the same difference at every seed, without scores of examples that vary. In the latter case t is
   infinite; it counts as a pair with p = 1.
5. Each interval says what it covers. Without scores an example, in runs of older versions and in tasks whose metric is
   of a whole set, it covers seeds alone; with one seed it covers test examples alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any

from quartet.report.chance.chance import EXAMPLES, Chance, chance_of, share_interval
from quartet.report.chance.holm import holm, holm_levels
from quartet.report.chance.permutation import mcnemar, sign_flip

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95  # of every interval; 1 - LEVEL is the rate of false alarms
UNBOUNDED = -math.inf, math.inf
Scores = Mapping[str, Mapping[int, "np.ndarray"]]  # net → seed → a score for each test example


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds and its interval. `deviation` is the sample's over seeds, nan for a single value. The bounds
    are nan where no chance is seen: without scores of `examples`, for a single value and for equal ones. `covers` says
    which sources of chance they cover."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float
    covers: str = ""
    examples: int = 0


@dataclass(frozen=True)
class Difference:
    """The difference `first - second` of two nets, over the seeds that both have.

    Attributes:
        level: of the interval `low … high`.
        p, flip_p: of the paired t test and of the sign-flip test; nan without a test.
        holm, flip_holm: the same after the correction over `pairs` tests.
        votes: whether the sign-flip test could be significant. shown: whether the rule finds a difference.
        covers: which sources of chance the interval covers. examples: the number of test examples, 0 without scores.
        seeds_error, examples_error: the standard errors of the mean by source.
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
    covers: str = ""
    examples: int = 0
    seeds_error: float = math.nan
    examples_error: float = math.nan


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


def estimate(
    values: Sequence[float],
    *,
    level: float = LEVEL,
    between: tuple[float, float] = UNBOUNDED,
    scores_SN: np.ndarray | None = None,
) -> Estimate:
    """Return mean, deviation and interval of one or more finite values, one for each seed. The interval is clipped to
    `between`, the metric's lowest and highest possible value. With `scores_SN`, it covers test examples too."""
    n, mean = len(values), fmean(values)
    chance = chance_of(values, scores_SN)
    deviation = math.sqrt(chance.seeds * n) if n > 1 else math.nan
    bounded = all(map(math.isfinite, between)) and chance.example_count > 0
    if not (chance.variance > 0 or bounded):
        return Estimate(n, mean, deviation, math.nan, math.nan)
    if bounded:
        low, high = share_interval(mean, chance, level=level, between=between)
    else:
        half = chance.reach(level)
        low, high = max(mean - half, between[0]), min(mean + half, between[1])
    return Estimate(n, mean, deviation, low, high, chance.covers or EXAMPLES, chance.example_count)


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
    scores: Scores | None = None,
) -> list[Difference]:
    """Return the difference of each pair of nets by the rule above, in order. `values`: net → seed → finite value.

    `pairs`: those to test, chosen before any result; all by default. `scores`: of the same test examples in the same
    order for all nets, where they are known.
    """
    pairs = list(combinations(values, 2)) if pairs is None else pairs
    common = [sorted(values[a].keys() & values[b].keys()) for a, b in pairs]
    found = [_paired_differences(values[a], values[b], seeds) for (a, b), seeds in zip(pairs, common, strict=True)]
    of_examples = [score_differences(scores or {}, a, b, seeds) for (a, b), seeds in zip(pairs, common, strict=True)]
    chances = [chance_of(d, x) for d, x in zip(found, of_examples, strict=True)]
    tested = [i for i, d in enumerate(found) if len(d) > 1 or chances[i].variance > 0]
    t_p = {i: chances[i].p(fmean(found[i])) if chances[i].variance > 0 else math.nan for i in tested}
    flip_p = {i: sign_flip(d) if len(d := found[i]) > 1 else mcnemar(of_examples[i]) for i in tested}
    t_holm, flip_holm = (holm(list(p.values())) for p in (t_p, flip_p))
    levels = holm_levels([t_p[i] for i in tested], level)
    compared = []
    for i, ((a, b), seeds, d) in enumerate(zip(pairs, common, found, strict=True)):
        if i not in t_p or math.isnan(t_p[i]):
            compared.append(_untested(a, b, seeds, d, len(tested), level))
            continue
        k, chance, mean = tested.index(i), chances[i], fmean(d)
        half, deviation = chance.reach(levels[k]), math.sqrt(chance.seeds * len(d)) if len(d) > 1 else math.nan
        votes = len(tested) * 2.0 ** (1 - len(d)) <= 1 - level if len(d) > 1 else not math.isnan(flip_p[i])
        shown = t_holm[k] <= 1 - level and (not votes or flip_holm[k] <= 1 - level)
        compared.append(
            Difference(a, b, tuple(seeds), len(tested), mean, deviation, levels[k], mean - half, mean + half,
                       t_p[i], t_holm[k], flip_p[i], flip_holm[k], votes, shown, **_sources(chance))
        )  # fmt: skip
    return compared


def _sources(chance: Chance) -> dict[str, Any]:
    """Return what a difference says of its sources of chance."""
    errors = {"seeds_error": math.sqrt(chance.seeds), "examples_error": math.sqrt(chance.examples)}
    return {"covers": chance.covers, "examples": chance.example_count, **errors}


def score_differences(scores: Scores, a: str, b: str, seeds: Sequence[int]) -> np.ndarray | None:
    """Return the scores of `a` less those of `b`, (S, N); None unless both have scores of as many examples for each
    seed."""
    first, second = (stacked(scores.get(net, {}), seeds) for net in (a, b))
    return None if first is None or second is None or first.shape != second.shape else first - second


def stacked(scores: Mapping[int, np.ndarray], seeds: Sequence[int]) -> np.ndarray | None:
    """Return the scores of each of `seeds` as float64 (S, N); None unless each has finite ones, of as many examples."""
    import numpy as np

    found = [scores[seed] for seed in seeds if seed in scores]
    if not seeds or len(found) < len(seeds) or len({x.shape for x in found}) > 1 or len(found[0]) < 2:
        return None
    scores_SN = np.stack(found).astype(np.float64)
    return scores_SN if np.isfinite(scores_SN).all() else None


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


def known(value: Any) -> Any:
    """Return a value for JSON, which has neither nan nor infinities: None for these, else the value."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def t_quantile(level: float, freedom: float) -> float:
    """Return how many standard errors a two-sided interval extends on either side."""
    from scipy.stats import t

    return float(t.isf((1 - level) / 2, freedom))
