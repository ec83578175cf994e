"""The search space, from Hydra's override grammar: what is swept, over what, and what stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import CompactHydraException

Value = str | int | float  # a text stands for itself, as the override's right side
Point = dict[str, Value]  # the values of a trial, by key
PROBES = 64
SLASH = "∕"  # stands for the / in the key of a config group, at which Tune would part it
Conditions = tuple[tuple[str, str], ...]


class Refused(CompactHydraException):
    """What was asked for cannot be swept: one or two lines, for a person."""


@dataclass(frozen=True)
class Parameter:
    """One swept override.

    Attributes:
        key: the left side, `optimizer.lr`, `net` or `+extra`.
        text: the right side as it was written.
        values: what it may be, in order; None for an interval.
        low, high: the ends of an interval, or of a range of whole numbers without gaps.
        log: whether to draw on a logarithmic scale. whole: whether to draw whole numbers.
        when: it exists only where each of these keys has that value.
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
    def some(self) -> tuple[Value, ...]:
        """All values of a list, both ends of an interval or of whole numbers."""
        return self.values if self.values is not None and not self.whole else (self.low, self.high)

    def valued(self, text: str) -> Value | None:
        """The value that is written as `text`; None where it can be none such."""
        if self.values is not None:
            return next((value for value in self.values if str(value) == text), None)
        if self.whole and text.removeprefix("-").isdigit() and self.low <= int(text) <= self.high:
            return int(text)
        return None

    @property
    def could_be(self) -> str:
        return ", ".join(map(str, self.values)) if self.values is not None else self.text


@dataclass(frozen=True)
class Constant:
    """An override that is the same for all trials: its key, its value and the whole of it."""

    key: str
    value: str
    line: str


