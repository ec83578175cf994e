"""Test intervals and tests against scipy, in degenerate cases, and on simulated data."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from quartet.report.chance.chance import chance_of
from quartet.report.chance.holm import holm
from quartet.report.chance.permutation import sign_flip
from quartet.report.comparing.power import POWER, combined_power, power, seeds_needed
from quartet.report.comparing.statistics import LEVEL, differences, estimate, sampling_error, welch
from quartet.report.comparing.verdict import p_value, signed

A, B = [0.91, 0.93, 0.92, 0.95], [0.90, 0.80, 0.85, 0.93]


def paired_t(d: list[float]) -> float:
    return chance_of(d).p(float(np.mean(d)))


def by_seed(**values: list[float]) -> dict[str, dict[int, float]]:
    return {name: dict(enumerate(series)) for name, series in values.items()}


def test_welch_equals_scipy() -> None:
    expected = stats.ttest_ind(A, B[:3], equal_var=False).confidence_interval(0.9)
    assert welch(A, B[:3], level=0.9) == pytest.approx((np.mean(A) - np.mean(B[:3]), expected.low, expected.high))


def test_welch_with_few_or_constant_values() -> None:
    assert welch([0.5], [0.25, 0.5]) == (0.125, -math.inf, math.inf)
    assert welch([1.0, 1.0], [0.5, 0.5]) == (0.5, -math.inf, math.inf)  # equal seeds say nothing of chance
    assert welch([1.0, math.nan], [0.5]) == (0.5, -math.inf, math.inf)
    difference, low, high = welch([], [1.0, 2.0])
    assert math.isnan(difference)
    assert (low, high) == (-math.inf, math.inf)
    assert welch([1.0, 2.0], [1.0, 1.0])[1] > -math.inf
    assert all(map(math.isfinite, welch([0.0, 1e-160], [0.0, 0.0])))


def test_an_estimate_equals_scipy() -> None:
    expected = stats.ttest_1samp(A, 0).confidence_interval(LEVEL)
    about = estimate(A)
    assert (about.low, about.high) == pytest.approx((expected.low, expected.high))
    assert about.deviation == pytest.approx(np.std(A, ddof=1))
    one = estimate([0.5])
    assert (one.count, one.mean) == (1, 0.5)
    assert math.isnan(one.deviation)
    assert math.isnan(one.low)
    assert math.isnan(estimate([0.5, 0.5]).high)  # no interval of width zero


def test_the_sampling_error_follows_the_number_of_examples() -> None:
    draw = np.random.default_rng(0)
    for share, count in ((0.9, 40), (0.99, 300), (0.5, 20)):
        seen = draw.binomial(count, share, 4000) / count
        centre = [(p * count + 1.9207) / (count + 3.8415) for p in seen]
        covered = [abs(c - share) <= sampling_error(p, count) for c, p in zip(centre, seen, strict=True)]
        assert 0.93 <= np.mean(covered) <= 0.995
    assert sampling_error(0.9, 10_000) == pytest.approx(1.96 * math.sqrt(0.09 / 10_000), rel=0.01)


def test_the_paired_tests_equal_scipy() -> None:
    d = [a - b for a, b in zip(A, B, strict=True)]
    assert paired_t(d) == pytest.approx(stats.ttest_rel(A, B).pvalue)
    signs = np.array(list(itertools.product((1, -1), repeat=len(d))))
    assert sign_flip(d) == pytest.approx(np.mean(np.abs(signs @ d) >= abs(sum(d)) - 1e-12))


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_a_sign_flip_of_few_seeds_cannot_be_small(n: int) -> None:
    assert sign_flip([1.0 + 0.1 * i for i in range(n)]) == 2.0 ** (1 - n)


def test_a_sign_flip_of_many_seeds_is_repeatable() -> None:
    d = list(np.random.default_rng(0).normal(0.4, 1, 40))
    assert sign_flip(d) == sign_flip(d) == pytest.approx(paired_t(d), abs=0.02)


def test_holm() -> None:
    # By hand: 3 · 0.01, then 2 · 0.02, and then no less than before.
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    first, second = holm([math.nan, 0.02])
    assert math.isnan(first)
    assert second == 0.04


def test_intervals_exclude_zero_where_the_test_finds_a_difference() -> None:
    draw = np.random.default_rng(1)
    shown = 0
    for _ in range(60):
        values = {net: dict(enumerate(draw.normal(0.6 * net, 1, 4))) for net in range(3)}
        for d in differences({str(net): series for net, series in values.items()}):
            assert (d.holm <= 1 - LEVEL) == (not d.low <= 0 <= d.high) == d.shown
            assert d.level >= LEVEL - 1e-12
            shown += d.shown
    assert 5 < shown < 100


def test_a_pair_alone_is_not_corrected() -> None:
    (d,) = differences(by_seed(a=A, b=B))
    expected = stats.ttest_rel(A, B)
    interval = expected.confidence_interval(LEVEL)
    assert (d.first, d.second, d.seeds, d.pairs) == ("a", "b", (0, 1, 2, 3), 1)
    assert (d.mean, d.low, d.high) == pytest.approx((np.mean(A) - np.mean(B), interval.low, interval.high))
    assert d.p == d.holm == pytest.approx(expected.pvalue)


def test_the_permutation_test_votes_where_it_can_be_significant() -> None:
    few, enough = ([0.5 + 0.01 * i for i in range(n)] for n in (5, 6))
    for series, votes in ((few, False), (enough, True)):
        (d,) = differences(by_seed(a=series, b=[0.0] * len(series)))
        assert (d.votes, d.shown) == (votes, True)
    # The mean is far from zero with both signs equally frequent: only the t test finds a difference.
    d = differences(by_seed(a=[1.0, 1.1, 0.9, 1.2, 0.8, -0.15], b=[0.0] * 6))[0]
    assert d.p < 0.05 < d.flip_p
    assert not d.shown
    three = differences(by_seed(a=enough, b=[0.0] * 6, c=[0.3, 0.1, 0.4, 0.1, 0.5, 0.9]))
    assert not any(d.votes for d in three)  # 3 · 2^-5 > 5 %


def test_pairs_that_cannot_be_tested() -> None:
    none, one, same, rounded = (
        differences(pair)[0]
        for pair in (
            {"a": {0: 1.0}, "b": {1: 1.0}},
            {"a": {0: 1.0, 1: 2.0}, "b": {1: 1.0}},
            by_seed(a=[1.0, 2.0], b=[0.5, 1.5]),
            by_seed(a=[0.90001, 0.80001, 0.70001], b=[0.9, 0.8, 0.7]),
        )
    )
    assert [d.seeds for d in (none, one, same)] == [(), (1,), (0, 1)]
    assert math.isnan(none.mean)
    assert (one.mean, same.mean) == (1.0, 0.5)
    for d in (none, one, same, rounded):
        assert all(map(math.isnan, (d.p, d.holm, d.flip_p, d.low, d.high)))
        assert not d.shown
    # A pair that does not vary still counts among those that are corrected for.
    mixed = differences(by_seed(a=[1.0, 2.0, 3.0], b=[0.5, 1.5, 2.5], c=[0.1, 0.9, 0.4]))
    assert [d.pairs for d in mixed] == [3, 3, 3]
    assert mixed[1].holm >= min(1.0, 3 * min(mixed[1].p, mixed[2].p))


def test_seeds_needed_are_the_fewest() -> None:
    needed = seeds_needed(0.5, deviation=0.4, pairs=3)
    assert needed is not None
    strictest = 1 - 0.05 / 3
    last, enough = (combined_power(n, effect=1.25, level=strictest) for n in (needed - 1, needed))
    assert enough >= POWER > last
    # A textbook's: half a deviation, 5 %, 80 % takes 34 pairs.
    assert seeds_needed(0.5, deviation=1.0) == 34
    assert seeds_needed(0.5, deviation=1e-9, pairs=3) == 2
    assert seeds_needed(1e-4, deviation=1.0) is None


def test_the_needed_seeds_reach_the_power() -> None:
    needed = seeds_needed(0.5, deviation=0.4)
    assert needed is not None
    d = np.random.default_rng(2).normal(0.5, 0.4, (20_000, needed))
    assert np.mean(stats.ttest_1samp(d, 0, axis=1).pvalue <= 0.05) == pytest.approx(
        power(needed, effect=1.25, level=LEVEL), abs=0.01
    )


@pytest.mark.parametrize(("effect", "pairs", "alone"), [(1.45, 1, 6), (1.64, 3, 7)])
def test_seeds_needed_use_the_power_of_both_tests(effect: float, pairs: int, alone: int) -> None:
    """Near the number of seeds at which the permutation test gets a vote, the t test's power alone is too high."""
    strictest = 1 - 0.05 / pairs
    assert power(alone, effect=effect, level=strictest) > POWER > power(alone - 1, effect=effect, level=strictest)
    needed = seeds_needed(effect, deviation=1.0, pairs=pairs)
    assert needed is not None
    assert alone < needed <= alone + 2
    draw, count = np.random.default_rng(5), 600
    for seeds, low, high in ((alone, 0.0, POWER - 0.05), (needed, POWER - 0.04, 1.0)):
        shown = []
        for _ in range(count):
            d = draw.normal(effect, 1, seeds).tolist()
            shown.append(pairs * paired_t(d) <= 0.05 and pairs * sign_flip(d) <= 0.05)
        assert low < np.mean(shown) < high
    assert seeds_needed(effect, deviation=1.0, pairs=pairs, least=alone) == needed
    assert seeds_needed(effect, deviation=1.0, pairs=pairs, least=20) == 20


