"""Test the comparisons, their verdicts, and that all outputs show the same digits."""

from __future__ import annotations

import json
import re
from statistics import fmean
from typing import Any

import pytest
from sample_runs import read, run

from quartet.report import Run, analysis, markdown, page, results, summary
from quartet.report.comparing.comparison import Comparison, comparisons
from quartet.report.comparing.statistics import differences
from quartet.report.comparing.verdict import permutation_caveat, plus_minus, verdict
from quartet.report.drawing.numerals import spread

ACCURACY = {"cnn": [0.9012, 0.9031, 0.9057], "rnn": [0.9533, 0.9571, 0.9612], "transformer": [0.8471, 0.8932, 0.9113]}
NAMES = {"a": "the CNN", "b": "the RNN"}


def grid(values: dict[str, list[float]], **changes: Any) -> list[Run]:
    return [
        run("classify", net=net, seed=seed, metrics={"test/accuracy": value, "val/loss": 1 - value / 10}, **changes)
        for net, series in values.items()
        for seed, value in enumerate(series)
    ]


@pytest.fixture(scope="module")
def nine() -> list[Run]:
    return [*grid(ACCURACY), run("language", net="rnn"), run("classify", experiment="lone", data="elsewhere")]


def sentence(first: list[float], second: list[float], metric: str) -> str:
    (difference,) = differences({"a": dict(enumerate(first)), "b": dict(enumerate(second))})
    return verdict(difference, names=NAMES, metric=metric)


def test_only_nets_of_one_task_and_data_set_are_compared(nine: list[Run]) -> None:
    found = comparisons(nine)
    assert [(c.task, c.data, len(c.experiments)) for c in found] == [
        ("classify", "things", 3), ("language", "things", 1), ("classify", "elsewhere", 1),
    ]  # fmt: skip
    assert [len(c.differences) for c in found] == [3, 0, 0]
    text = " ".join(read(page(nine)).text)
    assert text.count("p after Holm") == 1
    assert "classify on things, test accuracy ↑" in text
    assert "language on things, test" not in text


def test_a_small_test_split_has_a_caveat() -> None:
    def caveats(task: str = "", **examples: int) -> str:
        changes = {"dataset": {"examples": examples}} if examples else {}
        runs = [run(task, net=net, **changes) for net in ("cnn", "rnn")] if task else grid(ACCURACY, **changes)
        return " ".join(comparisons(runs)[0].caveats)

    told = "The test split has 40 examples"
    assert f"{told}, by which an accuracy is known to ±11 points at best; no interval here" in caveats(test=40)
    assert f"{told}; no interval here covers what others would say." in caveats("translate", test=40)
    for many in (caveats(), caveats(test=1000), caveats("translate")):
        assert "The test split" not in many


def test_an_interval_stays_within_the_metrics_range() -> None:
    (comparison,) = comparisons(grid({"cnn": [0.94, 0.95, 1.0], "rnn": [0.0, 0.01, 0.05]}))
    cnn, rnn = (comparison.estimate(cell) for cell in comparison.experiments)
    assert cnn is not None
    assert rnn is not None
    assert cnn.high == 1.0
    assert rnn.low == 0.0
    assert cnn.low == pytest.approx(cnn.mean - (rnn.high - rnn.mean) * cnn.deviation / rnn.deviation)


def test_all_outputs_have_the_same_digits(nine: list[Run]) -> None:
    html, text, terminal = page(nine), markdown(nine), summary(nine)
    plain = html.replace("<small> ± ", " ± ")
    entries = json.loads(json.dumps(results(nine)))
    values: dict[str, list[float]] = {}
    for entry in entries:
        for name, value in entry["metrics"].items():
            assert f'value="{json.dumps(value)}"' in html or f">{json.dumps(value)}<" in html
            assert f"| `{name}` | {json.dumps(value)} |" in text
        key = "test/accuracy" if entry["task"] == "classify" else "test/bits_per_character"
        values.setdefault(entry["experiment"], []).append(entry["metrics"][key])
    for series in values.values():
        for place in (plain, text, terminal):
            assert spread(series) in place
        assert f'value="{json.dumps(series[0] if len(series) == 1 else fmean(series))}"' in html
    first, *others = json.loads(json.dumps(analysis(nine), allow_nan=False))
    assert [cell["mean"] for cell in first["cells"]] == [fmean(series) for series in values.values() if len(series) > 1]
    assert len(first["verdicts"]) == 3
    for words in first["verdicts"] + first["caveats"]:
        for place in (html, text, terminal):
            assert words in place
    for pair in first["pairs"]:
        for key in ("mean", "p", "holm"):
            assert f'value="{json.dumps(pair[key])}"' in html
    for condition in first["matched"]:
        assert f"{condition['what']}</strong>: {condition['said']}" in html
        assert f"**{condition['what']}**: " in text
    assert [other["pairs"] for other in others] == [[], []]


