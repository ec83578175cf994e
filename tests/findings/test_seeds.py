"""Runs by their names, and joined seed by seed, with what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from quartet.findings import Trained
from quartet.findings.seeds import by_seed, column, curve, gain, named, of_each, of_each_seed, one_a_seed, side_by_side
from quartet.types import QuartetError


def run(seed: int, accuracy: float = 0.5, **record: Any) -> Trained:
    """A run that holds nothing but its record."""
    given: dict[str, Any] = {"parameters": 1, "curve": [], "scores": {}, **record}
    return Trained(
        seed=seed, values={}, flops=1.0, metrics={"test/accuracy": accuracy}, open_data=dict, load=lambda: None,  # type: ignore[arg-type,return-value]
        **given,
    )  # fmt: skip


def seeds(runs: Sequence[Trained]) -> list[int]:
    return [each.seed for each in runs]


def test_runs_come_by_ascending_seed() -> None:
    runs = {"a": [run(2, 0.2), run(0, 0.1)], "b": [run(0, 0.5), run(2, 0.4)]}
    assert seeds(one_a_seed(runs, "a")) == [0, 2]
    assert {name: seeds(of) for name, of in side_by_side(runs, "b", "a").items()} == {"b": [0, 2], "a": [0, 2]}
    assert by_seed(runs["a"], lambda each: each.metrics["test/accuracy"]).tolist() == [0.1, 0.2]
    assert of_each(runs, lambda each: [each.seed], ["a"])["a"].tolist() == [[0], [2]]


def test_runs_of_a_seed_come_by_size() -> None:
    runs = {"a": [run(1, parameters=5), run(0, parameters=9)], "b": [run(0, parameters=7), run(1, parameters=8)]}
    found = of_each_seed(runs, "a", "b")
    assert {seed: [each.parameters for each in of] for seed, of in found.items()} == {0: [7, 9], 1: [5, 8]}


def test_what_cannot_be_joined_is_refused() -> None:
    runs = {"a": [run(0), run(1)], "b": [run(0), run(2)], "twice": [run(0), run(0)], "none": []}
    with pytest.raises(QuartetError, match=r"runs\.c: not given; the measurement needs it beside a, b"):
        named(runs, "c")
    with pytest.raises(QuartetError, match=r"runs\.none: not given"):
        one_a_seed(runs, "none")
    with pytest.raises(QuartetError, match=r"runs\.twice: several runs of one seed; give it no axes"):
        one_a_seed(runs, "twice")
    with pytest.raises(QuartetError, match="runs: b and a have other seeds; train both with the same"):
        of_each(runs, lambda each: each.seed, ["a", "b"])
    with pytest.raises(QuartetError, match="a, b, twice have not been trained with the same seeds"):
        of_each_seed(runs, "a", "b", "twice")
    with pytest.raises(QuartetError, match=r"seeds \[0, 1\] and \[0, 2\] cannot be compared"):
        gain(runs["a"], runs["b"])


def test_a_gain_is_that_of_each_example_where_all_have_scores() -> None:
    ours, theirs = run(0, 0.75, scores={"accuracy": [1, 0]}), run(0, 0.5, scores={"accuracy": [0, 0]})
    assert gain([ours], [theirs]).tolist() == [[1, 0]]
    assert gain([ours], [run(0, 0.5)]).tolist() == [0.25]


def test_a_curve_is_read_where_it_has_the_metric() -> None:
    of = run(0, curve=[{"samples": 500.0, "loss": 3.0}, {"samples": 1000.0}, {"samples": 1500.0, "loss": 1.0}])
    assert [part.tolist() for part in curve(of, "loss")] == [[0.5, 1.5], [3, 1]]
    with pytest.raises(KeyError):
        column(of, "loss")
    assert column(of, "samples").tolist() == [500, 1000, 1500]
