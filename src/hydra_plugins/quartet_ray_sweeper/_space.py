"""The search space: swept parameters with their values and conditions, and constant overrides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from hydra.errors import CompactHydraException

Value = str | int | float  # a str holds the right side of an override as typed
Point = dict[str, Value]  # the values of a trial, by key
MAX_PROBES = 64
SLASH = "∕"  # replaces the / in the key of a config group, since Tune splits keys at /
Conditions = tuple[tuple[str, str], ...]


class SweeperError(CompactHydraException):
    """Refusal of a sweep, in one or two lines for a person."""


@dataclass(frozen=True)
class Parameter:
    """One swept override.

    Attributes:
        key: the left side, `optimizer.lr`, `net` or `+extra`.
        text: the right side as typed.
        values: all possible values, in order; None for an interval.
        low, high: the ends of an interval, or of a range of whole numbers without gaps.
        log: whether to draw on a logarithmic scale. whole: whether to draw whole numbers.
        when: the parameter exists only where each of these keys has the given value.
    """

    key: str
    text: str
    values: tuple[Value, ...] | None
    low: float = 0
    high: float = 0
    log: bool = False
    whole: bool = False
    when: Conditions = ()

    @property
    def name(self) -> str:
        """The key as Tune takes it."""
        return self.key.replace("/", SLASH)

    @property
    def probe_values(self) -> tuple[Value, ...]:
        """All values of a list, or both ends of an interval or of whole numbers."""
        return self.values if self.values is not None and not self.whole else (self.low, self.high)

    def parse_value(self, text: str) -> Value | None:
        """Return the possible value that `text` denotes; None where there is no such value."""
        if self.values is not None:
            return next((value for value in self.values if str(value) == text), None)
        if self.whole and text.removeprefix("-").isdigit() and self.low <= int(text) <= self.high:
            return int(text)
        return None

    def holds(self, value: object) -> bool:
        """Return whether a trial can have this value."""
        if self.values is not None:
            return any(type(value) is type(known) and value == known for known in self.values)
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        slack = 1e-9 * max(abs(self.low), abs(self.high))  # of logarithms
        return self.low - slack <= value <= self.high + slack

    @property
    def allowed_values(self) -> str:
        """The possible values, for a message."""
        return ", ".join(map(str, self.values)) if self.values is not None else self.text


@dataclass(frozen=True)
class Constant:
    """An override that all trials share: its key, its value and the whole line."""

    key: str
    value: str
    line: str


@dataclass(frozen=True)
class Space:
    """Swept and constant overrides, in the order of the command line and of each job's overrides."""

    items: tuple[Parameter | Constant, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(item for item in self.items if isinstance(item, Parameter))

    @property
    def constants(self) -> dict[str, str]:
        return {item.key: item.value for item in self.items if isinstance(item, Constant)}

    @property
    def finite(self) -> bool:
        """Whether every parameter has a list of values."""
        return all(parameter.values is not None for parameter in self.parameters)

    def active(self, parameter: Parameter, values: Mapping[str, Value]) -> bool:
        """Return whether all conditions of `parameter` hold, and those of the keys in these conditions."""
        for key, wanted in parameter.when:
            other = next((parameter for parameter in self.parameters if parameter.key == key), None)
            found = self.constants.get(key) if other is None else values.get(key)
            if other is not None and not self.active(other, values):
                return False
            if str(found) != wanted:
                return False
        return True

    def point(self, values: Mapping[str, Value]) -> Point:
        """Return `values` without inactive parameters, in order."""
        return {parameter.key: values[parameter.key] for parameter in self.parameters if self.active(parameter, values)}

    def holds(self, values: Mapping[str, object]) -> bool:
        """Return whether a trial can have these values: those of the active parameters, each within its range."""
        known = {parameter.key: parameter for parameter in self.parameters}
        if not all(key in known and known[key].holds(value) for key, value in values.items()):
            return False
        return {key for key, parameter in known.items() if self.active(parameter, values)} == set(values)  # type: ignore[arg-type]

    def overrides(self, point: Point) -> list[str]:
        """Return the command line of a trial."""
        lines = []
        for item in self.items:
            if isinstance(item, Constant):
                lines.append(item.line)
            elif item.key in point:
                lines.append(f"{item.key}={point[item.key]}")
        return lines

    def grid(self) -> list[Point]:
        """Return every point of a finite space; the last parameter changes fastest."""
        points: list[Point] = []
        seen = set()
        keys = [parameter.key for parameter in self.parameters]
        for values in itertools.product(*(parameter.values or () for parameter in self.parameters)):
            point = self.point(dict(zip(keys, values, strict=True)))
            if tuple(point.items()) not in seen:  # without an inactive parameter, several products are equal
                seen.add(tuple(point.items()))
                points.append(point)
        return points

    def probes(self) -> list[tuple[Point, Point]]:
        """Return pairs of points to compose before the sweep starts, at most `MAX_PROBES`.

        Each value, or end of an interval, has one pair: the other parameters take their first values, then their last.
        """
        turns = itertools.zip_longest(
            *([(parameter, value) for value in parameter.probe_values] for parameter in self.parameters)
        )
        # Parameters take turns, so that each has some probes where MAX_PROBES cuts the list.
        chosen = [pair for turn in turns for pair in turn if pair is not None]
        pairs = [(self.probe(parameter, value, 0), self.probe(parameter, value, -1)) for parameter, value in chosen]
        pairs = pairs or [({}, {})]
        return [pair for i, pair in enumerate(pairs) if pair not in pairs[:i]][:MAX_PROBES]

    def probe(self, parameter: Parameter, value: Value, end: int) -> Point:
        """Return the point where `parameter` has `value`, its conditions hold, and the other parameters take their
        first (`end` 0) or last (-1) value."""
        others = {other.key: other.probe_values[end] for other in self.parameters}
        return self.point({**others, **self._conditions(parameter), parameter.key: value})

    def _conditions(self, parameter: Parameter) -> dict[str, Value]:
        """Return values for which all conditions of `parameter` hold."""
        wanted: dict[str, Value] = {}
        for key, text in parameter.when:
            for other in self.parameters:
                if other.key == key:
                    wanted |= self._conditions(other)
                    wanted[key] = other.parse_value(text)  # type: ignore[assignment]
        return wanted

    def as_text(self) -> dict[str, str]:
        """Return each parameter's range as text, to compare two sweeps."""
        ranges = {}
        for parameter in self.parameters:
            conditions = ", ".join("=".join(condition) for condition in parameter.when)
            ranges[parameter.key + (f" where {conditions}" if conditions else "")] = parameter.text
        return ranges
