"""Test what the report says of costs: the table, the fronts, the notes, the limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sample_runs import read, record

from quartet.report import Run, analysis, markdown, page, summary
from quartet.report.comparing.comparison import comparisons
from quartet.report.comparing.constraints import satisfying
from quartet.report.comparing.costs import cost_notes, milliseconds, size
from quartet.report.fronts import fronts
from quartet.report.run import ExperimentRuns, group_by_experiment
from quartet_app.comparison.limits import KINDS, parse_limit
from quartet_app.comparison.report import priced

FACTS = {"processor": "Some CPU", "threads": 2, "load": 0.5, "busy": False}


def net(name: str, *, facts: dict[str, Any] | None = None, seed: int = 0, **changes: Any) -> Run:
    costs = {"latency_ms_1": 2.0, "latency_ms_64": 40.0, "throughput_64": 1600.0, "bytes": 628_022} | changes
    known = {key: costs[key] for key in ("latency_ms_1", "latency_ms_64", "throughput_64", "bytes")}
    return Run(record("classify", net=name, seed=seed, cost={**FACTS, **known, **(facts or {})}, **costs))


def unmeasured(name: str, reason: str = "torch.export cannot follow Mine", **changes: Any) -> Run:
    return Run(record("classify", net=name, cost={"left_out": reason}, **changes))


def grouped(*runs: Run) -> list[ExperimentRuns]:
    return group_by_experiment(runs)


def test_each_cost_of_serving_has_its_front() -> None:
    quick = net("cnn", metrics={"test/accuracy": 0.8})
    slow = net("rnn", latency_ms_1=9.0, latency_ms_64=20.0, bytes=9e6, metrics={"test/accuracy": 0.9})
    drawn = "".join(fronts(comparisons([quick, slow])[0]))
    assert "accuracy against milliseconds an answer" in drawn
    assert "accuracy against milliseconds for a batch of 64" in drawn
    assert "accuracy against bytes on disk" in drawn
    entry = analysis([quick, slow])[0]["costs"]
    assert entry["fronts"]["latency_ms_1"] == ["CNN", "RNN"]
    assert entry["fronts"]["latency_ms_64"] == ["RNN"]  # both better and quicker
    assert entry["means"][1]["latency_ms_1"] == 9.0
    json.dumps(entry, allow_nan=False)


def test_page_markdown_and_terminal_say_the_same_costs() -> None:
    runs = [net("cnn"), net("cnn", seed=1, latency_ms_1=4.0), net("rnn", latency_ms_1=0.25, bytes=9e6)]
    reader = read(page(runs))
    shown = " ".join(reader.text), markdown(runs), summary(runs)
    for text in shown:
        text = text.replace("\u202f", " ")
        assert "3 ms" in text  # the mean over seeds
        assert "250 µs" in text
        assert "628 kB" in text
        assert "9 MB" in text
        assert "1.6 k" in text
        assert "Serving was timed on Some CPU, 2 threads" in text


def test_runs_without_costs_are_shown_as_before() -> None:
    runs = [Run(record("classify", net=name)) for name in ("cnn", "rnn")]
    for text in (page(runs), markdown(runs), summary(runs)):
        assert "erving" not in text
        assert "on disk" not in text
    assert analysis(runs)[0]["costs"]["notes"] == []
    assert cost_notes(grouped(unmeasured("cnn", "not asked for"))) == []


def test_what_was_not_measured_is_said_with_its_reason() -> None:
    notes = cost_notes(grouped(net("cnn"), unmeasured("rnn"), unmeasured("mlp", "not asked for")))
    assert "What serving rnn_classify costs was not measured: torch.export cannot follow Mine." in notes
    assert "What serving mlp_classify costs was not measured: not asked for." in notes


def test_a_loaded_machine_and_two_machines_are_said() -> None:
    busy = cost_notes(grouped(net("cnn"), net("rnn", facts={"busy": True})))
    assert any("busy while rnn_classify was timed" in note for note in busy)
    two = cost_notes(grouped(net("cnn"), net("rnn", facts={"processor": "Another CPU"})))
    assert any("different machines" in note and "Another CPU, 2 threads" in note for note in two)
    assert not any("busy" in note for note in two)
    slow = cost_notes(grouped(net("cnn", facts={"latency_ms_64_of": 64}), net("rnn", facts={"latency_ms_64_of": 8})))
    assert any("multiple of a smaller one" in note and "rnn_classify" in note for note in slow)
    assert not any("multiple" in note for note in two)


def test_a_price_adds_what_training_cost() -> None:
    runs = priced([net("cnn", train_seconds=7200.0), net("rnn", train_seconds=None)], 2.5)
    for text in (page(runs), markdown(runs), summary(runs)):
        assert "training at 2.5 an hour" in text
        assert "5.000" in text
    assert [one["money"] for one in analysis(runs)[0]["costs"]["means"]] == [5.0, None]
    only = priced([Run(record("classify", net=name)) for name in ("cnn", "rnn")], 1.0)
    assert "on disk" not in summary(only)
    assert "training at 1 an hour" in summary(only)


def test_limits_keep_the_nets_within_and_say_why_others_are_out() -> None:
    quick, slow, unknown = net("cnn"), net("rnn", latency_ms_1=7.2, parameters=2_000_000), unmeasured("mlp")
    kept, reasons = satisfying(grouped(quick, slow, unknown), {"latency_ms": 5, "parameters": 1e6})
    assert [one.name for one in kept] == ["cnn_classify"]
    assert reasons.keys() == {"rnn_classify", "mlp_classify"}
    words = reasons["rnn_classify"].replace("\u202f", " ")
    assert words == (
        "rnn_classify: the time of one answer is 7.2 ms, more than 5 ms; "
        "the number of parameters is 2 M, more than 1 M."
    )
    assert "is not known (torch.export cannot follow Mine)" in reasons["mlp_classify"]


def test_a_limit_is_inclusive_has_slack_and_a_floor_is_from_below() -> None:
    runs = grouped(net("cnn", parameters=1_010_000, throughput_64=100.0))
    assert not satisfying(runs, {"parameters": 1e6})[0]
    assert satisfying(runs, {"parameters": 1e6}, slack=0.02)[0]
    assert satisfying(runs, {"parameters": 1_010_000, "throughput_64": 100.0})[0]
    _, reasons = satisfying(runs, {"throughput_64": 101.0})
    assert "the answers a second are 100, fewer than 101" in reasons["cnn_classify"]
    assert satisfying(runs, {}) == (runs, {})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("latency_ms", "5ms", 5.0), ("latency_ms", "0.2s", 200.0), ("latency_ms", "5", 5.0),
        ("latency_ms", "800us", 0.8), ("latency_ms", "800 µs", 0.8), ("latency_ms", "1e-1s", 100.0),
        ("bytes", "20MB", 20e6), ("bytes", "2 MiB", 2 * 2**20), ("bytes", "1e6", 1e6),
        ("parameters", "1e6", 1e6), ("parameters", "200k", 2e5), ("parameters", "1_000", 1e3),
        ("parameters", "1.5M", 1.5e6), ("train_seconds", "2h", 7200.0), ("train_seconds", "90", 90.0),
        ("money", "2.5", 2.5),
    ],
)  # fmt: skip
def test_a_limit_is_read_as_a_person_types_it(kind: str, text: str, value: float) -> None:
    assert parse_limit(kind, text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("latency_ms", ""), ("latency_ms", "fast"), ("latency_ms", "5MB"), ("bytes", "5ms"), ("parameters", "-1"),
     ("parameters", "0"), ("parameters", "nan"), ("parameters", "1e999"), ("bytes", "1.2.3MB"), ("money", "5k"),
     ("parameters", "_"), ("latency_ms", "ms")],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_an_example(kind: str, text: str) -> None:
    with pytest.raises(Exception, match="no such limit; give a number above 0, as ") as caught:
        parse_limit(kind, text, option="--this")
    assert type(caught.value).__name__ == "QuartetError"
    assert str(caught.value).startswith(f"--this: {text}")


def test_every_kind_of_limit_can_be_typed_and_kept() -> None:
    for kind in KINDS:
        satisfying(grouped(net("cnn")), {kind: 1.0})


def test_times_and_sizes_have_their_units() -> None:
    assert [milliseconds(value).replace("\u202f", " ") for value in (0.0123, 1, 999, 61_000, None, float("nan"))] == [
        "12.3 µs", "1 ms", "999 ms", "1 min 01 s", "–", "–",
    ]  # fmt: skip
    assert size(512).replace("\u202f", " ") == "512 B"
