"""Test the conditions of a comparison, matched and unmatched, and their sentences."""

from __future__ import annotations

from typing import Any

import pytest
from sample_runs import record

from quartet.report import Run
from quartet.report.comparing.matched import MAX_KEYS, label, matched, unmatched
from quartet.report.run import ExperimentRuns, group_by_experiment

CONFIG: dict[str, Any] = {
    "net": {"width": 16}, "budget": "60_000 samples", "seed": 0, "experiment": "cnn", "optimizer": {"lr": 0.002},
    "trainer": {"threads": 2, "precision": "32-true"}, "match": {"parameters": 2e5, "flops": None},
}  # fmt: skip


def pair(first: dict[str, Any] | None = None, second: dict[str, Any] | None = None) -> list[ExperimentRuns]:
    """Return a CNN and an RNN with two seeds each, equal but for the given changes."""
    same = {"config": CONFIG, "device": "cpu", "parameters": 200_000}
    return group_by_experiment(
        [
            Run(record("classify", net=net, seed=seed, **{**same, **(changes or {})}))
            for net, changes in (("cnn", first), ("rnn", second))
            for seed in (0, 1)
        ]
    )


def conditions(found: list[ExperimentRuns]) -> dict[str, tuple[bool, str]]:
    return {c.name: (c.same, c.text.replace("\u202f", " ")) for c in matched(found)}


def test_equal_runs_match_in_all_conditions() -> None:
    found = conditions(pair())
    assert all(same for same, _ in found.values())
    assert found["Parameters"] == (True, "the same, 200 k. 200 k were asked for.")
    assert found["Budget"] == (True, "the same, 60_000 samples.")
    assert found["Tuning"] == (True, "none by a sweep; the settings are those of their files and what was typed.")
    assert found["Seeds"] == (True, "the same, 0, 1.")
    assert found["Model selection"][1].startswith("by val/loss, on validation data only; the test split is read once")
    assert unmatched(pair()) == ""


@pytest.mark.parametrize(
    ("changes", "what", "same", "sentence"),
    [
        ({"parameters": 198_000}, "Parameters", True, "within 1 %, 198 k to 200 k. 200 k were asked for."),
        (
            {"parameters": 50_000}, "Parameters", False,
            "from 50 k (RNN) to 200 k (CNN), a factor of 4. 200 k were asked for.",
        ),
        ({"flops": 97_200_002.0}, "FLOPs per sample", False, "from 24.3 M (CNN) to 97.2 M (RNN), a factor of 4."),
        ({"flops": None}, "FLOPs per sample", False, "not known for RNN."),
        ({"train_seconds": 225.0}, "Time to train", True, "within 6 %, 3 min 32 s to 3 min 45 s."),
        ({"train_seconds": 424.5}, "Time to train", False, "from 3 min 32 s (CNN) to 7 min 04 s (RNN), a factor of 2."),
        ({"samples_seen": 270_000}, "Samples seen", False, "from 270 k (RNN) to 540 k (CNN), a factor of 2."),
        ({"tuning_trials": 20}, "Tuning", False, "not the same: CNN no trials, RNN 20 trials."),
        ({"sweep": {"trial": 3}}, "Tuning", False, "not the same: CNN no trials, RNN a trial of a sweep."),
        ({"data_digest": "f" * 64}, "Prepared data", False, "not the same: CNN d1ced1ced1, RNN ffffffffff."),
        ({"git_commit": "unknown"}, "Code", False, "not known for RNN."),
        ({"git_commit": "unknown", "code_digest": "c" * 64}, "Code", False, "not known for RNN."),
        (
            {"parameters": 160_000}, "Parameters", False,
            "from 160 k (RNN) to 200 k (CNN), 25 % more. 200 k were asked for.",
        ),
        ({"device": "A GPU"}, "Device", False, "not the same: CNN cpu, RNN A GPU."),
        (
            {"monitor": "test/loss"}, "Model selection", False,
            "by val/loss and test/loss, which is not validation data alone.",
        ),
        (
            {"config": CONFIG | {"budget": "1e15 flops"}}, "Budget", False,
            "not the same: CNN 60_000 samples, RNN 1e15 flops.",
        ),
        ({"config": None}, "Settings beside the net", False, "not known."),
        (
            {"config": CONFIG | {"optimizer": {"lr": 0.01, "eps": 1e-8}}}, "Settings beside the net", False,
            "different in optimizer.lr (CNN 0.002, RNN 0.01), optimizer.eps (CNN none, RNN 1e-08).",
        ),
        (
            {"config": CONFIG | {"net": {"layers": 2}, "trainer": {"threads": 1, "precision": "32-true"}, "seed": 7}},
            "Settings beside the net", True, "the same.",
        ),
    ],
)  # fmt: skip
def test_a_difference_is_named(changes: dict[str, Any], what: str, same: bool, sentence: str) -> None:
    assert conditions(pair(second=changes))[what] == (same, sentence)
    assert (what.lower() in unmatched(pair(second=changes)).lower()) != same


