"""The two sources of chance: their variances apart and together, and agreement with tests over examples alone."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats

from quartet.report.chance.chance import BOTH, EXAMPLES, SEEDS, Chance, chance_of
from quartet.report.comparing.power import POWER, combined_power, examples_needed, power, seeds_needed
from quartet.report.comparing.statistics import LEVEL, differences, estimate
from quartet.tasks import Translate
from quartet.tasks.examples import example_arrays
from quartet.tasks.scores import score_translations

SAMPLES = 2000  # of sacrebleu's tests


def table(draw: np.random.Generator, *, a: float, b: float, c: float, seeds: int = 3, size: int = 200) -> np.ndarray:
    """Return scores of seeds and examples whose main effects and interaction have these deviations, (S, N)."""
    of_seed, of_example = a * draw.normal(size=(seeds, 1)), b * draw.normal(size=(1, size))
    return of_seed + of_example + c * draw.normal(size=(seeds, size))


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 1.0, 1.0), (0.0, 1.0, 3.0), (0.2, 0.0, 2.0), (0.1, 2.0, 0.0)])
def test_the_variance_is_that_of_means_of_other_seeds_and_examples(a: float, b: float, c: float) -> None:
    """What seeds and examples have together is counted once: the variance is right, neither too large nor too small."""
    draw = np.random.default_rng(0)
    found = [chance_of(x.mean(1).tolist(), x).variance for x in (table(draw, a=a, b=b, c=c) for _ in range(1200))]
    truth = a**2 / 3 + b**2 / 200 + c**2 / 600
    rounded_up = 0.07 * c**2 / 600  # the part of the examples is never negative
    assert truth * 0.9 < np.mean(found) < truth * 1.1 + rounded_up


def test_seeds_alone_are_students_t() -> None:
    chance = chance_of([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp([1.0, 2.0, 4.0], 0.0)
    assert (chance.covers, chance.example_count) == (SEEDS, 0)
    assert chance.p(7 / 3) == pytest.approx(expected.pvalue)
    assert chance.reach(0.9) == pytest.approx(expected.confidence_interval(0.9).high - 7 / 3)


def test_examples_alone_are_students_t_over_them() -> None:
    scores = np.random.default_rng(1).normal(0.3, 1, (1, 50))
    chance = chance_of([float(scores.mean())], scores)
    expected = stats.ttest_1samp(scores[0], 0.0)
    assert chance.covers == EXAMPLES
    assert chance.p(float(scores.mean())) == pytest.approx(expected.pvalue)
    # Seeds that agree to the digit show no chance of their own.
    same = np.repeat(scores, 3, axis=0)
    three = chance_of(same.mean(1).tolist(), same)
    assert (three.covers, three.variance) == (EXAMPLES, pytest.approx(chance.variance))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_p_is_the_level_of_the_interval_that_reaches_zero(share: float) -> None:
    chance = Chance(share, 3, 1 - share, 500)
    assert chance.covers == BOTH
    for mean in (0.5, 2.0, 9.0):
        assert chance.reach(1 - chance.p(mean)) == pytest.approx(mean)
    both, few, many = (Chance(s, 3, e, 500).quantile(LEVEL) for s, e in ((share, 1 - share), (1.0, 0.0), (0.0, 1.0)))
    assert many < both < few


@pytest.mark.parametrize(("right", "count"), [(97, 100), (100, 100), (0, 40), (850, 1000)])
def test_one_seeds_accuracy_has_wilsons_interval(right: int, count: int) -> None:
    scores = np.concatenate((np.ones(right), np.zeros(count - right)))[None]
    about = estimate([right / count], between=(0.0, 1.0), scores_SN=scores)
    expected = stats.binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    assert (about.low, about.high) == pytest.approx((expected.low, expected.high), abs=0.25 / count + 0.001)
    assert (about.covers, about.examples) == (EXAMPLES, count)


def wrong_or_right(both: int, first: int, second: int, neither: int) -> dict[str, dict[int, np.ndarray]]:
    """Return the answers of two nets: how many both have right, one alone, and neither."""
    a = np.repeat([1.0, 1.0, 0.0, 0.0], [both, first, second, neither])
    b = np.repeat([1.0, 0.0, 1.0, 0.0], [both, first, second, neither])
    return {"a": {0: a}, "b": {0: b}}


@pytest.mark.parametrize(
    "counts", [(80, 5, 0, 15), (80, 9, 2, 9), (70, 12, 3, 15), (60, 14, 12, 14), (700, 90, 60, 150), (900, 6, 1, 93)]
)
def test_one_seed_each_agrees_with_mcnemar(counts: tuple[int, int, int, int]) -> None:
    scores = wrong_or_right(*counts)
    (d,) = differences({net: {0: float(x[0].mean())} for net, x in scores.items()}, scores=scores)
    exact = stats.binomtest(counts[1], counts[1] + counts[2]).pvalue
    assert (d.covers, d.seeds, d.examples) == (EXAMPLES, (0,), sum(counts))
    assert d.flip_p == pytest.approx(exact)
    assert d.votes
    assert d.shown == (max(exact, d.p) <= 0.05)
    # The asymptotic form of McNemar's test: the same square but for the variance, which it takes at no difference.
    chi2 = (counts[1] - counts[2]) ** 2 / (counts[1] + counts[2])
    assert d.p == pytest.approx(stats.chi2.sf(chi2, 1), abs=0.025)
    assert d.p > 0.05 or d.low > 0 or d.high < 0


def test_equal_nets_with_few_examples_are_seldom_told_apart() -> None:
    draw, alarms = np.random.default_rng(2), 0
    for _ in range(700):
        difficulty = draw.random(60)
        scores = {net: {0: (draw.random(60) < difficulty).astype(float)} for net in "ab"}
        (d,) = differences({net: {0: float(x[0].mean())} for net, x in scores.items()}, scores=scores)
        alarms += d.shown
    assert 0.01 <= alarms / 700 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 700)


def translations(count: int, seed: int, *shares: float) -> list[list[str]]:
    """Return references, and for each share translations in which so many of the words are wrong."""
    draw = random.Random(seed)
    words = [f"word{i}" for i in range(40)]
    due = [[draw.choice(words) for _ in range(draw.randint(4, 16))] for _ in range(count)]
    spoiled = [[[draw.choice(words) if draw.random() < share else w for w in row] for row in due] for share in shares]
    return [[" ".join(row) for row in rows] for rows in (due, *spoiled)]


@pytest.mark.parametrize(("first", "second", "seed"), [(0.30, 0.33, 0), (0.2, 0.2, 2)])
def test_one_seed_each_agrees_with_sacrebleus_paired_tests(first: float, second: float, seed: int) -> None:
    """The approximate randomization of sacrebleu has a two-sided p. Its paired bootstrap counts |a - b| less its mean
    above the difference, which is one tail: half of the p here, for a difference beyond its error."""
    due, *found = translations(400, seed, first, second)
    task = Translate(
        label_smoothing=0.0, num_beams=1, length_penalty=0.0, max_ratio=1.0, max_extra=1, sentences=1, samples=1, seed=0
    )
    measured = {net: score_translations(texts, due) for net, texts in zip("ab", found, strict=True)}
    scores = {net: {0: example_arrays(task, one.counts)["score_bleu"]} for net, one in measured.items()}
    (d,) = differences({net: {0: one.bleu} for net, one in measured.items()}, scores=scores)
    assert d.covers == EXAMPLES
    assert math.isnan(d.flip_p)
    assert not d.votes
    p: dict[str, float] = {}
    systems: list[Any] = list(zip("ab", found, strict=True))
    for test in ("ar", "bs"):
        _, result = PairedTest(systems, {"BLEU": BLEU()}, [due], test_type=test, n_samples=SAMPLES)()
        second_result: Any = result["BLEU"][1]
        p[test] = second_result.p_value
    error = {test: 3 * math.sqrt(value * (1 - value) / SAMPLES) + 0.01 for test, value in p.items()}
    assert d.p == pytest.approx(p["ar"], abs=error["ar"])
    if abs(d.mean) > 1.5 * d.examples_error:
        assert d.p / 2 == pytest.approx(p["bs"], abs=error["bs"])


def test_more_seeds_do_not_make_up_for_few_examples() -> None:
    alone = seeds_needed(0.5, deviation=0.4)
    some = seeds_needed(0.5, deviation=0.4, examples=0.1**2, of=500)
    assert alone is not None
    assert some is not None
    assert some > alone
    assert seeds_needed(0.5, deviation=0.4, examples=0.2**2, of=500) is None  # 0.5 is 2.5 errors of the examples
    count = examples_needed(0.5, error=0.2, of=500)
    # A textbook's: 7.85 squared errors for 5 % and 80 %.
    assert count == pytest.approx(500 * 7.85 * 0.2**2 / 0.5**2, rel=0.01)
    enough = 0.2**2 * 500 / count
    assert power(10_000, effect=0.5 / 0.4, level=LEVEL, examples=enough / 0.4**2, of=count) == pytest.approx(
        POWER, abs=0.01
    )


@pytest.mark.parametrize(("seeds", "examples"), [(4, 0.1), pytest.param(9, 0.05, marks=pytest.mark.slow)])
def test_the_power_with_examples_is_the_rate_at_which_differences_are_shown(seeds: int, examples: float) -> None:
    draw, size, shown, effect = np.random.default_rng(3), 100, 0, 1.3
    for _ in range(300):
        of_example = math.sqrt(examples * size) * draw.normal(size=(1, size))
        x = effect + draw.normal(size=(seeds, 1)) + of_example
        values = {"a": dict(enumerate(x.mean(1).tolist())), "b": dict.fromkeys(range(seeds), 0.0)}
        scores = {"a": dict(enumerate(x)), "b": {seed: np.zeros(size) for seed in range(seeds)}}
        shown += differences(values, scores=scores)[0].shown
    said = combined_power(seeds, effect=effect, level=LEVEL, examples=examples, of=size)
    assert said == pytest.approx(shown / 300, abs=0.08)
