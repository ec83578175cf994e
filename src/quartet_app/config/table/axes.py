"""Vary settings in a table: each experiment becomes a point for each combination of values of the table's axes."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.overrides import as_value
from quartet_app.config.resolved import Config

# Between an experiment and its settings in a point's name: no experiment's name has it, paths and overrides may.
SEPARATOR = "+"
MISSING = object()


@dataclass(frozen=True)
class Point:
    """One experiment of a table with one value of each axis.

    `values` holds them by key. `name` is that of its results: the experiment's own name where all values are those that
    the experiment has anyway, so that tables share the run.
    """

    name: str
    experiment: str
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def overrides(self) -> list[str]:
        """The values as Hydra overrides."""
        return [f"{key}={as_value(value)}" for key, value in self.values.items()]


def read_axes(found: Any, where: str) -> dict[str, list[Any]]:
    """Return the axes of a table, lists of values by key; QuartetError names what is none. `where` begins a message."""
    if not isinstance(found, dict):
        raise QuartetError(f"{where}: axes: given {found!r}, needs a mapping, as {{net.pool: [average, stride]}}")
    axes = {}
    for key, values in found.items():
        if not isinstance(values, list) or len(values) < 2 or len({json.dumps(v) for v in values}) < len(values):
            raise QuartetError(f"{where}: axes.{key}: given {values!r}, needs a list of two or more different values")
        if key in ("experiment", "seed"):
            raise QuartetError(f"{where}: axes.{key}: a table has {key}s of its own; list them as {key}s")
        axes[str(key)] = values
    return axes


def read_unless(found: Any, axes: Mapping[str, Any], where: str) -> list[dict[str, list[Any]]]:
    """Return the rules that leave points out: a point to which all conditions of one rule apply is no run.

    A rule maps axes or `experiment` to one value or a list; experiments may have wildcards, as `*_cnn`.
    """
    rules = found if isinstance(found, list) else [found]
    able = ["experiment", *axes]
    for rule in rules:
        if not isinstance(rule, dict) or not rule or set(rule) - set(able):
            raise QuartetError(
                f"{where}: unless: given {rule!r}, needs mappings of {', '.join(able)} to values, "
                "as [{experiment: '*_cnn', net.position: [learned, rotary]}]"
            )
    return [{key: value if isinstance(value, list) else [value] for key, value in rule.items()} for rule in rules]


def table_points(
    experiments: Mapping[str, Config], axes: Mapping[str, list[Any]], unless: Sequence[Mapping[str, list[Any]]]
) -> list[Point]:
    """Return the points of a table in order: experiment by experiment, the last axis fastest.

    Args:
        experiments: the experiments' configurations without the axes; they decide which values a name leaves out.
    Raises QuartetError where two points would share a name.
    """
    points: dict[str, Point] = {}
    labels = _labels(list(axes))
    for experiment, config in experiments.items():
        for combination in itertools.product(*axes.values()):
            values = dict(zip(axes, combination, strict=True))
            if any(_applies(rule, experiment, values) for rule in unless):
                continue
            parts = [
                f"{labels[key]}-{plain(value)}" for key, value in values.items() if not same(value, lookup(config, key))
            ]
            point = Point(SEPARATOR.join([experiment, *parts]), experiment, values)
            other = points.setdefault(point.name, point)
            if other is not point:
                raise QuartetError(
                    f"axes: {other.overrides} and {point.overrides} of {experiment} have one name, {point.name}; "
                    "leave one of them out"
                )
    return list(points.values())


def lookup(config: Config, key: str) -> Any:
    """Return the value of a dotted key; MISSING where there is none, and for a group, which is a mapping."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part, MISSING) if isinstance(node, Mapping) else MISSING
    return MISSING if isinstance(node, Mapping) else node


def same(value: Any, other: Any) -> bool:
    """Tell whether two values are equal and of one type: 1 and True, or 0.5 and "0.5", are not the same."""
    return type(value) is type(other) and bool(value == other)


def plain(value: Any) -> str:
    """Return a value as part of a file's name: `10%` as 10pc, a list with its values joined by `_`."""
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9.]+", "_", text.replace("%", "pc")).strip("_.") or "none"


def _applies(rule: Mapping[str, list[Any]], experiment: str, values: Mapping[str, Any]) -> bool:
    """Tell whether all conditions of a rule hold for a point."""
    return all(
        any(fnmatchcase(experiment, str(pattern)) for pattern in wanted)
        if key == "experiment"
        else values[key] in wanted
        for key, wanted in rule.items()
    )


def _labels(keys: Sequence[str]) -> dict[str, str]:
    """Return a short name for each key: its last part, or the whole key where two end alike."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else plain(key) for key, end in zip(keys, ends, strict=True)}


def typed_axes(words: Sequence[str]) -> dict[str, list[Any]]:
    """Return the axes that a command line gives as KEY=VALUE,VALUE; commas in brackets and quotes separate nothing.

    Raises QuartetError for a word of another form.
    """
    axes: dict[str, list[Any]] = {}
    for word in words:
        key, _, values = word.partition("=")
        parsed = _choices(word)
        if not key or not values or len(parsed) < 2:
            raise QuartetError(
                f"--axis {word}: needs KEY=VALUE,VALUE with two or more values, as net.pool=average,stride"
            )
        axes[key] = parsed
    return axes


def _choices(word: str) -> list[Any]:
    """Return the values of a choice in Hydra's grammar, as `lr=0.1,0.2`; none for anything else."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, QuotedString
    from hydra.errors import HydraException

    try:
        choice = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return []
    if not isinstance(choice, ChoiceSweep):
        return []
    return [value.text if isinstance(value, QuotedString) else value for value in choice.list]