def test_a_selection_that_no_run_tells_is_not_known() -> None:
    unknown = {"monitor": None}
    assert conditions(pair(unknown, unknown))["Model selection"] == (False, "not known.")


def test_text_settings_are_compared() -> None:
    alike = {"config": CONFIG | {"task": {"prompts": ["To be, or not"]}}}
    assert conditions(pair(alike, alike))["Settings beside the net"] == (True, "the same.")


def test_the_same_number_of_trials_is_fair() -> None:
    assert conditions(pair({"tuning_trials": 20}, {"tuning_trials": 20}))["Tuning"] == (True, "the same, 20 trials.")


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (
            {"examples": {"train": 54_000, "val": 6000, "test": 10_000}},
            "the same, d1ced1ced1: 54 000 training, 6 000 validation, 10 000 test examples.",
        ),
        (
            {"examples": None, "characters": {"train": 900, "val": 50, "test": 50}},
            "the same, d1ced1ced1: 900 training, 50 validation, 50 test characters.",
        ),
        ({"origin": "a folder"}, "the same, d1ced1ced1."),
    ],
)  # fmt: skip
def test_sizes_of_splits_are_named(dataset: dict[str, Any], sentence: str) -> None:
    assert conditions(pair({"dataset": dataset}, {"dataset": dataset}))["Prepared data"] == (True, sentence)


def test_uncommitted_changes_are_not_the_same_commit() -> None:
    dirty = {"git_commit": "abcdef0123" * 4 + "-dirty"}
    same, sentence = conditions(pair(dirty, dirty))["Code"]
    assert not same
    assert sentence.startswith("the same, abcdef0123-dirty: what was changed")


def test_the_code_counts_and_not_the_commit() -> None:
    first, second = ({"git_commit": commit * 40, "code_digest": "c" * 64} for commit in "ab")
    assert conditions(pair(first, second))["Code"] == (True, "the same, cccccccccc.")
    second["code_digest"] = "d" * 64
    assert conditions(pair(first, second))["Code"] == (False, "not the same: CNN cccccccccc, RNN dddddddddd.")


def test_differing_runs_of_one_net_are_named() -> None:
    found = pair()
    odd = Run(found[0].runs[1].record | {"config": CONFIG | {"optimizer": {"lr": 1.0}}, "data_digest": "e" * 64})
    mixed = [ExperimentRuns((found[0].runs[0], odd)), found[1]]
    assert conditions(mixed)["Settings beside the net"][1] == "different in optimizer.lr (CNN 0.002 or 1.0, RNN 0.002)."
    sentence = "CNN mixes runs that differ in optimizer.lr, which are no repetitions of each other."
    assert conditions(mixed)["Runs of one experiment"] == (False, sentence)
    assert conditions(mixed)["Prepared data"][1] == "not the same: CNN d1ced1ced1 and eeeeeeeeee, RNN d1ced1ced1."
    alike = [
        mixed[0],
        ExperimentRuns((Run(found[1].runs[0].record), Run(odd.record | {"net": "rnn", "experiment": "rnn"}))),
    ]
    assert not conditions(alike)["Settings beside the net"][0]


def test_differing_nets_of_one_experiment_are_named() -> None:
    found = pair()
    wider = Run(found[0].runs[1].record | {"config": CONFIG | {"net": {"width": 32}}})
    sentence = conditions([ExperimentRuns((found[0].runs[0], wider)), found[1]])
    assert sentence["Settings beside the net"][0]
    assert sentence["Runs of one experiment"][1].startswith("CNN mixes runs that differ in net.width,")


def test_experiments_of_one_family_go_by_their_own_names() -> None:
    runs = [
        Run(record("classify", net=net, experiment=name))
        for net, name in (("cnn", "a"), ("cnn", "b"), ("rnn", "c"), ("own", "d"))
    ]
    found = group_by_experiment(runs)
    assert [label(one, found) for one in found] == ["a", "b", "RNN", "d"]
    assert [label(one, found[1:]) for one in found[1:]] == ["CNN", "RNN", "d"]


def test_differing_seeds_are_named() -> None:
    found = pair()
    assert conditions([found[0], ExperimentRuns(found[1].runs[:1])])["Seeds"] == (
        False,
        "not the same: CNN 0, 1, RNN 0.",
    )


@pytest.mark.parametrize(
    ("count", "end"), [(MAX_KEYS, f"key_{MAX_KEYS - 1} (CNN none, RNN 1)."), (MAX_KEYS + 3, " and 3 more.")]
)
def test_many_settings_are_counted(count: int, end: str) -> None:
    many = CONFIG | {"schedule": {f"key_{i}": 1 for i in range(count)}}
    assert conditions(pair(second={"config": many}))["Settings beside the net"][1].endswith(end)
