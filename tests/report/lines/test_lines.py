"""The summary over lines: ranks, improvements and profiles, on scores whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sample_runs import record

from quartet.report import Run, markdown, page
from quartet.report.comparing.comparison import comparisons
from quartet.report.lines.ranks import improvement, mean_ranks, over_lines, profile
from quartet.report.lines.section import between

NETS = {"cnn": "CNN", "rnn": "RNN", "transformer": "Transformer"}


def runs(values: dict[str, dict[str, list[float]]], task: str = "classify", metric: str = "accuracy") -> list[Run]:
    """Runs of one line for each data set in `values`, by net, one value a seed."""
    return [
        Run(record(task, seed=seed, net=net, experiment=f"{data}_{net}", data=data, metrics={f"test/{metric}": value}))
        for data, nets in values.items()
        for net, scores in nets.items()
        for seed, value in enumerate(scores)
    ]


LINES = {
    "a": {"cnn": [0.9, 0.91, 0.92], "rnn": [0.8, 0.81, 0.82], "transformer": [0.7, 0.71, 0.72]},
    "b": {"cnn": [0.9, 0.91, 0.92], "rnn": [0.8, 0.81, 0.82], "transformer": [0.7, 0.71, 0.72]},
    "c": {"cnn": [0.7, 0.71, 0.72], "rnn": [0.8, 0.81, 0.82], "transformer": [0.9, 0.91, 0.92]},
}


def test_ranks_and_improvements_of_three_lines() -> None:
    found = over_lines(comparisons(runs(LINES)))
    assert found is not None
    assert found.nets == ("Transformer", "CNN", "RNN")
    assert {net: found.ranks[net].value for net in found.nets} == pytest.approx(
        {"CNN": (1 + 1 + 3) / 3, "RNN": 2.0, "Transformer": (3 + 3 + 1) / 3}
    )
    assert between(found.ranks["RNN"]) == "2.00 [2.00, 2.00]"  # no seed overlaps
    assert found.improvement["CNN", "RNN"].value == pytest.approx(2 / 3)
    assert found.seeds == 3
    opened = dict(found.profiles["CNN"])
    within = max(at for at in opened if at < 1.3)
    assert opened[within] == pytest.approx(2 / 3, abs=0.01)  # best in two of three lines


def test_lower_is_better_where_the_metric_says_so() -> None:
    lines = {data: {"cnn": [1.0, 1.1], "rnn": [2.0, 2.1]} for data in "abc"}
    found = over_lines(comparisons(runs(lines, task="generate", metric="fid")))
    assert found is not None
    assert found.ranks["CNN"].value == 1.0
    assert found.improvement["CNN", "RNN"].value == 1.0


def test_fewer_lines_or_other_nets_give_no_summary() -> None:
    assert over_lines(comparisons(runs({name: LINES[name] for name in "ab"}))) is None
    lone = {data: {"cnn": [0.5]} for data in "abc"}
    assert over_lines(comparisons(runs(lone))) is None
    mixed = {**LINES, "d": {"cnn": [0.5, 0.6]}}  # a line without the others is left out
    found = over_lines(comparisons(runs(mixed)))
    assert found is not None
    assert len(found.lines) == 3


def test_the_interval_of_a_rank_covers_the_true_one() -> None:
    """Three lines, twenty seeds, nets half a standard deviation apart: the bootstrap's interval is about 95 %."""
    draw, hits, true = np.random.default_rng(0), 0, 1.0
    for _ in range(100):
        lines = [{"CNN": list(draw.normal(0.8, 1, 20)), "RNN": list(draw.normal(0, 1, 20))} for _ in range(3)]
        found = mean_ranks(lines, ["CNN", "RNN"])["CNN"]
        hits += found.low <= true <= found.high
    assert hits >= 90
    same = [{"CNN": list(draw.normal(0, 1, 20)), "RNN": list(draw.normal(0, 1, 20))} for _ in range(3)]
    assert improvement(same, "CNN", "RNN").low < 0.5 < improvement(same, "CNN", "RNN").high


def test_profiles_rise_from_nothing_to_all() -> None:
    points = profile([{"CNN": [1.0, 2.0], "RNN": [1.5, 1.5]}], "CNN")
    shares = [share for _, share in points]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.5, 1.0)


def test_the_page_and_its_text_end_with_the_summary() -> None:
    text = page(runs(LINES))
    assert "All lines together: a summary of these 3, and no law" in text
    assert text.index("All lines together") > text.index("On c")
    written = markdown(runs(LINES))
    assert "| RNN | 2.00 [2.00, 2.00] |" in written
    assert "too narrow, by a factor of about 1.22" in written
    assert "All lines together" not in page(runs({"a": LINES["a"]}))
