from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import command, curve, facts, interrupted, only_run, runs, weights

from quartet_app.config.composing import compose
from quartet_app.config.options import option_files
from quartet_app.run.train import train

Small = Callable[..., list[str]]


@pytest.mark.parametrize("experiment", option_files("experiment"))
def test_every_shipped_experiment_runs(experiment: str, small: Small, here: Path) -> None:
    objective = train(compose(small(experiment)))
    run = only_run(here)
    said = facts(run)
    assert said["metrics"][said["monitor"]] == objective
    assert np.isfinite(objective)
    assert said["samples_seen"] > 0
    assert said["flops"] > 0
    assert {name.split("/")[0] for name in said["metrics"]} == {"val"}, "training must not read the test split"
    assert len(curve(run, "val")) == 2


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("cnn", ["trainer.precision=bf16-mixed", "method.ema_decay=null"]),
        (
            "gan",
            [
                "trainer.precision=bf16-mixed",
                "method.accumulate_grad_batches=2",
                "method.grad_clip_norm=0.5",
                "method.r1=1.0",
            ],
        ),
        ("gan", ["method.discriminator_warmup_steps=2", "method.n_critic=2", "method.loss=least_squares"]),
        pytest.param("cnn", ["trainer.compile=true"], marks=pytest.mark.slow),
        pytest.param("gan", ["trainer.compile=true"], marks=pytest.mark.slow),
    ],
)
def test_switches(experiment: str, words: list[str], small: Small, here: Path) -> None:
    assert np.isfinite(train(compose(small(experiment, *words))))


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_budget_in_seconds_is_of_training_by_one_clock(devices: int, small: Small, here: Path) -> None:
    many = ["budget='3 seconds'", "validate_every='1 second'", f"trainer.devices={devices}", "trainer.accelerator=cpu"]
    train(compose(small("cnn", *many)))
    said = facts(only_run(here))
    rows = curve(only_run(here), "val")
    assert 3.0 <= said["train_seconds"] < 6.0
    assert 1 <= len(rows) <= 3  # a slow step may pass over one
    assert float(rows[-1]["samples"]) == said["samples_seen"]
    assert float(curve(only_run(here), "train")[-1]["lr"]) < 0.02, "the schedule runs on the same clock"


def test_half_fooled_ends_a_run_before_its_budget(small: Small, here: Path) -> None:
    rule = ["method.stop.rule=half_fooled", "method.stop.tolerance=0.5", "method.stop.patience=1"]
    train(compose(small("gan", *rule, steps=6)))
    assert facts(only_run(here))["steps"] == 3


@pytest.mark.parametrize("experiment", ["rnn", pytest.param("gan", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_as_if_it_had_not_been(experiment: str, small: Small, tmp_path: Path) -> None:
    overrides = small(experiment, "net.dropout=0.2", "validate_every='4 steps'", steps=40)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    command("train", *overrides, cwd=whole)
    interrupted(overrides, parts)
    assert not (only_run(parts) / "model.safetensors").exists(), "was not interrupted: it had ended"
    command("train", *overrides, cwd=parts)
    expected, found = only_run(whole), only_run(parts)
    assert expected.name == found.name
    assert (expected / "model.safetensors").read_bytes() == (found / "model.safetensors").read_bytes()
    times = ("samples_per_second", "seconds")
    rows = [
        [{k: v for k, v in row.items() if k not in times} for row in curve(run, "train")] for run in (expected, found)
    ]
    assert rows[0] == rows[1]


def test_a_run_that_had_only_to_be_written_down_is_trained_no_further(small: Small, here: Path) -> None:
    overrides = small("gan")
    train(compose(overrides))
    run = only_run(here)
    expected = (run / "model.safetensors").read_bytes()
    for name in ("model.safetensors", "result.json", "run.json", "train.csv", "val.csv"):
        (run / name).unlink()
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "status": "RUNNING"}))
    train(compose(overrides))
    assert (run / "model.safetensors").read_bytes() == expected
    assert facts(run)["steps"] == 6


