"""Find where two nets cross along an axis, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

from quartet.report.comparing.axes import Axis, Line, settings_text
from quartet.report.comparing.statistics import LEVEL, estimate, known

STEPS = 400  # between two neighbouring values, where a crossing is looked for


@dataclass(frozen=True)
class Crossing:
    """Where two nets cross along an axis, `others` being the other axes' values.

    Attributes:
        at: the axis' values where the mean difference changes its sign; empty without any.
        low, high: the interval of the crossing; nan without one, infinite where the axis' range does not bound it.
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


def crossings(axis: Axis, metric: str) -> list[Crossing]:
    """Return where each two nets cross along an axis of numbers, at the same values of the other axes.

    The differences are paired by seed and linear between two neighbouring values. The interval holds the values at
    which the t interval of the difference covers zero, around the sign's change: the confidence set that the test's
    inversion gives.
    """
    if not axis.numeric:
        return []
    pairs = [(a, b) for a, b in combinations(axis.lines, 2) if a.others == b.others and a.experiment != b.experiment]
    return [crossing for a, b in pairs if (crossing := _crossing(axis, a, b, metric))]


def _crossing(axis: Axis, first: Line, second: Line, metric: str) -> Crossing | None:
    """Return the crossing of two lines; None where they have fewer than two values or no seed in common."""
    import numpy as np

    measured = [
        (axis.positions[value], first.points[value].values(metric), second.points[value].values(metric))
        for value in axis.values
        if value in first.points and value in second.points
    ]
    seeds = sorted(set.intersection(*({*a} & {*b} for _, a, b in measured))) if measured else []
    if len(measured) < 2 or not seeds:
        return None
    places = [place for place, _, _ in measured]
    d = np.array([[a[seed] - b[seed] for _, a, b in measured] for seed in seeds])
    fine = np.unique(np.concatenate([np.linspace(*ends, STEPS) for ends in pairwise(places)]))
    between = np.array([np.interp(fine, places, row) for row in d])
    mean = between.mean(0)
    turns = np.flatnonzero(np.sign(mean[:-1]) * np.sign(mean[1:]) < 0)
    at = tuple(_back(axis, (fine[i] + fine[i + 1]) / 2) for i in turns)
    low, high = _interval(axis, fine, between, turns) if len(turns) == 1 and len(seeds) > 1 else (math.nan, math.nan)
    return Crossing(first.experiment, second.experiment, first.others, at, low, high, float(mean[0]), float(mean[-1]))


def _interval(axis: Axis, fine: Any, between: Any, turns: Any) -> tuple[float, float]:
    """Return the values around the one turn at which the difference's interval covers zero."""

    def excludes_zero(i: int) -> bool:
        about = estimate(list(between[:, i]))
        return not about.low <= 0 <= about.high

    left = next(filter(excludes_zero, range(int(turns[0]), -1, -1)), None)
    right = next(filter(excludes_zero, range(int(turns[0]) + 1, len(fine))), None)
    low = -math.inf if left is None else _back(axis, fine[left])
    return low, math.inf if right is None else _back(axis, fine[right])


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
    return f"{at} ({LEVEL:.0%} interval {bounds}); {sides}"


def _text(value: float, axis: Axis) -> str:
    """Return a value of the axis with three digits, as a share where its values are shares."""
    return f"{value:.3g}" + ("%" if all(text.endswith("%") for text in axis.values) else "")


def axis_entry(axis: Axis, metric: str) -> dict[str, Any]:
    """Return an axis' entry in statistics.json: each line's means with their intervals, and the crossings."""
    lines = [
        {
            "experiment": line.experiment,
            "others": dict(line.others),
            "points": [_point(value, list(runs.values(metric).values())) for value, runs in line.points.items()],
        }
        for line in axis.lines
    ]
    found = [{key: known(value) for key, value in asdict(crossing).items()} for crossing in crossings(axis, metric)]
    return {"key": axis.key, "values": list(axis.values), "lines": lines, "crossings": found}


def _point(value: str, measured: list[float]) -> dict[str, Any]:
    """Return one value of the axis with the mean over seeds and its interval."""
    about = asdict(estimate(measured)) if measured else {"count": 0}
    return {"value": value, **{key: known(number) for key, number in about.items()}}
