"""What intervals cover, seeds or test examples or both, is said the same everywhere, and old runs are still read."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sample_runs import read, record, run
from scipy.stats import ttest_rel

from quartet.report import Run, analysis, markdown, page, summary
from quartet.report.comparing.axes import axes
from quartet.report.comparing.axis_words import crossing_sentences
from quartet.report.comparing.comparison import comparisons
from quartet.report.comparing.crossings import crossings
from quartet.report.comparing.statistics import differences
from quartet.report.comparing.verdict import permutation_caveat, verdict
from quartet.report.run import group_by_experiment

NAMES = {"a": "the CNN", "b": "the RNN"}


def scored(*, seeds: int = 3, size: int = 200, gap: float = 0.1, **changes: Any) -> list[Run]:
    """Return runs of two classifiers whose accuracies follow from kept scores; the second has `gap` more right."""
    draw = np.random.default_rng(0)
    difficulty = draw.random(size)
    runs = []
    for net, skill in (("cnn", 0.7), ("rnn", 0.7 + gap)):
        for seed in range(seeds):
            right = (difficulty < skill + draw.normal(0, 0.01)) ^ (draw.random(size) < 0.03)
            dataset = {"examples": {"test": size}}
            metrics = {"test/accuracy": float(right.mean())}
            one = run("classify", net=net, seed=seed, metrics=metrics, dataset=dataset, **changes)
            runs.append(replace(one, arrays={**one.arrays, "score_accuracy": right.astype(np.float32)}))
    return runs


def without_scores(runs: list[Run]) -> list[Run]:
    return [replace(one, arrays={k: v for k, v in one.arrays.items() if k != "score_accuracy"}) for one in runs]


def everywhere(runs: list[Run]) -> list[str]:
    """Return the page's text, the Markdown and the terminal's summary."""
    return [" ".join(read(page(runs)).text), markdown(runs), summary(runs)]


def test_both_sources_are_covered_where_scores_are_kept() -> None:
    runs = scored()
    for place in everywhere(runs):
        assert (
            "The intervals cover seeds and test examples. They say what other seeds would find on other test" in place
        )
        assert "no interval here covers" not in place
    (entry,) = analysis(runs)
    assert entry["covers"] == "seeds and test examples"
    assert entry["pairs"][0]["covers"] == entry["cells"][0]["covers"] == "seeds and test examples"
    assert entry["pairs"][0]["examples"] == 200
    assert entry["pairs"][0]["seeds_error"] > 0
    assert entry["pairs"][0]["examples_error"] > 0
    assert "| 0, 1, 2 | seeds and test examples |" in markdown(runs)
    assert "the interval of the mean, which covers seeds and test examples." in markdown(runs)
    assert "the interval of the mean, which covers seeds and test examples." in page(runs)


def test_runs_without_scores_are_read_as_before_and_keep_their_caveat() -> None:
    runs = without_scores(scored())
    for place in everywhere(runs):
        assert "The intervals cover seeds alone. They say what other seeds would find on the same test" in place
        assert "no interval here covers that" in place
    (entry,) = analysis(runs)
    (pair,) = entry["pairs"]
    assert (entry["covers"], pair["covers"]) == ("seeds alone", "seeds alone")
    assert (pair["examples"], pair["examples_error"]) == (0, 0)
    accuracies = [[one.metrics["test/accuracy"] for one in runs if one["net"] == net] for net in ("cnn", "rnn")]
    assert pair["p"] == pytest.approx(ttest_rel(*accuracies).pvalue)


def test_one_seed_each_has_a_verdict_that_speaks_of_the_data_alone() -> None:
    runs = scored(seeds=1)
    (comparison,) = comparisons(runs)
    (sentence,) = comparison.verdicts
    assert sentence.startswith("The RNN is better than the CNN by ")
    assert sentence.endswith(" points, by seed 0 alone.")
    for place in everywhere(runs):
        assert "The intervals cover test examples alone." in place
        assert "not what other seeds would find" in place
        assert "The permutation test had a vote on each pair." in place
    assert analysis(runs)[0]["covers"] == "test examples alone"
    assert "No verdict" in summary(without_scores(runs))


def test_some_runs_with_scores_are_not_enough() -> None:
    runs = scored()
    mixed = [*without_scores(runs[:1]), *runs[1:]]
    assert analysis(mixed)[0]["covers"] == "seeds alone"
    shorter = [
        replace(one, arrays={**one.arrays, "score_accuracy": one.arrays["score_accuracy"][:150]})
        if one["net"] == "cnn"
        else one
        for one in runs
    ]
    assert analysis(shorter)[0]["covers"] == "seeds alone"
    elsewhere = [
        replace(one, record={**one.record, "data_digest": "0" * 64}) if one["net"] == "cnn" else one for one in runs
    ]
    (entry,) = analysis(elsewhere)
    assert entry["covers"] == "seeds alone"
    assert entry["cells"][0]["covers"] == "seeds and test examples"  # each net for itself


def test_intervals_that_cover_different_things_are_counted() -> None:
    third = [
        run("classify", net="transformer", seed=seed, metrics={"test/accuracy": 0.5 + seed / 50}) for seed in range(3)
    ]
    (entry,) = analysis([*scored(), *third])
    assert entry["covers"] == "seeds alone (2 of 3), seeds and test examples (1 of 3)"
    assert [pair["covers"] for pair in entry["pairs"]] == ["seeds and test examples", "seeds alone", "seeds alone"]


def test_a_task_without_scores_covers_seeds_alone() -> None:
    runs = [
        run("generate", net=net, seed=seed, metrics={"test/fid": 30 + seed + len(net)})
        for net in ("cnn", "transformer")
        for seed in range(3)
    ]
    runs[0] = replace(runs[0], record={**runs[0].record, "metrics": {"test/fid": 31.5}})
    assert analysis(runs)[0]["covers"] == "seeds alone"
    assert "The intervals cover seeds alone." in summary(runs)


def said(first: np.ndarray, second: np.ndarray, metric: str = "accuracy") -> str:
    """Return the verdict on two nets from their scores, (S, N) each."""
    scores = {"a": dict(enumerate(first)), "b": dict(enumerate(second))}
    values = {net: {seed: float(x.mean()) for seed, x in found.items()} for net, found in scores.items()}
    return verdict(differences(values, scores=scores)[0], names=NAMES, metric=metric)


def test_without_a_difference_the_verdict_says_whether_seeds_or_examples_are_lacking() -> None:
    draw = np.random.default_rng(1)
    answers = (draw.random((2, 100)) < 0.8).astype(float)
    first, second = (np.repeat(row[None], 3, 0) ^ (draw.random((3, 100)) < 0.02) for row in answers.astype(bool))
    few = said(first, second)
    assert "with 3 seeds and 100 test examples; no number of seeds would show 0.5 points: that takes about " in few
    alone = said(*answers[:, None])
    assert "by seed 0 alone with 100 test examples; about " in alone
    assert alone.endswith(" would be needed to show 0.5 points")
    luck = draw.normal(0, 0.004, (2, 3, 1))
    many = said(*(0.8 + luck + draw.normal(0, 0.01, (2, 3, 1000))))
    assert "with 3 seeds and 1\u202fk test examples; about " in many
    assert " would be needed to show 0.5 points, about " in many


def test_the_exact_test_can_disagree_for_one_seed_each() -> None:
    first, second = np.zeros((1, 100)), np.zeros((1, 100))
    first[0, :5] = 1  # five to nothing: p 0.025 by t, 0.0625 by McNemar
    text = said(first, second)
    assert "by seed 0 alone with 100 test examples: the t test finds one (p 0.02" in text
    assert "the permutation test does not (p 0.062)" in text
    (d,) = differences({"a": {0: 0.3}, "b": {0: 0.1}}, scores={"a": {0: np.arange(9.0)}, "b": {0: np.zeros(9)}})
    assert permutation_caveat([d]) == ""  # scores that are not right or wrong have no such test


def axis_runs(*, seeds: int, size: int) -> list[Run]:
    """Return an rnn and a cnn that meets it at 100 of 10 to 1000 training examples, with scores of test examples."""
    draw = np.random.default_rng(0)
    difficulty, runs = draw.random(size), []
    for net in ("cnn", "rnn"):
        taste = draw.normal(0, 0.1, size)
        for i, count in enumerate(("10", "100", "1000")):
            for seed in range(seeds):
                skill = 0.6 + (0.2 * (i - 1) if net == "cnn" else 0.0) + draw.normal(0, 0.003)
                right = (difficulty + taste < skill).astype(np.float32)
                point = {"experiment": net, "axes": {"data.loading.limit_train": count}}
                metrics = {"test/accuracy": float(right.mean())}
                named = record("classify", seed=seed, net=net, experiment=f"{net}+{count}", metrics=metrics)
                runs.append(Run({**named, "point": point}, arrays={"score_accuracy": right}))
    return runs


def test_a_crossing_covers_test_examples_too() -> None:
    runs = axis_runs(seeds=3, size=300)
    (axis,) = axes(group_by_experiment(runs))
    (both,), (seeds,) = crossings(axis, "test/accuracy"), crossings(axes_without(runs), "test/accuracy")
    assert (both.covers, seeds.covers) == ("seeds and test examples", "seeds alone")
    assert both.at == seeds.at
    assert both.low < seeds.low < seeds.high < both.high
    (comparison,) = comparisons(runs)
    (text,) = crossing_sentences(axis, comparison)
    assert "which covers seeds and test examples" in text
    (point, *_) = analysis(runs)[0]["axes"][0]["lines"][0]["points"]
    assert (point["covers"], point["examples"]) == ("seeds and test examples", 300)
    one = crossings(axes(group_by_experiment(axis_runs(seeds=1, size=300)))[0], "test/accuracy")[0]
    assert one.covers == "test examples alone"
    assert math.isfinite(one.low)
    assert math.isfinite(one.high)


def axes_without(runs: list[Run]) -> Any:
    """Return the axis of the same runs without scores."""
    (axis,) = axes(group_by_experiment(without_scores(runs)))
    return axis


def test_the_interval_of_a_crossing_covers_it_on_other_test_data() -> None:
    draw, covered, by_seeds = np.random.default_rng(4), 0, 0
    for _ in range(60):
        runs = []
        base = draw.normal(0, 1, 150)
        for net in ("cnn", "rnn"):
            for i, count in enumerate(("10", "100", "1000")):
                for seed in range(3):
                    level = (0.3 * (i - 1) if net == "cnn" else 0.0) + draw.normal(0, 0.005)
                    x = level + base * (0.9 if net == "cnn" else 0.3) + draw.normal(0, 0.1, 150)
                    point = {"experiment": net, "axes": {"data.loading.limit_train": count}}
                    named = record(
                        "classify", seed=seed, net=net, experiment=f"{net}+{count}", metrics={"test/accuracy": x.mean()}
                    )
                    runs.append(Run({**named, "point": point}, arrays={"score_accuracy": x}))
        (crossing,) = crossings(axes(group_by_experiment(runs))[0], "test/accuracy")
        (alone,) = crossings(axes_without(runs), "test/accuracy")
        covered += len(crossing.at) != 1 or crossing.low <= 100 <= crossing.high
        by_seeds += len(alone.at) != 1 or alone.low <= 100 <= alone.high
    assert covered / 60 >= 0.87
    assert by_seeds / 60 <= 0.7


def test_a_large_table_is_compared_as_quickly_as_before() -> None:
    """18 experiments with three seeds and 10,000 test examples: the scores must not cost seconds."""
    draw = np.random.default_rng(0)
    scores = {str(i): {s: (draw.random(10_000) < 0.8).astype(np.float32) for s in range(3)} for i in range(18)}
    values = {net: {s: float(x.mean()) for s, x in found.items()} for net, found in scores.items()}
    began = time.process_time()
    differences(values)
    between = time.process_time()
    assert len(differences(values, scores=scores)) == 153
    assert time.process_time() - between < (between - began) + 2.0


@pytest.mark.parametrize("size", [0, 1])
def test_a_split_of_no_size_covers_seeds_alone(size: int) -> None:
    runs = [
        replace(one, arrays={**one.arrays, "score_accuracy": one.arrays["score_accuracy"][:size]}) for one in scored()
    ]
    assert analysis(runs)[0]["covers"] == "seeds alone"