def test_statistics_are_complete_for_a_program(nine: list[Run]) -> None:
    first = analysis(nine)[0]
    assert (first["metric"], first["better"], first["level"], first["smallest_effect"]) == (
        "test/accuracy", "higher", 0.95, 0.005,
    )  # fmt: skip
    assert [cell["seeds"] for cell in first["cells"]] == [[0, 1, 2]] * 3
    pair = first["pairs"][0]
    assert (pair["first"], pair["second"], pair["seeds"]) == ("cnn_classify", "rnn_classify", (0, 1, 2))
    assert pair["shown"]
    assert pair["low"] < pair["mean"] < pair["high"] < 0
    lone = analysis(nine)[2]["cells"][0]
    assert (lone["mean"], lone["deviation"], lone["low"]) == (0.9312345678, None, None)


def test_verdicts_in_words() -> None:
    rising = sentence([0.901, 0.903, 0.905], [0.951, 0.956, 0.955], "accuracy")
    assert re.fullmatch(r"the RNN is better than the CNN by 5\.1\d ± 0\.\d\d points", rising), rising
    falling = sentence([2.05, 2.06, 2.04], [2.25, 2.27, 2.26], "bits_per_character")
    assert re.fullmatch(r"the CNN is better than the RNN by 0\.210 ± 0\.\d\d\d bits per character", falling), falling
    assert sentence([1.0, 1.1, 1.2], [3.0, 3.2, 3.1], "steps").startswith("the RNN has more than the CNN by 2.00 ± ")


def test_without_a_difference_the_verdict_names_the_seeds_needed() -> None:
    few = sentence([0.90, 0.91, 0.92], [0.91, 0.90, 0.925], "accuracy")
    assert re.fullmatch(
        r"no difference shown between the CNN and the RNN with 3 seeds; about \d+ would be needed to show 0.5 points, "
        r"about \d+ for the 0.17 points seen",
        few,
    ), few
    wild = sentence([0.1, 0.9, 0.5], [0.9, 0.1, 0.4], "accuracy")
    assert "with 3 seeds; more than 1\u202fk would be needed to show 0.5 points, more than 1\u202fk for" in wild
    assert wild.endswith(" for the 3.3 points seen")
    tight = sentence([0.9, 0.9001, 0.8999], [0.9001, 0.9, 0.8999], "accuracy")
    assert tight.endswith("with 3 seeds, nor is there room in the interval for one of 0.5 points")
    assert sentence([1.0, 3.0], [2.0, 2.5], "steps") == "no difference shown between the CNN and the RNN with 2 seeds"
    torn = sentence([1.0, 1.1, 0.9, 1.2, 0.8, -0.15], [0.0] * 6, "bleu")
    assert re.search(
        r"with 6 seeds: the t test finds one \(p 0\.0\d+\), the permutation test does not \(p 0\.062\)", torn
    ), torn


def test_a_missing_verdict_has_a_reason() -> None:
    none, one = differences({"a": {0: 1.0}, "b": {1: 1.0}}), differences({"a": {0: 1.0}, "b": {0: 2.0}})
    start = "no verdict on the CNN and the RNN: they "
    assert verdict(none[0], names=NAMES, metric="bleu") == start + "have no seed in common, and two at least are needed"
    assert verdict(one[0], names=NAMES, metric="bleu").startswith(start + "have only seed 0 in common")
    assert sentence([0.9, 0.8], [0.9, 0.8], "accuracy").endswith(": the same value at each of the 2 seeds")
    assert "they differ by 0.5 points at each of the 2 seeds" in sentence([0.905, 0.805], [0.9, 0.8], "accuracy")
    assert permutation_caveat([*none, *one]) == ""


