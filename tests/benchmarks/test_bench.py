"""The benchmark runs, and says what it says in a table and a file. What it measures is for a quiet machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # its files import each other as a script's do

import bench as bench_script  # noqa: E402
import measure  # noqa: E402
import nanogpt  # noqa: E402
from sweeps import cost, memory, race  # noqa: E402


def bench(folder: Path, *arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "bench.py"), *arguments],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", **env}, timeout=timeout,
    )  # fmt: skip


def report(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "reports" / "bench.json").read_text())["lines"]


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "speed")
    assert done.returncode == 2
    assert "speed" in done.stderr
    assert "startup" in done.stderr


def test_sides_take_turns_and_the_ratio_is_of_medians() -> None:
    order: list[str] = []
    values = {"ours": iter([4.0, 9.0, 6.0]), "theirs": iter([2.0, 3.0, 1.0])}

    def side(name: str) -> float:
        order.append(name)
        return next(values[name])

    ours, theirs = measure.alternate(lambda: side("ours"), lambda: side("theirs"), repetitions=3, title="")
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert measure.ratio(ours, theirs) == 3.0


@pytest.mark.parametrize(("above", "met"), [(True, False), (False, True)])
def test_a_target_is_a_floor_or_a_ceiling(above: bool, met: bool) -> None:
    assert measure.Line(part="", name="", what="", value=1.0, target=2.0, above=above).met is met


def test_the_recipe_is_the_published_one_and_learns() -> None:
    recipe = nanogpt.Recipe()
    assert recipe.rate_at(100) == pytest.approx(1e-3)
    assert recipe.rate_at(1999) == pytest.approx(1e-4, rel=1e-2)
    tokens = np.tile(np.arange(8, dtype=np.uint16), 100)
    training = nanogpt.Training(nanogpt.Recipe(warmup=5), tokens=tokens, vocabulary=8, seed=0)
    weights = sum(weight.numel() for weight in training.model.parameters())
    assert weights == 4 * (12 * 128**2 + 2 * 128) + 128 + 64 * 128 + 8 * 128
    windows = training.tokens[None, :65]
    losses = []
    for _ in range(2):
        logits_BLV, _ = training.model(windows[:, :-1])
        losses.append(nanogpt.F.cross_entropy(logits_BLV.flatten(0, 1), windows[:, 1:].flatten()).item())
        for _ in range(10):
            training.step()
    assert losses[1] < 0.5 * losses[0] < 0.5 * 3


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run every part, quickly and with nothing that could be fetched."""
    folder = tmp_path_factory.mktemp("bench")
    return folder, bench(folder, "--quick", timeout=580, QUARTET_MIRROR="/nowhere", CUDA_VISIBLE_DEVICES="")


def test_every_part_works(quick: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = quick
    lines = report(folder)
    assert done.returncode == 0, [line["note"] for line in lines if line["broken"]]
    assert {line["part"] for line in lines} == set(bench_script.PARTS)
    for line in lines:
        if line["value"] is None:
            assert line["part"] == "gpu" or line["name"].startswith("dvc"), line["note"]
            assert len(line["note"]) > len("skipped: "), line
        else:
            assert line["ours"], line
            assert line["command"], line
    assert "Traceback" not in done.stderr
    for name in ("--help", "a wrong key", "a wrong type", "an impossible combination"):
        assert name in done.stdout
    assert [line["note"] for line in lines if line["part"] == "gpu"] == ["skipped: this machine has no GPU"]
    assert [path.name for path in folder.iterdir()] == ["reports"], "made-up data are removed"


def test_sweeps_are_measured(quick: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    asha, trial, server, shared = (line for line in report(quick[0]) if line["part"] == "sweeps")
    for line in (asha, trial, server, shared):
        assert line["met"] is not None
        assert "hydra/sweeper=ray" in line["command"]
    assert len(asha["more"]["seeds"]) == len(asha["ours"]) == len(asha["theirs"]) == 1
    assert trial["ours"] == [trial["value"]]
    assert server["value"] == 0, server["more"]
    assert server["more"]["together"] == [2]
    if sys.platform == "linux":
        assert 0.9 < shared["value"] < 2.1


def test_a_broken_part_is_named_and_ends_with_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: Any) -> Any:
        raise TypeError("missing 1 required positional argument")

    def skipped(**_: Any) -> Any:
        raise measure.Skipped("no data here")

    monkeypatch.setattr("startup.measure", broken)
    monkeypatch.setattr("processes.measure", skipped)
    out = ["--quick", "--out", str(tmp_path / "reports" / "bench.json")]
    with warnings.catch_warnings():
        assert bench_script.main(["--only", "processes", *out]) == 0
        assert bench_script.main(["--only", "processes,startup", *out]) == 1
    assert "broken: startup" in capsys.readouterr().err
    first, second = report(tmp_path)
    assert "missing 1 required" in first["note"]
    assert second["note"] == "skipped: no data here"


def test_a_sweep_is_as_good_once_a_trial_near_the_best_has_ended() -> None:
    ended = [(10.0, 0.5), (20.0, 0.895), (30.0, 0.9)]
    assert race.found(ended, best=0.9) == 20.0
    assert race.found(ended, best=0.92) is None


def test_both_sides_try_the_same_in_the_same_order() -> None:
    first, again, other = (race.words(race.GRID, epochs=2, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert sorted(first) != sorted(other)


def test_the_first_trial_and_training_are_left_out_of_a_trials_cost() -> None:
    runs = [(100.0, {"train_seconds": 50.0}), (103.0, {"train_seconds": 2.0}), (107.0, {"train_seconds": 3.5})]
    assert cost.beyond(runs) == [1.0, 0.5]


def test_a_copy_is_what_is_mapped_together_or_read_apart(tmp_path: Path) -> None:
    mapped, read = tmp_path / "x_train.npy", tmp_path / "y_train.npy"
    mapped.write_bytes(bytes(1000))
    assert memory.copies([{mapped: (250, 1000)}] * 4, [mapped]) == (1.0, ["x_train.npy"])
    read.write_bytes(bytes(1000))
    assert memory.copies([{}] * 4, [read]) == (4.0, [])
    assert memory.copies([{mapped: (250, 1000)}] * 4, [mapped, read]) == (2.5, ["x_train.npy"])