def simulate(count: int, seeds: int, means: tuple[float, ...], draw: Any) -> tuple[float, float]:
    """Return the rate of false alarms among equal nets, and the coverage of a pair's interval.

    The nets share an effect of each seed, and have different variances.
    """
    alarms, covered, intervals = 0, 0, 0
    for _ in range(count):
        common = draw.normal(0, 1, seeds)
        values = {
            str(i): dict(enumerate((mean + common + draw.normal(0, 0.5 + i, seeds)).tolist()))
            for i, mean in enumerate(means)
        }
        found = differences(values)
        truths = [means[int(d.first)] - means[int(d.second)] for d in found]
        alarms += any(d.shown for d, truth in zip(found, truths, strict=True) if truth == 0)
        covered += sum(d.low <= truth <= d.high for d, truth in zip(found, truths, strict=True))
        intervals += len(found)
    return alarms / count, covered / intervals


@pytest.mark.parametrize(
    ("count", "seeds", "means"),
    [
        (400, 3, (0.0, 0.0, 0.0)),
        (400, 8, (0.0, 0.0, 0.0)),
        (400, 3, (0.0, 0.0, 6.0)),
        pytest.param(5_000, 3, (0.0, 0.0, 0.0), marks=pytest.mark.slow),
        pytest.param(5_000, 8, (0.0, 0.0, 0.0), marks=pytest.mark.slow),
        pytest.param(5_000, 3, (0.0, 0.0, 6.0), marks=pytest.mark.slow),
        pytest.param(2_000, 5, (0.0, 0.0, 0.0, 0.0), marks=pytest.mark.slow),
    ],
)
def test_false_alarms_and_coverage_are_as_stated(count: int, seeds: int, means: tuple[float, ...]) -> None:
    alarms, covered = simulate(count, seeds, means, np.random.default_rng(seeds))
    error, pairs = 3 * math.sqrt(0.05 * 0.95 / count), math.comb(len(means), 2)
    assert alarms <= 1 - LEVEL + error
    # Holm's levels lie between the level of a single test and of all tests together.
    assert LEVEL - error <= covered <= 1 - (1 - LEVEL) / pairs + error
    if count >= 2_000:
        assert alarms >= 0.02  # the rule is not too conservative


