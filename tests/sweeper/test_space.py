"""Test the search space in Hydra's grammar: parameters, their order, conditions and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from hydra_plugins.quartet_ray_sweeper._overrides import parse
from hydra_plugins.quartet_ray_sweeper._space import SLASH, Space, SweeperError


def space(*arguments: str, params: dict[str, Any] | None = None, when: dict[str, Any] | None = None) -> Space:
    return parse(arguments, params=params or {}, when=when or {}, config_loader=None)


def test_a_grid_is_in_hydras_order() -> None:
    found = space("net=a,b", "seed=3", "lr=choice(0.1, 0.2)")
    assert [found.overrides(point) for point in found.grid()] == [
        ["net=a", "seed=3", "lr=0.1"],
        ["net=a", "seed=3", "lr=0.2"],
        ["net=b", "seed=3", "lr=0.1"],
        ["net=b", "seed=3", "lr=0.2"],
    ]


def test_the_key_of_a_group_within_a_group_is_not_split_by_tune() -> None:
    (parameter,) = space("optimizer/schedule=a,b").parameters
    assert parameter.key == "optimizer/schedule"
    assert "/" not in parameter.name
    assert parameter.name.replace(SLASH, "/") == parameter.key


def test_the_command_line_wins_over_params() -> None:
    found = space("lr=0.5", params={"lr": "choice(1, 2)", "width": "range(1, 4)"})
    assert found.constants == {"lr": "0.5"}
    assert [parameter.key for parameter in found.parameters] == ["width"]


def test_an_added_key_is_the_same_key() -> None:
    found = space("++lr=0.5", "++net=b", params={"lr": "choice(1, 2)"}, when={"net=b": {"heads": "choice(1, 2)"}})
    assert found.constants == {"lr": "0.5", "net": "b"}
    assert found.overrides(found.grid()[0]) == ["++lr=0.5", "++net=b", "heads=1"]
    found = space("+net=a,b", when={"net=b": {"heads": "choice(1, 2)"}})
    assert [found.overrides(point) for point in found.grid()] == [
        ["+net=a"],
        ["+net=b", "heads=1"],
        ["+net=b", "heads=2"],
    ]


@pytest.mark.parametrize(
    ("text", "low", "high", "log", "whole"),
    [
        ("lr=interval(0.1, 1)", 0.1, 1.0, False, False),
        ("lr=tag(log, interval(1e-4, 1e-1))", 1e-4, 1e-1, True, False),
        ("n=int(interval(1, 64))", 1, 64, False, True),
        ("n=tag(log, int(interval(1, 64)))", 1, 64, True, True),
        ("n=range(3, 9)", 3, 8, False, True),
    ],
)
def test_intervals_and_ranges_keep_their_ends(text: str, low: float, high: float, log: bool, whole: bool) -> None:
    (parameter,) = space(text).parameters
    assert (parameter.low, parameter.high, parameter.log, parameter.whole) == (low, high, log, whole)


def test_a_range_with_gaps_is_a_list() -> None:
    (parameter,) = space("n=range(1, 10, 3)").parameters
    assert (parameter.values, parameter.whole) == (("1", "4", "7"), False)


def test_quotes_lists_and_signs_survive() -> None:
    found = space("+name='a,b','c d'", "sizes=choice([1,2],[3])", "~extra")
    assert found.overrides(found.grid()[0]) == ["+name='a,b'", "sizes=[1,2]", "~extra"]


def test_a_parameter_exists_only_where_its_condition_holds() -> None:
    found = space("net=a,b", when={"net=b": {"heads": "choice(1, 2)"}})
    assert [found.overrides(point) for point in found.grid()] == [["net=a"], ["net=b", "heads=1"], ["net=b", "heads=2"]]


def test_conditions_follow_one_another() -> None:
    found = space("net=a,b", when={"net=b": {"kind": "x,y", "fixed": "7"}, "kind=y": {"depth": "1,2"}})
    assert [found.overrides(point) for point in found.grid()] == [
        ["net=a"],
        ["net=b", "kind=x", "fixed=7"],
        ["net=b", "kind=y", "fixed=7", "depth=1"],
        ["net=b", "kind=y", "fixed=7", "depth=2"],
    ]


@pytest.mark.parametrize("n", ["range(1, 5)", "int(interval(1, 4))", "1,2,3,4"])
def test_a_condition_may_be_any_value(n: str) -> None:
    found = space(f"n={n}", when={"n=2": {"heads": "choice(1, 2)"}})
    points = [point for pair in found.probes() for point in pair]
    assert {str(point["n"]) for point in points if "heads" in point} == {"2"}
    assert {point["heads"] for point in points if "heads" in point} == {"1", "2"}


def test_values_of_a_file_become_overrides() -> None:
    found = space(params={"a": None, "b": True, "c": [1, 2], "d": "1,2"}, when={"d=1": {"e": None}})
    assert [found.overrides(point) for point in found.grid()] == [
        ["a=null", "b=true", "c=[1, 2]", "d=1", "e=null"],
        ["a=null", "b=true", "c=[1, 2]", "d=2"],
    ]


def test_many_values_of_one_parameter_leave_probes_for_others() -> None:
    met = {
        point["net"] for pair in space("seed=" + ",".join(map(str, range(200))), "net=a,b,c").probes() for point in pair
    }
    assert met == {"a", "b", "c"}


def test_probes_cover_every_value_and_both_ends() -> None:
    found = space("net=a,b", "lr=interval(0, 1)", when={"net=b": {"heads": "choice(1, 2)"}})
    points = [point for pair in found.probes() for point in pair]
    met = {line for point in points for line in found.overrides(point)}
    assert met == {"net=a", "net=b", "lr=0.0", "lr=1.0", "heads=1", "heads=2"}
    assert all(("heads" in point) == (point["net"] == "b") for point in points)
    assert len(space("seed=range(0, 300)").probes()) == 2


@pytest.mark.parametrize(
    ("arguments", "when", "expected"),
    [
        (["lr=tag(foo, interval(0, 1))"], {}, ("lr=tag(foo, interval(0, 1))", "'foo'", "tag(log")),
        (["lr=tag(log, interval(0, 1))"], {}, ("lr=", "above 0")),
        (["lr=interval(1, 0)"], {}, ("lr=interval(1, 0)", "lower end first")),
        (["lr=tag(log, choice(1, 2))"], {}, ("lr=", "this is a list")),
        (["n=tag(log, range(0, 5))"], {}, ("n=", "above 0")),
        (["net=a,b"], {"nett=b": {"x": "1,2"}}, ("nett=b", "net")),
        (["net=a,b"], {"net=c": {"x": "1,2"}}, ("net=c", "never c", "a, b")),
        (["net=a,b", "x=1"], {"net=b": {"x": "1,2"}}, ("net=b", "x is given elsewhere too")),
        (["net=a,b"], {"net=a": {"x": "1,2"}, "net=b": {"x": "3,4"}}, ("net=b", "a parameter has one range")),
        (["n=range(1, 5)"], {"n=5": {"x": "1,2"}}, ("n=5", "never 5", "1, 2, 3, 4")),
        (["n=int(interval(1, 5))"], {"n=6": {"x": "1,2"}}, ("n=6", "never 6", "interval(1, 5)")),
        (["lr=interval(0, 1)"], {"lr=0.5": {"x": "1,2"}}, ("lr=0.5", "interval(0, 1)")),
        (["net=a,b"], {"net=b": 3}, ("net=b", "needs a mapping")),
    ],
)
def test_a_refusal_names_the_override(arguments: list[str], when: dict[str, Any], expected: tuple[str, ...]) -> None:
    with pytest.raises(SweeperError) as refusal:
        space(*arguments, when=when)
    for words in expected:
        assert words in str(refusal.value)
    assert len(str(refusal.value).splitlines()) <= 2
