"""What the report says of a verdict's ground: tuning, processors, and guesses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sample_runs import record

from quartet.report import Run, analysis, markdown, page, summary
from quartet.report.comparing.caution import device_text, guess
from quartet.report.run import group_by_experiment

AVX2 = {"device": "Some CPU", "cpu_capability": "AVX2", "threads": 2}
AVX512 = {**AVX2, "device": "Another CPU", "cpu_capability": "AVX512"}


def runs(*, right: int = 90, of: int = 100, seeds: int = 2, **changes: Any) -> list[Run]:
    """Return runs of two classifiers with so many right answers, half of the examples being of each class."""
    confusion = np.array([[right // 2, (of - right) // 2], [(of - right) // 2, right // 2]])
    return [
        Run(
            {
                **record("classify", net=net, seed=seed, **changes),
                "metrics": {"test/accuracy": right / of + seed / 1e3},
            },
            arrays={"confusion": confusion},
        )
        for net in ("cnn", "rnn")
        for seed in range(seeds)
    ]


def test_untuned_settings_are_named_where_verdicts_stand() -> None:
    untuned = runs()
    assert analysis(untuned)[0]["settings"] == "untuned settings"
    assert "Verdicts on untuned settings" in page(untuned)
    assert "## Verdicts on untuned settings" in markdown(untuned)
    assert "verdicts on untuned settings, not on architectures" in summary(untuned)


def test_equal_trials_for_all_nets_are_tuned_and_unequal_ones_are_not() -> None:
    tuned = runs(tuning_trials=12)
    assert analysis(tuned)[0]["settings"] == "tuned with equally many trials"
    assert "untuned" not in page(tuned) + markdown(tuned) + summary(tuned)
    half = [Run({**run.record, "tuning_trials": 12 if run["net"] == "cnn" else None}) for run in tuned]
    assert analysis(half)[0]["settings"] == "untuned settings"
    more = [Run({**run.record, "tuning_trials": 12 if run["net"] == "cnn" else 24}) for run in tuned]
    assert analysis(more)[0]["settings"] == "untuned settings"


def test_no_winner_is_set_in_bold() -> None:
    text = markdown(runs())
    assert all("**" not in line for line in text.splitlines() if line.startswith(("- The", "| ")))


def test_a_classifier_of_random_labels_is_no_better_than_a_guess() -> None:
    random = runs(right=52)
    (entry,) = analysis(random)
    assert [cell["guess"]["better"] for cell in entry["cells"]] == [False, False]
    assert entry["cells"][0]["guess"]["value"] == 0.5
    for place in (page(random), markdown(random).replace("\\_", "_"), summary(random)):
        assert "cnn_classify is no better than guessing" in place
    good = runs(right=90)
    assert [cell["guess"]["better"] for cell in analysis(good)[0]["cells"]] == [True, True]
    assert "guessing" not in page(good)


def test_the_commonest_class_of_unequal_classes_is_the_guess() -> None:
    confusion = np.array([[0, 10], [0, 90]])  # names the second class always
    run = Run({**record("classify"), "metrics": {"test/accuracy": 0.9}}, arrays={"confusion": confusion})
    found = guess(group_by_experiment([run])[0])
    assert found is not None
    assert (found.value, found.better) == (0.9, False)


@pytest.mark.parametrize(
    ("task", "metric", "value", "better"),
    [
        ("language", "bits_per_character", 4.4, True),
        ("language", "bits_per_character", 2.0, False),
        ("translate", "bleu", 4.1, True),
        ("translate", "bleu", 24.0, False),
        ("generate", "fid", 612.25, True),
        ("generate", "fid", 31.0, False),
    ],
)
def test_other_tasks_are_held_against_the_guess_of_their_evaluation(
    task: str, metric: str, value: float, better: bool
) -> None:
    told = {"metric": metric, "value": value, "by": "a coin"}
    seeds = [Run(record(task, seed=seed), texts={"guess": told}) for seed in (0, 1)]
    found = guess(group_by_experiment(seeds)[0])
    assert found is not None
    assert found.better == better
    for place in (page(seeds), markdown(seeds).replace("\\_", "_"), summary(seeds)):
        assert ("is no better than guessing: a coin has a test" in place) != better
    assert analysis(seeds)[0]["cells"][0]["guess"]["better"] == better


def scored(task: str, metric: str, values: list[float], *, spread: float, guesses: list[float]) -> list[Run]:
    """Return runs with a score of each of 100 test examples, which deviate by `spread`; one run for each value."""
    away = spread * np.tile([-1.0, 1.0], 50).astype(np.float32)
    return [
        Run(
            {**record(task, seed=seed), "metrics": {f"test/{metric}": value}},
            arrays={f"score_{metric}": value + away} if spread else {},
            texts={"guess": {"metric": metric, "value": guessed, "by": "a coin"}},
        )
        for seed, (value, guessed) in enumerate(zip(values, guesses, strict=True))
    ]


@pytest.mark.parametrize(
    ("task", "metric", "value", "doubt"),
    [
        ("language", "bits_per_character", 4.0, "not shown to be less (95% interval up to 4.199)"),
        ("translate", "bleu", 4.4, "not shown to be more (95% interval from 4.2"),
    ],
)
def test_other_test_examples_could_make_a_score_a_guess(task: str, metric: str, value: float, doubt: str) -> None:
    better, worse = (4.3, 4.1) if metric == "bits_per_character" else (4.1, 4.3)
    for guessed, expected in ((better, True), (worse, False)):
        seeds = scored(task, metric, [value - 1, value + 1], spread=1.0, guesses=[guessed, guessed])
        found = guess(group_by_experiment(seeds)[0])
        assert found is not None
        assert found.better == expected, "the seeds' own spread plays no part"
        assert (doubt in summary(seeds)) != expected


def test_without_scores_of_examples_each_seed_must_beat_its_own_guess() -> None:
    for guesses, expected in (([600.0, 700.0], True), ([600.0, 500.0], False), ([50.0, 700.0], False)):
        seeds = scored("generate", "fid", [100.0, 500.0], spread=0.0, guesses=guesses)
        found = guess(group_by_experiment(seeds)[0])
        assert found is not None
        assert (found.better, found.low, found.value) == (expected, None, sum(guesses) / 2)


def test_a_score_that_is_no_number_beats_nothing() -> None:
    seeds = scored("language", "bits_per_character", [2.0, float("inf")], spread=0.0, guesses=[4.0, 4.0])
    assert "its own of – is not a number" in summary(seeds)
    assert analysis(seeds)[0]["cells"][0]["guess"]["score"] is None


def test_a_guess_of_a_metric_without_a_better_direction_is_none() -> None:
    assert guess(group_by_experiment(scored("language", "colour", [2.0], spread=0.0, guesses=[4.0]))[0]) is None
    nothing = scored("language", "bits_per_character", [2.0], spread=0.0, guesses=[float("nan")])
    assert guess(group_by_experiment(nothing)[0]) is None


def test_a_run_that_knows_no_guess_is_held_against_none() -> None:
    assert guess(group_by_experiment([Run(record("language"))])[0]) is None


def test_processors_are_named_and_a_mixture_is_warned_of() -> None:
    one = runs(trained_on=AVX2)
    assert analysis(one)[0]["devices"] == ["Some CPU, AVX2, 2 threads"]
    assert "several processors" not in summary(one)
    assert "the same, Some CPU, AVX2, 2 threads." in page(one)
    assert "the same, Some CPU, AVX2, 2 threads." in markdown(one)
    mixed = [Run({**run.record, "trained_on": AVX512 if run.seed else AVX2}, arrays=run.arrays) for run in one]
    warning = "The runs come from several processors (Some CPU, AVX2, 2 threads; Another CPU, AVX512, 2 threads)"
    assert all(warning in place for place in (page(mixed), markdown(mixed), summary(mixed)))


def test_old_runs_say_their_device_or_nothing() -> None:
    assert device_text(Run({"device": "A GPU"})) == "A GPU"
    assert device_text(Run({})) is None
    assert analysis(runs())[0]["devices"] == ["not recorded"]