@pytest.mark.parametrize(
    ("value", "half", "written"),
    [(0.214, 0.0531, "0.214 ± 0.053"), (12.345, 3.2, "12.3 ± 3.2"), (1.0, 25.4, "1 ± 25"), (0.5, float("nan"), "0.5")],
)
def test_a_difference_has_two_digits_of_its_interval(value: float, half: float, written: str) -> None:
    assert plus_minus(value, half) == written


def test_a_caveat_states_whether_the_permutation_test_votes(nine: list[Run]) -> None:
    caveat = comparisons(nine)[0].caveats[-1]
    assert caveat == (
        "The permutation test had no vote where there are 3 seeds, with which its p is never below 0.25; "
        "from 7 on it has one."
    )
    many = grid({"cnn": [0.8 + 0.001 * i * i for i in range(8)], "rnn": [0.9 + 0.001 * i for i in range(8)]})
    assert comparisons(many)[0].caveats[-1] == "The permutation test had a vote on each pair."


def test_common_caveats_appear_once_and_scores_stand_with_the_verdicts(nine: list[Run]) -> None:
    few = {"cnn": [0.61, 0.64], "rnn": [0.73, 0.71]}
    others = [one for net in few for one in grid({net: few[net]}, data="others", experiment=f"other_{net}")]
    more = [*nine, *others]
    first, _, _, second = comparisons(more)
    shared = [sentence for sentence in second.caveats if sentence in first.caveats]
    assert shared == first.caveats[:3]  # untuned settings, unmatched conditions, what the intervals cover
    for place in (page(more), markdown(more), summary(more)):
        assert place.count(first.caveats[0]) == 1
        assert place.count("The permutation test had no vote where there are 3 seeds") == 1
        assert place.count("The permutation test had no vote where there are 2 seeds") == 1
    for score in ("CNN 0.6250 ± 0.0212", "RNN 0.7200 ± 0.0141"):
        assert score in second.scores
        for place in (page(more), markdown(more)):
            assert score in place


def test_runs_without_a_number_are_named() -> None:
    runs = grid({"cnn": [0.90, 0.91, float("nan")], "rnn": [0.95, 0.97, 0.96]})
    (comparison,) = comparisons(runs)
    assert comparison.differences[0].seeds == (0, 1)
    assert "cnn_classify has no finite accuracy (not evaluated, or it diverged) for seed 2." in comparison.caveats
    twice = comparisons([*runs, run("classify", net="rnn", seed=0)])[0]
    assert "rnn_classify has several runs of one seed; the last is taken." in twice.caveats
    for place in (page(runs), markdown(runs), summary(runs)):
        assert "it diverged" in place


@pytest.mark.parametrize(
    "values", [{"cnn": [0.9], "rnn": [0.95]}, {"cnn": [], "rnn": []}, {"cnn": [0.9, 0.9], "rnn": [0.9, 0.9]}]
)
def test_all_outputs_name_nets_that_cannot_be_compared(values: dict[str, list[float]]) -> None:
    runs = grid(values) or [run("classify", net=net, metrics={}) for net in values]
    for place in (page(runs), markdown(runs), summary(runs)):
        assert "No verdict on the CNN and the RNN" in place
    json.dumps(analysis(runs), allow_nan=False)


def names(runs: list[Run]) -> Comparison:
    return comparisons(runs)[0]


def test_nets_have_family_names_where_these_are_unique() -> None:
    two = [run("classify", net="cnn"), run("classify", net="rnn")]
    assert names(two).names == {"cnn_classify": "the CNN", "rnn_classify": "the RNN"}
    wide = run("classify", net="cnn", experiment="wide")
    assert names([*two, wide]).names == {"cnn_classify": "cnn_classify", "rnn_classify": "rnn_classify", "wide": "wide"}
    for own in ("reservoir", "MLPMixer", "QRNN"):  # one's own net is not of the family that its name reminds of
        assert names([two[0], run("classify", net=own)]).names["cnn_classify"] == "cnn_classify"


def test_markdown_tables_are_whole_and_names_are_no_markup() -> None:
    runs = grid({"cnn": [0.9, 0.91], "rnn": [0.95, 0.97]}, data="a|b*c_<i>")
    text = markdown(runs)
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1, table
    assert "on a\\|b\\*c\\_\\<i>" in text
    assert "<i>" not in text.replace("\\<i>", "")
    assert markdown([]) == "# Quartet\n\nNo runs.\n"
    assert text == markdown(runs)
