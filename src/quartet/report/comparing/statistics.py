"""What a few seeds can show: means with intervals, and differences between nets with tests.

The rule, laid down before any result. The nets of one task on one data set are compared by one metric, all pairs at
once, each over the seeds that both have.

1. A pair differs if Student's paired t test says so after Holm's correction over all pairs that were tested: if no pair
   differed, one or more would be said to differ in at most 1 - `LEVEL` of such comparisons. A pair's interval is at the
   level at which Holm's procedure tested it: it leaves out zero exactly where this test finds a difference, and as that
   level is never below `LEVEL`, it covers the true difference at least as often as `LEVEL` says.
2. The t test takes the differences for normally distributed. The exact sign-flip permutation test does not, but with n
   seeds its p cannot be less than 2^(1 - n): with three seeds 0.25, whatever was measured. It has a vote where there
   are seeds enough for it to say yes, after the correction; there both must. Elsewhere it is shown and has no vote.
3. Where no difference is shown, `seeds_needed` says how many would show one of a size that matters with a chance of
   `POWER`, by this very rule, if seeds go on to vary as they did; where the interval leaves no room for one of that
   size, that is said instead.
4. A pair with fewer than two common seeds is not tested. Neither is one whose difference is the same at every seed: its
   t would be infinite for want of anything to divide by. It counts as a pair with p = 1.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from statistics import fmean, stdev, variance

LEVEL = 0.95  # of every interval; 1 - LEVEL is the rate of false alarms
ANY = -math.inf, math.inf
POWER = 0.8  # how often a difference that is there should be shown
POWER_DRAWS = 2000  # of simulated comparisons: to a hundredth
MOST_SEEDS = 1000  # more are not worth counting
MOST_FLIPS = 2**14  # all signs of up to 14 seeds; beyond, as many drawn with a fixed seed


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds and its t interval; `deviation` is the sample's, nan for one value, as the bounds are."""

    count: int
    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Two nets compared over the seeds that both have: `first - second`.

    `level` is that of the interval `low … high`; `p` is the paired t test's, `flip_p` the sign-flip test's, `holm` and
    `flip_holm` theirs after the correction over `pairs` tests; nan where there is nothing to test. `votes` says whether
    the sign-flip test could have said yes, `shown` whether the rule finds a difference.
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
    """The difference of two means that need not vary alike: `(mean(a) - mean(b), low, high)`, by Welch's t interval.

    What is not finite is left out. With fewer than two values on a side nothing bounds the difference (-inf, inf), and
    with none it is nan; where neither side varies at all, the bounds are the difference itself.
    """
    a, b = ([value for value in side if math.isfinite(value)] for side in (a, b))
    difference = fmean(a) - fmean(b) if a and b else math.nan
    if min(len(a), len(b)) < 2:
        return difference, -math.inf, math.inf
    errors = [variance(side) / len(side) for side in (a, b)]
    error = sum(errors)
    if error == 0:
        return difference, difference, difference
    # Welch and Satterthwaite: the degrees of freedom of a sum of two variances.
    freedom = 1 / sum((e / error) ** 2 / (len(side) - 1) for e, side in zip(errors, (a, b), strict=True))
    half = _reach(level, freedom) * math.sqrt(error)
    return difference, difference - half, difference + half


def estimate(values: Sequence[float], *, level: float = LEVEL, between: tuple[float, float] = ANY) -> Estimate:
    """Mean, deviation and interval of one value a seed, all finite and one at least; the interval stays `between` the
    least and the most that a value can be."""
    n, mean = len(values), fmean(values)
    if n < 2:
        return Estimate(n, mean, math.nan, math.nan, math.nan)
    deviation = stdev(values)
    half = _reach(level, n - 1) * deviation / math.sqrt(n)
    return Estimate(n, mean, deviation, max(mean - half, between[0]), min(mean + half, between[1]))


def sampling_reach(share: float, count: int, *, level: float = LEVEL) -> float:
    """How far a share of `count` examples may lie from the share of all others like them, by the interval of Agresti
    and Coull (1998), which holds for few examples too."""
    from scipy.stats import norm

    z = float(norm.isf((1 - level) / 2))
    n = count + z**2
    p = (share * count + z**2 / 2) / n
    return z * math.sqrt(p * (1 - p) / n)


def differences(values: Mapping[str, Mapping[int, float]], *, level: float = LEVEL) -> list[Difference]:
    """All pairs of nets, from a finite value a seed of each, by the rule above; in the order given."""
    pairs = list(combinations(values, 2))
    common = [sorted(values[a].keys() & values[b].keys()) for a, b in pairs]
    found = [_less(values[a], values[b], seeds) for (a, b), seeds in zip(pairs, common, strict=True)]
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