@dataclass(frozen=True)
class Space:
    """Swept and constant overrides in the order in which they were given, which is the order of each job's."""

    items: tuple[Parameter | Constant, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(item for item in self.items if isinstance(item, Parameter))

    @property
    def constants(self) -> dict[str, str]:
        return {item.key: item.value for item in self.items if isinstance(item, Constant)}

    @property
    def finite(self) -> bool:
        return all(parameter.values is not None for parameter in self.parameters)

    def active(self, parameter: Parameter, values: Mapping[str, Value]) -> bool:
        """Whether `parameter` exists where the others have these values; it does not where a condition's does not."""
        for key, wanted in parameter.when:
            other = next((one for one in self.parameters if one.key == key), None)
            found = self.constants.get(key) if other is None else values.get(key)
            if other is not None and not self.active(other, values):
                return False
            if str(found) != wanted:
                return False
        return True

    def point(self, values: Mapping[str, Value]) -> Point:
        """Those of `values` that exist together, in order."""
        return {one.key: values[one.key] for one in self.parameters if self.active(one, values)}

    def overrides(self, point: Point) -> list[str]:
        """The command line of a trial."""
        lines = []
        for item in self.items:
            if isinstance(item, Constant):
                lines.append(item.line)
            elif item.key in point:
                lines.append(f"{item.key}={point[item.key]}")
        return lines

    def grid(self) -> list[Point]:
        """Every point of a finite space, the last parameter changing fastest."""
        points: list[Point] = []
        seen = set()
        for values in itertools.product(*(parameter.values or () for parameter in self.parameters)):
            point = self.point(dict(zip((one.key for one in self.parameters), values, strict=True)))
            if tuple(point.items()) not in seen:  # where a condition fails, the others differ in nothing
                seen.add(tuple(point.items()))
                points.append(point)
        return points

    def probes(self) -> list[tuple[Point, Point]]:
        """Points to be composed before the start, in which values and ends of intervals occur, up to `PROBES`: each
        beside the others' first values, and beside their last."""
        turns = itertools.zip_longest(*([(one, value) for value in one.some] for one in self.parameters))
        chosen = [pair for turn in turns for pair in turn if pair is not None]  # of each some, where all are too many
        pairs = [(self.beside(one, value, 0), self.beside(one, value, -1)) for one, value in chosen] or [({}, {})]
        return [pair for i, pair in enumerate(pairs) if pair not in pairs[:i]][:PROBES]

    def beside(self, parameter: Parameter, value: Value, end: int) -> Point:
        """The point at which `parameter` has that value and the others their first (`end` 0) or last (-1), but for what
        its conditions ask."""
        others = {one.key: one.some[end] for one in self.parameters}
        return self.point({**others, **self._conditions(parameter), parameter.key: value})

    def _conditions(self, parameter: Parameter) -> dict[str, Value]:
        wanted: dict[str, Value] = {}
        for key, text in parameter.when:
            for other in self.parameters:
                if other.key == key:
                    wanted |= self._conditions(other)
                    wanted[key] = other.valued(text)  # type: ignore[assignment]
        return wanted

    def described(self) -> dict[str, str]:
        """The space as text, to be compared with another day's."""
        described = {}
        for one in self.parameters:
            where = " where " + ", ".join("=".join(condition) for condition in one.when) if one.when else ""
            described[one.key + where] = one.text
        return described


def parse(
    arguments: Sequence[str],
    *,
    params: Mapping[str, Any],
    when: Mapping[str, Mapping[str, Any]],
    config_loader: Any,
) -> Space:
    """The space of `hydra.sweeper.params`, then the command line's, later ones in place of earlier ones, then the
    conditional ones.

    Raises `Refused`, naming the override, for what Ray Tune cannot draw.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    given = lines(params) + list(arguments)
    items: dict[str, Parameter | Constant] = {}
    for one in parser.parse_overrides(given):
        items[_bare(one.get_key_element())] = _item(one, ())
    for condition, more in when.items():
        conditions = _conditions(condition, items)
        if not isinstance(more, Mapping):
            raise Refused(f"hydra.sweeper.when: {condition}: given {more!r}, needs a mapping of parameters to values")
        for one in parser.parse_overrides(lines(more)):
            key = one.get_key_element()
            if _bare(key) in items:
                raise Refused(
                    f"hydra.sweeper.when: {condition}: {key} is given elsewhere too; a parameter has one range"
                )
            item = _item(one, conditions)
            if isinstance(item, Constant):
                item = Parameter(key, item.value, (item.value,), when=conditions)
            items[_bare(key)] = item
    return Space(tuple(items.values()))


def lines(params: Mapping[str, Any]) -> list[str]:
    """Overrides out of a file, as a person would type them."""
    words = {None: "null", True: "true", False: "false"}
    return [
        f"{key}={words[value] if value is None or isinstance(value, bool) else value}" for key, value in params.items()
    ]


def _conditions(text: str, items: Mapping[str, Parameter | Constant]) -> Conditions:
    conditions = []
    for part in text.split(","):
        key, sign, value = (word.strip() for word in part.partition("="))
        item = items.get(_bare(key))
        if not sign or item is None:
            swept = ", ".join(items) or "nothing"
            raise Refused(f"hydra.sweeper.when: {text}: needs key=value with a key that is given; there are {swept}")
        never = item.valued(value) is None if isinstance(item, Parameter) else item.value != value
        if never:
            known = item.could_be if isinstance(item, Parameter) else item.value
            raise Refused(f"hydra.sweeper.when: {text}: {key} is never {value}, only {known}")
        conditions.append((item.key, value))
    return tuple(conditions)


def _bare(key: str) -> str:
    """`++key` and `key` name the same."""
    return key.lstrip("+")


def _item(one: Override, when: Conditions) -> Parameter | Constant:
    key, line = one.get_key_element(), str(one.input_line)
    if not one.is_sweep_override():
        return Constant(_bare(key), one.get_value_element_as_str(), line)
    sweep, text = one.value(), line.partition("=")[2]
    tags = set(getattr(sweep, "tags", ()))
    unknown = tags - {"log"}
    if unknown:
        raise Refused(f"{line}: tag {sorted(unknown)[0]!r} means nothing here; there is log, as tag(log, interval(…))")
    if isinstance(sweep, IntervalSweep):
        return _interval(key, text, line, sweep, log="log" in tags, when=when)
    values = tuple(one.sweep_string_iterator())
    if not values:
        raise Refused(f"{line}: there is nothing to choose from")
    if "log" in tags and not isinstance(sweep, RangeSweep):
        raise Refused(f"{line}: tag(log, …) is for an interval, this is a list")
    if len(values) == 1 and not when:
        return Constant(_bare(key), values[0], f"{key}={values[0]}")
    if isinstance(sweep, RangeSweep) and not sweep.shuffle and _gapless(sweep):
        whole = tuple(int(value) for value in values)
        if "log" in tags and whole[0] < 1:
            raise Refused(f"{line}: a logarithmic range must be above 0")
        return Parameter(key, text, whole, low=whole[0], high=whole[-1], log="log" in tags, whole=True, when=when)
    return Parameter(key, text, values, when=when)


def _gapless(sweep: RangeSweep) -> bool:
    return isinstance(sweep.start, int) and isinstance(sweep.stop, int) and sweep.step == 1


def _interval(key: str, text: str, line: str, sweep: IntervalSweep, *, log: bool, when: Conditions) -> Parameter:
    low, high = sweep.start, sweep.end
    if low is None or high is None or not low < high:
        raise Refused(f"{line}: an interval needs its lower end first, given {low} and {high}")
    if log and low <= 0:
        raise Refused(f"{line}: a logarithmic interval must be above 0, given {low}")
    whole = isinstance(low, int) and isinstance(high, int)
    return Parameter(key, text, None, low=low, high=high, log=log, whole=whole, when=when)
