"""Read findings, conf/finding/<id>.yaml: a statement, the runs that it needs, a measurement, the rule of its verdict.

A table whose params.yaml lists `findings` trains what these name. Runs that several findings name are trained once.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from quartet.findings import Condition
from quartet.types import QuartetError
from quartet_app.config.options import option_file, options
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.table.axes import SEPARATOR, Point, lookup, read_axes, same, table_points
from quartet_app.near import did_you_mean

GROUP = "finding"
REQUIRED = ("statement", "runs", "measure", "rule", "headline", "against")
KEYS = (*REQUIRED, "quick", "alone")
RUN_KEYS = ("experiment", "overrides", "axes")
LONGEST = 80  # characters of a run's name that lists its settings


@dataclass(frozen=True)
class Runs:
    """The runs of one name in a finding: an experiment with `overrides` by key and, with axes, lists of values."""

    experiment: str
    overrides: Mapping[str, Any]
    axes: Mapping[str, list[Any]]

    def points(self, config: Config) -> list[Point]:
        """Return a point for each combination of the axes' values. `config` is the experiment's own."""
        fixed = {key: [value] for key, value in self.overrides.items()}
        found = table_points({self.experiment: config}, {**fixed, **self.axes}, [])
        return [point if len(point.name) <= LONGEST else shorter(point) for point in found]


@dataclass(frozen=True)
class Finding:
    """A statement that is put to the test.

    Attributes:
        id: as "C2"; the name of its file.
        statement: in words.
        runs: by the names by which the measurement knows them.
        measure: the measurement's `_target_` and settings.
        quick: settings that a quick run takes instead.
        rule: conditions on numbers, by weight.
        headline: the number that stands for the finding in a list.
        against: what speaks against the measurement.
        alone: whether it measures times, which other work on the machine would lengthen.
    """

    id: str
    statement: str
    runs: Mapping[str, Runs]
    measure: Mapping[str, Any]
    quick: Mapping[str, Any]
    rule: tuple[Condition, ...]
    headline: str
    against: str
    alone: bool = False


def shorter(point: Point) -> Point:
    """Return the point with a name that is short enough for a folder: a digest in the place of its many settings."""
    settings = hashlib.sha256(point.name.encode()).hexdigest()[:10]
    return replace(point, name=f"{point.experiment}{SEPARATOR}{settings}")


def finding_ids() -> list[str]:
    """Return the ids of all findings in conf/: C1, C2, …, then R1 …, as the article has them."""
    order = "CRTG"
    return sorted(options(GROUP), key=lambda name: (order.find(name[0]) % (len(order) + 1), name[0], len(name), name))


def read_finding(name: str) -> Finding:
    """Read conf/finding/<name>.yaml; QuartetError names the key that is wrong."""
    path = option_file(GROUP, name)
    if path is None:
        raise QuartetError(f"{name}: no such finding; {did_you_mean(name, finding_ids())}")
    found = load_config(path, interpolations=True)
    where = f"conf/{GROUP}/{name}.yaml"
    for key in found:
        _require(key in KEYS, f"{where}: {key}: no such key; {did_you_mean(key, KEYS)}")
    for key in REQUIRED:
        _require(bool(found.get(key)), f"{where}: {key}: not given")
    measure = found["measure"]
    _require(isinstance(measure, dict) and "_target_" in measure, f"{where}: measure: needs a _target_ and settings")
    _require(isinstance(found["rule"], list), f"{where}: rule: needs a list, as [{{number: gain, above: 0.1}}]")
    runs = found["runs"]
    _require(isinstance(runs, dict), f"{where}: runs: given {runs!r}, needs a mapping of names to runs")
    return Finding(
        name,
        str(found["statement"]).strip(),
        {key: _runs(value, f"{where}: runs.{key}") for key, value in runs.items()},
        measure,
        found.get("quick") or {},
        tuple(_condition(entry, where) for entry in found["rule"]),
        str(found["headline"]),
        str(found["against"]).strip(),
        bool(found.get("alone")),
    )


def finding_points(findings: Iterable[Finding], configs: Mapping[str, Config]) -> dict[str, dict[str, list[Point]]]:
    """Return the points of each finding by id and by the names of its runs. `configs`: of the experiments, by name."""
    return {
        finding.id: {name: runs.points(configs[runs.experiment]) for name, runs in finding.runs.items()}
        for finding in findings
    }


def together(found: Mapping[str, Mapping[str, list[Point]]], configs: Mapping[str, Config]) -> list[Point]:
    """Return the points of all findings in order, each once.

    QuartetError where two different points would have one name, and so one folder of results.
    """
    points: dict[str, Point] = {}
    for point in itertools.chain.from_iterable(itertools.chain(*(runs.values() for runs in found.values()))):
        other = points.setdefault(point.name, point)
        if _changes(other, configs) != _changes(point, configs):
            raise QuartetError(
                f"conf/{GROUP}: {other.overrides} and {point.overrides} of {point.experiment} have one name, "
                f"{point.name}; give one of them another experiment"
            )
    return list(points.values())


def _changes(point: Point, configs: Mapping[str, Config]) -> dict[str, Any]:
    """Return the values of a point that its experiment does not have anyway."""
    config = configs[point.experiment]
    return {key: value for key, value in point.values.items() if not same(value, lookup(config, key))}


def _runs(entry: Any, where: str) -> Runs:
    """Return the runs of one name; QuartetError where the entry is no such thing."""
    _require(isinstance(entry, dict) and "experiment" in entry, f"{where}: given {entry!r}, needs an experiment")
    for key in entry:
        _require(key in RUN_KEYS, f"{where}: {key}: no such key; {did_you_mean(key, RUN_KEYS)}")
    experiment, overrides = entry["experiment"], entry.get("overrides") or {}
    known = options("experiment")
    _require(experiment in known, f"{where}: {experiment}: no such experiment; {did_you_mean(str(experiment), known)}")
    _require(isinstance(overrides, dict), f"{where}: overrides: given {overrides!r}, needs a mapping, as {{net: rnn}}")
    return Runs(experiment, overrides, read_axes(entry.get("axes") or {}, where))


def _condition(entry: Any, where: str) -> Condition:
    """Return a condition of a rule; QuartetError where the entry is none."""
    able = {"number", "above", "below", "needed"}
    if (
        not isinstance(entry, dict)
        or "number" not in entry
        or set(entry) - able
        or not isinstance(entry.get("needed", False), bool)
    ):
        raise QuartetError(f"{where}: rule: given {entry!r}, needs {{number: NAME, above: X}} or below; needed: true")
    try:
        sides = {key: float(entry[key]) for key in ("above", "below") if key in entry}
        return Condition(str(entry["number"]), **sides, needed=entry.get("needed", False))
    except (QuartetError, TypeError, ValueError) as error:
        raise QuartetError(f"{where}: {error}") from error


def _require(holds: bool, message: str) -> None:
    """Raise QuartetError with `message` unless the condition holds."""
    if not holds:
        raise QuartetError(message)
