"""Parse the search space from Hydra's override grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from hydra_plugins.quartet_ray_sweeper._space import Conditions, Constant, Parameter, Space, SweeperError


def parse(
    arguments: Sequence[str],
    *,
    params: Mapping[str, Any],
    when: Mapping[str, Mapping[str, Any]],
    config_loader: Any,
) -> Space:
    """Return the space of `hydra.sweeper.params`, then of the command line, then of the conditional parameters.

    A later override replaces an earlier one of the same key. Raises `SweeperError`, naming the override, for what Ray
    Tune cannot draw.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    items: dict[str, Parameter | Constant] = {}
    for override in parser.parse_overrides(override_lines(params) + list(arguments)):
        items[_bare(override.get_key_element())] = _item(override, ())
    for condition, more in when.items():
        conditions = _conditions(condition, items, config_loader)
        if not isinstance(more, Mapping):
            raise SweeperError(
                f"hydra.sweeper.when: {condition}: given {more!r}, needs a mapping of parameters to values"
            )
        for override in parser.parse_overrides(override_lines(more)) if conditions else []:
            key = override.get_key_element()
            if _bare(key) in items:
                raise SweeperError(
                    f"hydra.sweeper.when: {condition}: {key} is given elsewhere too; a parameter has one range"
                )
            item = _item(override, conditions)
            if isinstance(item, Constant):
                item = Parameter(key, item.value, (item.value,), when=conditions)
            items[_bare(key)] = item
    return Space(tuple(items.values()))


def override_lines(params: Mapping[str, Any]) -> list[str]:
    """Return the values of a file as overrides, written as a person types them."""
    words = {None: "null", True: "true", False: "false"}
    return [
        f"{key}={words[value] if value is None or isinstance(value, bool) else value}" for key, value in params.items()
    ]


def _conditions(text: str, items: Mapping[str, Parameter | Constant], loader: Any) -> Conditions:
    """Parse `key=value,key=value`; empty where another option of a group was chosen for all trials.

    Raise `SweeperError` for an unknown key or an impossible value.
    """
    conditions = []
    for part in text.split(","):
        key, sign, value = (word.strip() for word in part.partition("="))
        item = items.get(_bare(key))
        if not sign or item is None:
            known = ", ".join(items) or "nothing"
            raise SweeperError(
                f"hydra.sweeper.when: {text}: needs key=value with a key that is given; there are {known}"
            )
        never = item.parse_value(value) is None if isinstance(item, Parameter) else item.value != value
        if never and isinstance(item, Constant) and loader and value in loader.get_group_options(item.key):
            return ()
        if never:
            known = item.allowed_values if isinstance(item, Parameter) else item.value
            raise SweeperError(f"hydra.sweeper.when: {text}: {key} is never {value}, only {known}")
        conditions.append((item.key, value))
    return tuple(conditions)


def _bare(key: str) -> str:
    """Return the key without `+` or `++`: `++key` and `key` name the same."""
    return key.lstrip("+")


def _item(override: Override, when: Conditions) -> Parameter | Constant:
    """Return an override as a parameter or a constant. Raise `SweeperError` for what Ray Tune cannot draw."""
    key, line = override.get_key_element(), str(override.input_line)
    if not override.is_sweep_override():
        return Constant(_bare(key), override.get_value_element_as_str(), line)
    sweep, text = override.value(), line.partition("=")[2]
    tags = set(getattr(sweep, "tags", ()))
    unknown = tags - {"log"}
    if unknown:
        raise SweeperError(
            f"{line}: tag {sorted(unknown)[0]!r} means nothing here; there is log, as tag(log, interval(…))"
        )
    if isinstance(sweep, IntervalSweep):
        return _interval(key, text, line, sweep, log="log" in tags, when=when)
    values = tuple(override.sweep_string_iterator())
    if not values:
        raise SweeperError(f"{line}: there is nothing to choose from")
    if "log" in tags and not isinstance(sweep, RangeSweep):
        raise SweeperError(f"{line}: tag(log, …) is for an interval, this is a list")
    if len(values) == 1 and not when:
        return Constant(_bare(key), values[0], f"{key}={values[0]}")
    if isinstance(sweep, RangeSweep) and not sweep.shuffle and _gapless(sweep):
        whole = tuple(int(value) for value in values)
        if "log" in tags and whole[0] < 1:
            raise SweeperError(f"{line}: a logarithmic range must be above 0")
        return Parameter(key, text, whole, low=whole[0], high=whole[-1], log="log" in tags, whole=True, when=when)
    return Parameter(key, text, values, when=when)


def _gapless(sweep: RangeSweep) -> bool:
    """Return whether a range holds all whole numbers between its ends."""
    return isinstance(sweep.start, int) and isinstance(sweep.stop, int) and sweep.step == 1


def _interval(key: str, text: str, line: str, sweep: IntervalSweep, *, log: bool, when: Conditions) -> Parameter:
    """Return an interval as a parameter."""
    low, high = sweep.start, sweep.end
    if low is None or high is None or not low < high:
        raise SweeperError(f"{line}: an interval needs its lower end first, given {low} and {high}")
    if log and low <= 0:
        raise SweeperError(f"{line}: a logarithmic interval must be above 0, given {low}")
    whole = isinstance(low, int) and isinstance(high, int)
    return Parameter(key, text, None, low=low, high=high, log=log, whole=whole, when=when)