def _less(a: Mapping[int, float], b: Mapping[int, float], seeds: Sequence[int]) -> list[float]:
    """`a - b` by seed; what differs by no more than rounding makes is the same."""
    d = [a[seed] - b[seed] for seed in seeds]
    rounding = 1e-12 * max((abs(side[seed]) for side in (a, b) for seed in seeds), default=0.0)
    return [d[0]] * len(d) if d and max(d) - min(d) <= rounding else d


def _untested(a: str, b: str, seeds: Sequence[int], d: Sequence[float], pairs: int, level: float) -> Difference:
    mean, deviation = fmean(d) if d else math.nan, 0.0 if len(d) > 1 else math.nan
    unknown = (math.nan,) * 6
    return Difference(a, b, tuple(seeds), pairs, mean, deviation, level, *unknown, votes=False, shown=False)


def paired_t(d: Sequence[float]) -> float:
    """The two-sided p of Student's test that differences have mean zero; nan where they do not vary."""
    from scipy.stats import t

    deviation = stdev(d)
    if deviation == 0:
        return math.nan
    return float(2 * t.sf(abs(fmean(d)) / (deviation / math.sqrt(len(d))), len(d) - 1))


def sign_flip(d: Sequence[float]) -> float:
    """The two-sided p of the permutation test: were each difference as likely to have the other sign, how often would
    their mean be as far from zero? Exact up to 14 seeds."""
    import numpy as np
    from scipy.stats import permutation_test

    flipped = permutation_test(
        (np.asarray(d),), np.mean, permutation_type="samples", vectorized=True, n_resamples=MOST_FLIPS, rng=0
    )
    return float(flipped.pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down: p values such that rejecting those up to α keeps the chance of any false alarm below α; nan
    counts as one and stays nan."""
    adjusted, largest = [math.nan] * len(ps), 0.0
    for rank, i in enumerate(_order(ps)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def _levels(ps: Sequence[float], level: float) -> list[float]:
    """The level at which Holm's procedure tests each: it ends at the first that it does not reject, whose level holds
    for all that follow."""
    levels, step = [level] * len(ps), 0
    for i in _order(ps):
        alpha = (1 - level) / (len(ps) - step)
        levels[i] = 1 - alpha
        step += ps[i] <= alpha
    return levels


def _order(ps: Sequence[float]) -> list[int]:
    return sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i])


def power(count: int, *, effect: float, level: float) -> float:
    """How often the paired t test over `count` seeds shows a difference of `effect` deviations: t² is noncentral F."""
    from scipy.stats import ncf, t

    far = t.isf((1 - level) / 2, count - 1)
    return float(ncf.sf(far**2, 1, count - 1, count * effect**2))


def both_power(count: int, *, effect: float, level: float) -> float:
    """The same of both tests together, the permutation test where it has a vote: with few seeds it says yes to little
    but one sign for all, which costs up to a fifth of the power. Simulated; with many seeds it follows the t test."""
    import numpy as np

    if 2.0 ** (1 - count) > 1 - level or 2**count > MOST_FLIPS:
        return power(count, effect=effect, level=level)
    d = np.random.default_rng(0).normal(effect, 1, (POWER_DRAWS, count)).astype(np.float32)
    rest = np.array(list(product((1, -1), repeat=count - 1)), np.float32)  # the first need not flip: sizes are the same
    sizes, seen = np.abs(d[:, :1] + d[:, 1:] @ rest.T), np.abs(d.sum(1))
    flip_p = (sizes >= seen[:, None] * (1 - 1e-5)).mean(1)
    far = seen / d.std(1, ddof=1) / math.sqrt(count)
    return float(np.mean((far >= _reach(level, count - 1)) & (flip_p <= 1 - level)))


def seeds_needed(size: float, *, deviation: float, pairs: int = 1, level: float = LEVEL, least: int = 2) -> int | None:
    """How few seeds, `least` or more, would show a difference of `size` with `POWER`, the correction over `pairs` at
    its strictest; None for more than `MOST_SEEDS`."""
    counts, strictest = range(least, MOST_SEEDS + 1), 1 - (1 - level) / pairs
    effect = min(size / deviation, 1e3)  # where scipy still counts well
    at = bisect_left(counts, POWER, key=lambda n: power(n, effect=effect, level=strictest))
    return next((n for n in counts[at:] if both_power(n, effect=effect, level=strictest) >= POWER), None)


def _reach(level: float, freedom: float) -> float:
    """How many standard errors a two-sided interval reaches on either side."""
    from scipy.stats import t

    return float(t.isf((1 - level) / 2, freedom))
