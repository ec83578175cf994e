"""Forecasts from short runs: how often their intervals hold, and how often a named winner wins, on made-up nets."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from report.learning_curves import RUNGS, TRUE, Better, Net

from quartet.report.extrapolating.curve import Curve, crossing, winner
from quartet.report.extrapolating.fitting import fit

KINDS = ("accuracy", "loss", "BLEU")
HALVES = (0.25, 0.5, 1.0)  # as shares of the training data


def nets(each: int, rungs: Sequence[float], seed: int, **seeds: int) -> list[tuple[Net, Curve]]:
    """Made-up nets of each kind and form, and what was fitted to their runs."""
    draw = np.random.default_rng(seed)
    made = [Net(draw, kind, form) for kind in KINDS for form in TRUE for _ in range(each)]
    fitted = [(net, fit(net.points(rungs, **seeds), better=net.better)) for net in made]
    return [(net, curve) for net, curve in fitted if curve is not None]


def coverage(fitted: Sequence[tuple[Net, Curve]], at: float) -> float:
    """How often the mean of three new runs lies in the 90 % interval."""
    inside = [low <= fmean(net.runs(at, 3)) <= high for net, curve in fitted for low, _, high in [curve.predict(at)]]
    return fmean(inside)


def named(fitted: Sequence[tuple[Net, Curve]], at: float, contests: int, competing: int) -> list[bool]:
    """Of contests between nets of a kind in which a winner is named: whether it is the one that truly wins."""
    draw = np.random.default_rng(5)
    right = []
    for number in range(contests):
        alike = [(net, curve) for net, curve in fitted if net.kind == KINDS[number % len(KINDS)]]
        chosen = {str(i): alike[i] for i in draw.choice(len(alike), competing, replace=False)}
        said = winner({name: curve for name, (_, curve) in chosen.items()}, at, alike[0][0].better)
        if said is not None:
            right.append(said == min(chosen, key=lambda name: chosen[name][0].error(at)))
    return right


@pytest.fixture(scope="module")
def some() -> list[tuple[Net, Curve]]:
    return nets(12, RUNGS, seed=1)


@pytest.mark.parametrize("at", [4.0, 8.0])
def test_nine_in_ten_intervals_hold(some: list[tuple[Net, Curve]], at: float) -> None:
    assert len(some) > 200
    assert 0.85 <= coverage(some, at) <= 0.95


@pytest.mark.parametrize("at", [4.0, 10.0])
def test_a_named_winner_wins(some: list[tuple[Net, Curve]], at: float) -> None:
    right = named(some, at, contests=300, competing=3)
    assert len(right) > 60, "a winner is hardly ever named"
    assert fmean(right) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rungs", "seeds"), [(RUNGS, {}), (RUNGS, {"fewer": 3}), (HALVES, {}), (HALVES, {"fewer": 3, "seeds": 5})]
)
def test_intervals_hold_and_winners_win_on_many_nets(rungs: Sequence[float], seeds: Mapping[str, int]) -> None:
    many = nets(50, rungs, seed=2, **seeds)
    for at in (4.0, 8.0):
        assert 0.85 <= coverage(many, at) <= 0.95, at
        for competing in (2, 4):
            assert fmean(named(many, at, contests=600, competing=competing)) >= 0.9, (at, competing)


def test_the_law_that_is_true_is_found_where_there_is_hardly_noise() -> None:
    draw = np.random.default_rng(3)
    xs = (0.03, 0.06, 0.125, 0.25, 0.5, 1.0)
    points = {60 * x: [0.1 + 0.2 * x**-0.5 + 1e-4 * draw.standard_normal() for _ in range(3)] for x in xs}
    curve = fit(points, better="min")
    assert curve is not None
    assert curve.form == "power law"
    low, middle, high = curve.predict(240)
    assert low < 0.2 < high
    assert middle == pytest.approx(0.2, abs=0.01)
    assert high - low < 0.05


def line(a: float, b: float, c: float = 0.0) -> dict[float, list[float]]:
    """Accuracies of three seeds along a power law of the error."""
    return {x: [1 - (c + a * x**-b) + 0.002 * step for step in (-1, 0, 1)] for x in RUNGS}


def test_curves_cross_where_the_slower_one_overtakes() -> None:
    fast, slow = fit(line(0.05, 0.2, 0.15), better="max"), fit(line(0.24, 0.6), better="max")
    assert fast
    assert slow
    assert winner({"fast": fast, "slow": slow}, 1.0, "max") == "fast"
    assert winner({"fast": fast, "slow": slow}, 10.0, "max") == "slow"
    found = crossing(fast, slow, until=10.0)
    assert found is not None
    low, middle, high = found
    truth = next(x for x in np.geomspace(1, 10, 999) if 0.24 * x**-0.6 < 0.15 + 0.05 * x**-0.2)
    assert 1 <= low <= truth <= high <= 10
    assert low < middle < high
    assert crossing(slow, fast, until=10.0) == pytest.approx(found, rel=0.1)
    assert crossing(fast, slow, until=1.0) is None
    assert crossing(fast, fast, until=10.0) is None


def test_alike_nets_have_no_winner() -> None:
    draw = np.random.default_rng(4)
    pair = [{x: [1 - 0.2 * x**-0.3 + 0.01 * draw.standard_normal() for _ in range(3)] for x in RUNGS} for _ in "ab"]
    first, second = (fit(points, better="max") for points in pair)
    assert first
    assert second
    assert winner({"a": first, "b": second}, 4.0, "max") is None
    assert winner({}, 4.0, "max") is None
    assert winner({"a": first}, 4.0, "max") == "a"


NAN = math.nan


@pytest.mark.parametrize(
    "points",
    [
        {},
        {1.0: [0.9, 0.91]},
        {0.5: [0.8, 0.81], 1.0: [0.9, 0.91]},
        {0.25: [0.7], 0.5: [0.8], 1.0: [0.9]},
        {0.25: [NAN], 0.5: [0.8, 0.81], 1.0: [0.9, 0.91]},
        {0.25: [], 0.5: [0.8, 0.81], 1.0: [0.9, 0.91]},
        {0.0: [0.1, 0.1], -1.0: [0.2, 0.2], math.inf: [0.3, 0.3], 1.0: [0.9, 0.91]},
        {0.25: [0.9, 0.91], 0.5: [0.7, 0.71], 1.0: [0.5, 0.51]},
    ],
    ids=["none", "one", "two", "one seed", "nan", "empty", "no cost", "worse with more"],
)
def test_what_cannot_be_fitted_is_not(points: Mapping[float, Sequence[float]]) -> None:
    assert fit(points, better="max") is None


@pytest.mark.parametrize("better", ["max", "min"])
@pytest.mark.parametrize(
    "score",
    [
        lambda _: [0.5, 0.5, 0.5],
        lambda _: [0.0, 0.0],
        lambda _: [1.0, 1.0],
        lambda _: [-3.0, -3.1],
        lambda x: [1e9 * x, 1.1e9 * x],
        lambda x: [1e-9 * x, 1.1e-9 * x],
        lambda x: [x, NAN, 1.2 * x],
        lambda x: [math.log(x), math.log(x) + 0.01],
        lambda x: [x % 0.3, 0.1],
    ],
)  # fmt: skip
def test_odd_scores_break_nothing(score: Any, better: Better) -> None:
    curve = fit({x: score(x) for x in RUNGS}, better=better)
    if curve is None:
        return
    for at in (1e-3, 0.1, 1.0, 4.0, 10.0, 1e4):
        low, middle, high = curve.predict(at)
        assert math.isfinite(middle)
        assert low <= middle <= high
    assert curve.predict(10.0) == curve.predict(10.0)


def test_flat_scores_go_on_flat() -> None:
    curve = fit({x: [0.5, 0.51, 0.49] for x in RUNGS}, better="max")
    assert curve is not None
    low, middle, high = curve.predict(4.0)
    assert low < 0.5 < high
    assert middle == pytest.approx(0.5, abs=0.02)


def test_an_interval_grows_with_the_distance_and_leaves_no_share() -> None:
    curve = fit(line(0.1, 0.9), better="max")
    assert curve is not None
    widths = [high - low for at in (1.0, 2.0, 4.0, 8.0) for low, _, high in [curve.predict(at)]]
    assert widths == sorted(widths)
    assert all(bound <= 1 for at in (4.0, 100.0) for bound in curve.predict(at))
    narrow, wide = curve.predict(4.0, level=0.5), curve.predict(4.0, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < narrow[2] < wide[2]


def test_a_fit_is_quick_and_the_same_each_time() -> None:
    points = line(0.2, 0.4)
    began = time.process_time()
    first = fit(points, better="max")
    assert time.process_time() - began < 0.5
    second = fit(dict(reversed(points.items())), better="max")
    assert first
    assert second
    assert first.predict(4.0) == second.predict(4.0)
