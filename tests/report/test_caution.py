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
