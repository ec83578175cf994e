"""The axes of a table in the report: which pairs are tested, where nets cross, and the same numbers everywhere."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise

import pytest
from sample_runs import record

from quartet.report import Run, analysis, markdown, page, summary
from quartet.report.comparing.axes import axes, axis_pairs, number
from quartet.report.comparing.axis_words import crossing_sentences
from quartet.report.comparing.comparison import comparisons
from quartet.report.comparing.crossings import crossings
from quartet.report.run import group_by_experiment

SIZES = ("10", "100", "1000")


def run(net: str, size: str, seed: int, accuracy: float, **others: str) -> Run:
    values = {"data.loading.limit_train": size, **others}
    name = "+".join([net, *values.values()])
    return Run({
        **record("classify", seed=seed, net=net, experiment=name),
        "metrics": {"test/accuracy": accuracy},
        "point": {"experiment": net, "axes": values},
    })  # fmt: skip


def crossing_runs(*, noise: float, seeds: int = 5, slope: float = 0.1) -> list[Run]:
    """Return an rnn of 0.6 and a cnn that gains `slope` a decade and meets it at 100, each with noise over seeds."""
    draw = random.Random(0)
    return [
        run(net, size, seed, level + draw.gauss(0, noise))
        for net in ("cnn", "rnn")
        for i, size in enumerate(SIZES)
        for seed in range(seeds)
        for level in [0.6 + (slope * (i - 1) if net == "cnn" else 0.0)]
    ]


def test_nets_are_compared_at_equal_values_and_values_with_their_neighbours() -> None:
    pairs = axis_pairs(group_by_experiment(crossing_runs(noise=0.01)))
    nets = [(f"cnn+{size}", f"rnn+{size}") for size in SIZES]
    neighbours = [(f"{net}+{a}", f"{net}+{b}") for net in ("cnn", "rnn") for a, b in pairwise(SIZES)]
    assert pairs == nets + neighbours
    (comparison,) = comparisons(crossing_runs(noise=0.01))
    assert [(d.first, d.second, d.pairs) for d in comparison.differences] == [(*pair, 7) for pair in pairs]


def test_a_crossing_is_found_with_an_interval_around_it() -> None:
    experiments = group_by_experiment(crossing_runs(noise=0.005))
    (axis,) = axes(experiments)
    assert axis.logarithmic
    assert axis.values == SIZES
    (crossing,) = crossings(axis, "test/accuracy")
    assert crossing.at[0] == pytest.approx(100, rel=0.3)
    assert 10 < crossing.low < crossing.at[0] < crossing.high < 1000
    (comparison,) = comparisons(crossing_runs(noise=0.005))
    (text,) = crossing_sentences(axis, comparison)
    assert "below it the RNN is ahead, above it the CNN" in text
    assert "95% interval" in text


def test_the_interval_covers_the_true_crossing_as_often_as_it_says() -> None:
    draw, covered, told = random.Random(1), 0, 100
    for _ in range(told):
        runs = [
            run(net, size, seed, 0.6 + (0.1 * (i - 1) if net == "cnn" else 0.0) + draw.gauss(0, 0.02))
            for net in ("cnn", "rnn") for i, size in enumerate(SIZES) for seed in range(5)
        ]  # fmt: skip
        (crossing,) = crossings(axes(group_by_experiment(runs))[0], "test/accuracy")
        covered += crossing.low <= 100 <= crossing.high
    assert covered / told >= 0.88


def test_lines_that_do_not_cross_say_so() -> None:
    runs = [run(net, size, seed, level + seed / 100) for net, level in (("cnn", 0.5), ("rnn", 0.6)) for size in SIZES
            for seed in range(2)]  # fmt: skip
    (comparison,) = comparisons(runs)
    (axis,) = axes(comparison.experiments)
    (text,) = crossing_sentences(axis, comparison)
    assert text == "The CNN and the RNN do not cross in the range of limit train."


def test_a_crossing_lost_in_noise_is_not_shown() -> None:
    (comparison,) = comparisons(crossing_runs(noise=0.2, seeds=3, slope=0.02))
    (axis,) = axes(comparison.experiments)
    (crossing,) = crossings(axis, "test/accuracy")
    assert not (math.isfinite(crossing.low) and math.isfinite(crossing.high))
    assert (
        "not shown" in crossing_sentences(axis, comparison)[0]
        or "do not cross" in crossing_sentences(axis, comparison)[0]
    )


def test_values_that_are_no_numbers_keep_their_order_and_never_cross() -> None:
    runs = [run(net, "10", seed, 0.5 + seed / 10, **{"net.pool": pool}) for net in ("cnn", "rnn")
            for pool in ("stride", "average") for seed in range(2)]  # fmt: skip
    (axis,) = axes(group_by_experiment(runs))
    assert (axis.key, axis.values, axis.numeric) == ("net.pool", ("stride", "average"), False)
    assert axis.positions == {"stride": 0.0, "average": 1.0}
    assert crossings(axis, "test/accuracy") == []


def test_page_markdown_and_json_show_the_same() -> None:
    runs = crossing_runs(noise=0.005)
    (entry,) = analysis(runs)
    (found,) = entry["axes"]
    assert found["values"] == list(SIZES)
    assert [line["experiment"] for line in found["lines"]] == ["cnn", "rnn"]
    assert found["lines"][0]["points"][0]["count"] == 5
    json.dumps(entry, allow_nan=False)
    html, text = page(runs), markdown(runs)
    (comparison,) = comparisons(runs)
    (said,) = crossing_sentences(axes(comparison.experiments)[0], comparison)
    assert said in html
    assert said in summary(runs)
    assert said.replace("_", "\\_") in text
    assert "accuracy against limit train" in html
    assert "the CNN with limit_train=10" in html


def test_runs_without_axes_have_no_section() -> None:
    plain = [Run(record("classify", net=net)) for net in ("cnn", "rnn")]
    assert analysis(plain)[0]["axes"] == []
    assert "Along the axes" not in page(plain)


@pytest.mark.parametrize(("text", "value"), [("30%", 30.0), ("1e5", 1e5), ("-2", -2.0)])
def test_numbers_and_shares_are_numbers(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["null", "average", "1.2.3", "", "[1, 2]", "true"])
def test_other_texts_are_none(text: str) -> None:
    assert math.isnan(number(text))
