"""Compare nets along a table's axes: the settings that it varies, all else equal.

A run of such a table has a `point` in its record: its `experiment` without the axes, and the `axes`' values by key.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from quartet.report.run import FAMILY_NAMES, ExperimentRuns

WIDE = 10  # ratio of the highest to the lowest value from which an axis is logarithmic


@dataclass(frozen=True)
class Line:
    """One net along an axis: its runs by the axis' value, in the axis' order. `others` are the other axes' values."""

    experiment: str
    others: Mapping[str, Any]
    points: Mapping[str, ExperimentRuns]


@dataclass(frozen=True)
class Axis:
    """One setting that the table varies: its key, its values as text in the table's order, and the nets' lines."""

    key: str
    values: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def label(self) -> str:
        """The last part of the key, as a person reads it."""
        return self.key.rpartition(".")[2].replace("_", " ")

    @property
    def positions(self) -> dict[str, float]:
        """The place of each value on a linear or a logarithmic scale; their order where one of them is no number."""
        numbers = [number(value) for value in self.values]
        if any(math.isnan(value) for value in numbers):
            return {value: float(i) for i, value in enumerate(self.values)}
        places = [math.log10(value) for value in numbers] if self.logarithmic else numbers
        return dict(zip(self.values, places, strict=True))

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers or shares."""
        return not any(math.isnan(number(value)) for value in self.values)

    @property
    def logarithmic(self) -> bool:
        """Whether the values are positive numbers over a decade or more."""
        numbers = [number(value) for value in self.values]
        return self.numeric and min(numbers) > 0 and max(numbers) >= WIDE * min(numbers)


def number(value: str) -> float:
    """Return the number that a value's text stands for, a share such as 30% in per cent; nan for any other text."""
    plain = re.fullmatch(r"(-?[\d.]+(?:e[+-]?\d+)?)%?", value)
    try:
        return float(plain[1]) if plain else math.nan
    except ValueError:
        return math.nan


def point_of(experiment: ExperimentRuns) -> tuple[str, dict[str, str]] | None:
    """Return the experiment without its axes, and the values of these as text; None for runs of no such table."""
    point = experiment["point"]
    if not point or not point["axes"]:
        return None
    values = {key: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for key, v in point["axes"].items()}
    return str(point["experiment"]), values


def axes(experiments: Sequence[ExperimentRuns]) -> list[Axis]:
    """Return the axes along which the experiments of one comparison differ."""
    placed = {str(e.name): point for e in experiments if (point := point_of(e))}
    found: dict[str, dict[str, None]] = {}
    for _, values in placed.values():
        for key, value in values.items():
            found.setdefault(key, {})[value] = None
    return [
        Axis(key, tuple(_in_order(values)), tuple(_lines(experiments, placed, key, _in_order(values))))
        for key, values in found.items()
        if len(values) > 1
    ]


def _in_order(values: Sequence[str] | Mapping[str, None]) -> list[str]:
    """Return values in the order of their numbers, or as the table lists them where one is no number."""
    numbers = {value: number(value) for value in values}
    return list(values) if any(map(math.isnan, numbers.values())) else sorted(values, key=numbers.__getitem__)


def _lines(
    experiments: Sequence[ExperimentRuns],
    placed: Mapping[str, tuple[str, dict[str, str]]],
    key: str,
    order: Sequence[str],
) -> list[Line]:
    """Return a line for each net and each combination of the other axes' values."""
    lines: dict[tuple[str, str], Line] = {}
    for experiment in experiments:
        base, values = placed.get(str(experiment.name), ("", {}))
        if key in values:
            others = {name: value for name, value in values.items() if name != key}
            line = lines.setdefault((base, json.dumps(others)), Line(base, others, {}))
            lines[base, json.dumps(others)] = Line(base, others, {**line.points, values[key]: experiment})
    return [
        Line(line.experiment, line.others, {value: line.points[value] for value in order if value in line.points})
        for line in lines.values()
    ]


def axis_pairs(experiments: Sequence[ExperimentRuns]) -> list[tuple[str, str]] | None:
    """Return the pairs to compare where a table has axes, None where it has none.

    They are two nets with the same values, and neighbouring values of one axis with all else equal. All other pairs
    differ in several things at once, and would only weaken the correction.
    """
    placed = {str(e.name): found for e in experiments if (found := point_of(e))}
    varied = axes(experiments)
    if not varied:
        return None
    nets = [(a, b) for a, b in combinations(placed, 2) if placed[a][1] == placed[b][1]]
    along = []
    for axis in varied:
        for line in axis.lines:
            names = [str(experiment.name) for experiment in line.points.values()]
            along += list(pairwise(names))
    return nets + along


def net_names(experiments: Sequence[ExperimentRuns]) -> dict[str, str]:
    """Return the nets in words, by experiment without its axes: their families where these are unique, else names."""
    families = {found[0]: FAMILY_NAMES.get(e.family) for e in experiments if (found := point_of(e))}
    distinct = None not in families.values() and len(set(families.values())) == len(families)
    return {name: f"the {family}" if distinct else name for name, family in families.items()}


def point_names(experiments: Sequence[ExperimentRuns]) -> dict[str, str]:
    """Return the points of a table with axes in words, as `the CNN with pool=stride`; {} for a table without."""
    varied = {axis.key for axis in axes(experiments)}
    if not varied:
        return {}
    nets, names = net_names(experiments), {}
    for experiment in experiments:
        base, values = point_of(experiment) or ("", {})
        settings = settings_text({key: value for key, value in values.items() if key in varied})
        names[str(experiment.name)] = f"{nets[base]} with {settings}" if settings else str(experiment.name)
    return names


def settings_text(values: Mapping[str, str]) -> str:
    """Return values of axes in words, by the last parts of their keys: `pool=stride, lr=0.01`."""
    return ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in values.items())
