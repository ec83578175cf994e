"""Find where two nets cross along an axis, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from quartet.report.chance.chance import Chance, chance_of, example_covariance
from quartet.report.comparing.axes import Axis, Line, settings_text
from quartet.report.comparing.covering import comparable_scores
from quartet.report.comparing.statistics import LEVEL, estimate, known, score_differences, stacked
from quartet.report.run import ExperimentRuns

if TYPE_CHECKING:
    import numpy as np

STEPS = 400  # between two neighbouring values, where a crossing is looked for


@dataclass(frozen=True)
class Crossing:
    """Where two nets cross along an axis, `others` being the other axes' values.

    Attributes:
        at: the axis' values where the mean difference changes its sign; empty without any.
        low, high: the interval of the crossing; nan without one, infinite where the axis' range does not bound it.
        covers: which sources of chance the interval covers.
        first_below, first_above: the mean of `first - second` at the lowest and at the highest value.
    """

    first: str
    second: str
    others: Mapping[str, Any]
    at: tuple[float, ...]
    low: float
    high: float
    first_below: float
    first_above: float
    covers: str = ""


def crossings(axis: Axis, metric: str) -> list[Crossing]:
    """Return where each two nets cross along an axis of numbers, at the same values of the other axes.

    The differences are paired by seed, and by test example where scores are kept, and linear between two neighbouring
    values. The interval holds the values at which the t interval of the difference covers zero, around the sign's
    change: the confidence set that the test's inversion gives.
    """
    if not axis.numeric:
        return []
    pairs = [(a, b) for a, b in combinations(axis.lines, 2) if a.others == b.others and a.experiment != b.experiment]
    return [crossing for a, b in pairs if (crossing := _crossing(axis, a, b, metric))]


def _crossing(axis: Axis, first: Line, second: Line, metric: str) -> Crossing | None:
    """Return the crossing of two lines; None where they have fewer than two values or no seed in common."""
    import numpy as np

    at_both = [value for value in axis.values if value in first.points and value in second.points]
    measured = [(first.points[value], second.points[value]) for value in at_both]
    values = [(a.values(metric), b.values(metric)) for a, b in measured]
    seeds = sorted(set.intersection(*({*a} & {*b} for a, b in values))) if measured else []
    if len(measured) < 2 or not seeds:
        return None
    places = [axis.positions[value] for value in at_both]
    d_SP = np.array([[a[seed] - b[seed] for a, b in values] for seed in seeds])
    fine_F = np.unique(np.concatenate([np.linspace(*ends, STEPS) for ends in pairwise(places)]))
    weights_FP = np.array([np.interp(fine_F, places, one) for one in np.eye(len(places))]).T
    mean_F = weights_FP @ d_SP.mean(0)
    turns = np.flatnonzero(np.sign(mean_F[:-1]) * np.sign(mean_F[1:]) < 0)
    at = tuple(_back(axis, (fine_F[i] + fine_F[i + 1]) / 2) for i in turns)
    chances = _Chances(d_SP, _scores(measured, metric, seeds), weights_FP)
    low, high, covers = math.nan, math.nan, ""
    if len(turns) == 1 and (len(seeds) > 1 or chances.examples):
        covers = chances.at(int(turns[0])).covers
        left, right = _bounds(chances, mean_F, int(turns[0]))
        low = -math.inf if left is None else _back(axis, fine_F[left])
        high = math.inf if right is None else _back(axis, fine_F[right])
    ends = float(mean_F[0]), float(mean_F[-1])
    return Crossing(first.experiment, second.experiment, first.others, at, low, high, *ends, covers)


class _Chances:
    """The chance in the mean difference at each place along an axis.

    Shapes: S seeds, N test examples, P measured places, F places between them.
    """

    def __init__(self, d_SP: np.ndarray, scores_SNP: np.ndarray | None, weights_FP: np.ndarray) -> None:
        self.d_SP, self.weights_FP = d_SP, weights_FP
        self.covariances = None if scores_SNP is None else example_covariance(scores_SNP)
        self.examples = 0 if scores_SNP is None else scores_SNP.shape[1]

    def at(self, place: int) -> Chance:
        """Return the chance at a place, where the difference is a weighted sum of those that were measured."""
        weights_P = self.weights_FP[place]
        of_seeds = chance_of((self.d_SP @ weights_P).tolist())
        if self.covariances is None:
            return of_seeds
        own, shared = (float(weights_P @ covariance @ weights_P) for covariance in self.covariances)
        examples = max(0.0, own - shared) if of_seeds.seeds else own
        return replace(of_seeds, examples=examples, example_count=self.examples)


def _scores(
    measured: Sequence[tuple[ExperimentRuns, ExperimentRuns]], metric: str, seeds: Sequence[int]
) -> np.ndarray | None:
    """Return the differences of single test examples at each place, (S, N, P); None unless all of them are known."""
    import numpy as np

    scores = comparable_scores([experiment for pair in measured for experiment in pair], metric.removeprefix("test/"))
    found = [score_differences(scores, str(a.name), str(b.name), seeds) for a, b in measured]
    known_ones = [d for d in found if d is not None]
    if len(known_ones) < len(found) or len({d.shape for d in known_ones}) > 1:
        return None
    return np.stack(known_ones, axis=2)


def _bounds(chances: _Chances, mean_F: np.ndarray, turn: int) -> tuple[int | None, int | None]:
    """Return the nearest places on both sides of a turn at which the difference's interval excludes zero."""

    def excludes_zero(i: int) -> bool:
        chance = chances.at(i)
        return not chance.variance > 0 or abs(mean_F[i]) > chance.reach(LEVEL)

    left = next(filter(excludes_zero, range(turn, -1, -1)), None)
    return left, next(filter(excludes_zero, range(turn + 1, len(mean_F))), None)