def test_a_finished_run_is_kept_until_it_has_been_trained_again(
    small: Small, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = small("cnn")
    train(compose(overrides))
    run = only_run(here)
    expected = (run / "model.safetensors").read_bytes()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quartet_app.run.workers.launch.launch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(compose(overrides))
    assert (run / "before" / "model.safetensors").read_bytes() == expected
    train(compose(overrides))
    assert (run / "model.safetensors").read_bytes() == expected
    assert not (run / "before").exists()


@pytest.mark.parametrize(
    ("experiment", "extra"),
    [
        ("cnn", ["net.norm=batch", "trainer.sync_batch_norm=true", "method.accumulate_grad_batches=2"]),
        pytest.param("gan", ["net.norm=batch", "trainer.sync_batch_norm=true"], marks=pytest.mark.slow),
        pytest.param("rnn", [], marks=pytest.mark.slow),
        pytest.param("transformer", [], marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_as_one(experiment: str, extra: list[str], small: Small, tmp_path: Path) -> None:
    exact = ["trainer.precision=64-true", "net.dropout=0.0", "trainer.accelerator=cpu", *extra]
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, devices in ((one, 1), (two, 2)):
        folder.mkdir()
        command("train", *small(experiment, *exact, f"trainer.devices={devices}"), cwd=folder)
    first, second = only_run(one), only_run(two)
    assert facts(second)["devices"] == 2
    expected, found = weights(first), weights(second)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
    # An odd number of validation examples: none may count twice.
    for name, value in facts(first)["metrics"].items():
        assert facts(second)["metrics"][name] == pytest.approx(value, rel=1e-6), name


@pytest.mark.slow
def test_dropout_draws_other_masks_on_two_devices_and_the_same_ones_again(small: Small, tmp_path: Path) -> None:
    """All else is as in the test above, where the weights are equal; so the masks alone make the difference."""
    exact = ["trainer.precision=64-true", "trainer.accelerator=cpu", "trainer.sync_batch_norm=true", "net.dropout=0.5"]
    found = []
    for name, devices in (("one", 1), ("two", 2), ("again", 2)):
        (tmp_path / name).mkdir()
        command("train", *small("mnist1d_cnn", *exact, f"trainer.devices={devices}"), cwd=tmp_path / name)
        found.append(weights(only_run(tmp_path / name)))
    one, two, again = found
    assert any(not np.allclose(value, two[name], rtol=1e-6, atol=1e-9) for name, value in one.items())
    for name, value in two.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)


@pytest.mark.slow
def test_multirun_with_two_devices_makes_one_run_a_job(small: Small, tmp_path: Path) -> None:
    command(
        "train",
        "--multirun",
        *small("cnn", "trainer.devices=2", "trainer.accelerator=cpu", "optimizer.lr=0.001,0.01"),
        cwd=tmp_path,
    )
    found = runs(tmp_path)
    assert len(found) == 2
    assert {facts(run)["devices"] for run in found} == {2}
    rates = {max(float(row["lr"]) for row in curve(run, "train")) for run in found}
    assert len(rates) == 2, "each job has its own learning rate"


def test_trains_without_dvc_mlflow_and_ray(small: Small, tmp_path: Path) -> None:
    blocker = tmp_path / "block"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'dvc', 'mlflow', 'ray'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    command("train", *small("cnn", steps=2), cwd=tmp_path, PYTHONPATH=str(blocker))
    assert only_run(tmp_path)


def test_divergence_says_what_to_do(small: Small, tmp_path: Path) -> None:
    refused = command(
        "train",
        *small("cnn", "optimizer=sgd", "optimizer.lr=1e30", "method.grad_clip_norm=null"),
        cwd=tmp_path,
        check=False,
    )
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "optimizer.lr" in refused.stderr.strip().splitlines()[-1]


def test_one_seed_twice_is_the_same_run_and_another_is_not(small: Small, here: Path) -> None:
    for seed in (0, 0, 1):
        train(compose(small("cnn", f"seed={seed}", steps=2)))
    first, second = runs(here)
    assert first.name.startswith("cnn-0-")
    assert second.name.startswith("cnn-1-")
    different = [name for name, value in weights(first).items() if not np.array_equal(value, weights(second)[name])]
    assert different


def test_checkpoints_load_without_trusting_them(small: Small, here: Path) -> None:
    import torch

    train(compose(small("gan", steps=2)))
    for path in (only_run(here) / "checkpoints").glob("*.ckpt"):
        torch.load(path, weights_only=True)
