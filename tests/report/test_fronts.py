"""Test quality against cost: the nets on the front, and that every case draws."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from sample_runs import read, record

from quartet.report import Run, page
from quartet.report.comparing.comparison import comparisons
from quartet.report.fronts import Point, _names, decades, front, fronts


def point(name: str, cost: float, quality: float) -> Point:
    return Point(name, "cnn", cost, quality, ((cost, quality),))


def test_the_front_holds_points_that_no_other_dominates() -> None:
    points = [point("dear", 9, 0.95), point("cheap", 1, 0.8), point("beaten", 5, 0.7), point("middle", 4, 0.9)]
    assert [p.name for p in front(points, rising=True)] == ["cheap", "middle", "dear"]
    assert [p.name for p in front(points, rising=False)] == ["cheap", "beaten"]


def test_equal_points_share_the_front_and_dominated_points_do_not() -> None:
    points = [point("one", 1, 0.9), point("other", 1, 0.9), point("worse", 1, 0.8), point("dearer", 2, 0.9)]
    assert [p.name for p in front(points, rising=True)] == ["one", "other"]


def net(name: str, task: str = "classify", **changes: Any) -> Run:
    return Run(record(task, net=name, **changes))


def drawn(*runs: Run) -> str:
    return "".join(fronts(comparisons(runs)[0]))


def test_a_chart_for_each_cost_that_differs() -> None:
    html = drawn(net("cnn"), net("rnn", parameters=500_000, flops=1e9, metrics={"test/accuracy": 0.7}))
    assert html.count("<svg") == 2
    assert "On the front: CNN." in html
    assert "accuracy against parameters" in html
    assert "Matched in seconds of training: there is no front to draw." in html
    assert html.count("net on") == html.count("net off") == 2


def test_matched_costs_have_no_front() -> None:
    html = drawn(net("cnn"), net("rnn", parameters=118_000, train_seconds=225.0))
    assert "Matched in parameters" in html
    assert "Matched in seconds of training" in html  # within six per cent, a usual variation of the clock


def test_falling_metrics_have_their_front_below() -> None:
    better = net("rnn", "language", parameters=500_000, metrics={"test/bits_per_character": 1.5})
    assert "On the front: CNN, RNN." in drawn(net("cnn", "language"), better)
    worse = net("rnn", "language", parameters=500_000, metrics={"test/bits_per_character": 2.5})
    assert "On the front: CNN." in drawn(net("cnn", "language"), worse)


def test_nets_without_cost_or_metric_are_left_out() -> None:
    assert drawn(net("cnn"), net("rnn", metrics={})) == ""
    assert drawn(net("cnn")) == ""
    odd: dict[str, Any] = {"parameters": 5, "flops": None, "train_seconds": 0.0}
    assert drawn(net("cnn"), net("rnn", **odd)).count("<svg") == 1
    read(page([net("cnn"), net("rnn", **odd), net("transformer", metrics={"test/accuracy": math.nan})]))


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.0, 0.0), (1e-9, 1e9)])
def test_every_range_draws(low: float, high: float) -> None:
    html = drawn(
        net("cnn", metrics={"test/accuracy": low}), net("rnn", metrics={"test/accuracy": high}, parameters=10**9)
    )
    assert html.count("<svg") == 1
    assert "nan" not in html


@pytest.mark.parametrize(
    ("low", "high"), [(40e3, 600e3), (1.0, 1.03), (198e3, 212e3), (1e3, 1e12), (0.003, 0.8), (9.99, 10.5)]
)
def test_labels_of_a_logarithmic_axis_are_few_and_inside(low: float, high: float) -> None:
    found = decades(low, high)
    assert 1 <= len(found) <= 7
    assert all(low <= value <= high for value in found)
    assert found == sorted(found)


def test_an_axis_has_several_numbers_however_little_it_spans() -> None:
    assert decades(116, 176) == [120, 140, 160]
    assert decades(118, 130) == [120, 130]


def test_a_name_lies_on_no_point() -> None:
    places = {point("first", 1, 1): (300.0, 40.0), point("second", 2, 2): (290.0, 44.0)}
    first, second = (float(y) for y in re.findall(r' y="([\d.]+)"', str(_names(places))))
    assert first < 40 - 5  # above its own point, which has a radius of 5
    assert second > 44 + 5 + 8  # below, the letters as high as they are