def _back(axis: Axis, place: float) -> float:
    """Return the axis' value at a place on its scale."""
    return float(10**place if axis.logarithmic else place)


def crossing_text(crossing: Crossing, axis: Axis, *, names: Mapping[str, str], better: str | None) -> str:
    """Return a sentence on where two nets cross, without its full stop. `names`: the nets in words, by experiment."""
    first, second = names[crossing.first], names[crossing.second]
    others = settings_text(crossing.others)
    where = f" with {others}" if others else ""
    if not crossing.at:
        return f"{first} and {second} do not cross{where} in the range of {axis.label}"
    if len(crossing.at) > 1:
        return f"{first} and {second} cross{where} {len(crossing.at)} times: no single {axis.label} parts them"
    ahead, behind = (first, second) if (crossing.first_below > 0) == (better != "min") else (second, first)
    sides = f"below it {ahead} is ahead, above it {behind}"
    at = f"{first} and {second} cross{where} at {axis.label} {_text(crossing.at[0], axis)}"
    if math.isnan(crossing.low):
        return f"{at} by one seed; {sides}"
    if math.isinf(crossing.low) or math.isinf(crossing.high):
        return f"{at} by their means, but the {LEVEL:.0%} interval leaves the range: it is not shown that they cross"
    bounds = f"{_text(crossing.low, axis)} to {_text(crossing.high, axis)}"
    return f"{at} ({LEVEL:.0%} interval {bounds}, which covers {crossing.covers}); {sides}"


def _text(value: float, axis: Axis) -> str:
    """Return a value of the axis with three digits, as a share where its values are shares."""
    return f"{value:.3g}" + ("%" if all(text.endswith("%") for text in axis.values) else "")


def axis_entry(axis: Axis, metric: str) -> dict[str, Any]:
    """Return an axis' entry in statistics.json: each line's means with their intervals, and the crossings."""
    lines = [
        {
            "experiment": line.experiment,
            "others": dict(line.others),
            "points": [_point(value, runs, metric) for value, runs in line.points.items()],
        }
        for line in axis.lines
    ]
    found = [{key: known(value) for key, value in asdict(crossing).items()} for crossing in crossings(axis, metric)]
    return {"key": axis.key, "values": list(axis.values), "lines": lines, "crossings": found}


def _point(value: str, runs: ExperimentRuns, metric: str) -> dict[str, Any]:
    """Return one value of the axis with the mean over seeds and its interval."""
    measured = runs.values(metric)
    if not measured:
        return {"value": value, "count": 0}
    scores_SN = stacked(runs.scores(metric.removeprefix("test/")), list(measured))
    about = asdict(estimate(list(measured.values()), scores_SN=scores_SN))
    return {"value": value, **{key: known(number) for key, number in about.items()}}