@pytest.mark.parametrize("count", [800, pytest.param(10_000, marks=pytest.mark.slow)])
def test_false_alarms_of_two_nets_are_as_stated(count: int) -> None:
    alarms, covered = simulate(count, 5, (0.0, 0.0), np.random.default_rng(4))
    assert alarms == pytest.approx(1 - LEVEL, abs=3 * math.sqrt(0.05 * 0.95 / count))
    assert covered == pytest.approx(1 - alarms)


def test_estimates_and_welch_cover_as_stated() -> None:
    draw, count = np.random.default_rng(3), 3_000
    a, b = draw.normal(1, 0.5, (count, 3)).tolist(), draw.normal(0.3, 2, (count, 5)).tolist()
    single = np.mean([about.low <= 1 <= about.high for about in map(estimate, a)])
    double = np.mean([low <= 0.7 <= high for _, low, high in map(welch, a, b)])
    error = 3 * math.sqrt(0.05 * 0.95 / count)
    assert single == pytest.approx(LEVEL, abs=error)
    assert double == pytest.approx(LEVEL, abs=error + 0.01)  # Welch's is an approximation


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (math.nan, "–"),
        (0.0, "<0.001"),
        (0.0009, "<0.001"),
        (0.001, "0.001"),
        (0.0123, "0.012"),
        (0.1, "0.10"),
        (1, "1.00"),
    ],
)
def test_a_p_value_in_figures(p: float, said: str) -> None:
    assert p_value(p).replace("\u202f", "") == said


def test_no_difference_is_a_dash() -> None:
    (alone,) = differences({"a": {0: 0.5}, "b": {1: 0.7}})
    assert math.isnan(alone.mean)
    assert signed(alone, "accuracy") == "–"
    (found,) = differences({"a": {0: 0.5, 1: 0.6}, "b": {0: 0.7, 1: 0.9}})
    assert signed(found, "accuracy").startswith("−25")
