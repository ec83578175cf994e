"""Kills at random points of a run: it goes on each time, and ends with the weights of a run that nobody touched."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from running import QUARTET, command, curve, only_run

from quartet_app.run.workers.checkpoint_files import LAST, newest_readable

Small = Callable[..., list[str]]
KILLS = int(os.environ.get("QUARTET_KILLS", "20"))  # of each family; fewer to try a change
ELSEWHERE = Path("/dev/shm")  # another file system than that of the runs
FAMILIES = ("cnn", "rnn", "transformer", "gan")


def last_written(folder: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in folder.glob(f"runs/*/checkpoints/{LAST}")]


def kill_at_random(words: list[str], folder: Path, draw: random.Random, env: dict[str, str]) -> str:
    """Start a run and kill one of its processes at a random point; returns what was done.

    Most kills come after the next checkpoint, so that the run gets on. The others come at any time, as while the store
    or the data is made.
    """
    process = subprocess.Popen(
        [*QUARTET, "train", *words], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    known, early, deadline = last_written(folder), draw.random() < 0.3, time.monotonic() + 300
    while not early and last_written(folder) in ([], known) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    delay = draw.uniform(0.0, 10.0 if early else 0.5)
    time.sleep(delay)
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    victim = draw.randrange(len(family)) if family else 0
    if family:
        with contextlib.suppress(psutil.NoSuchProcess):
            family[victim].send_signal(signal.SIGKILL)
    process.wait(120)
    _, alive = psutil.wait_procs(family, timeout=15)
    for one in alive:
        one.kill()
    assert not alive, "they live on after their driver"
    return f"{'early' if early else 'after a checkpoint'}, {delay:.2f} s later, process {victim} of {len(family)}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="another file system at a known place")
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("experiment", FAMILIES)
def test_kills_at_random_points_change_no_bit(experiment: str, devices: int, small: Small, tmp_path: Path) -> None:
    seed = int(os.environ.get("QUARTET_SEED", random.randrange(1 << 30)))
    print(f"QUARTET_SEED={seed}")
    draw = random.Random(seed)
    more = ["tracking=mlflow", "tracking.system_metrics=false", "tracking.model=false", f"trainer.devices={devices}"]
    words = [*small(experiment, *more, "trainer.accelerator=cpu", steps=4 * KILLS), "validate_every='2 steps'"]
    words.remove("tracking=none")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(ELSEWHERE)}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    command("train", *words, cwd=whole, TMPDIR=str(ELSEWHERE))
    before = set(ELSEWHERE.iterdir())
    for number in range(KILLS):
        print(f"{number}: {kill_at_random(words, parts, draw, env)}", flush=True)
        for checkpoints in parts.glob("runs/*/checkpoints"):
            if (checkpoints / LAST).exists():
                assert newest_readable(checkpoints) == checkpoints / LAST, "a kill cost more than the work since"
    command("train", *words, cwd=parts, TMPDIR=str(ELSEWHERE))
    run, expected = only_run(parts), only_run(whole)
    assert (run / "model.safetensors").read_bytes() == (expected / "model.safetensors").read_bytes()
    times = ("seconds", "samples_per_second")
    for split in ("train", "val"):
        rows, others = (
            [{k: v for k, v in row.items() if k not in times} for row in curve(one, split)] for one in (run, expected)
        )
        assert rows == others
    left = [path for path in ELSEWHERE.iterdir() if path not in before and not path.name.startswith(("sem.", "torch_"))]
    assert sum(path.stat().st_size for path in left if path.is_file()) < 1_000_000, left
    assert_tracked_once(parts)


def assert_tracked_once(folder: Path) -> None:
    """Make sure that MLflow knows the run as finished, with one value of the monitored metric for each validation."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    finished = [run for run in client.search_runs(["1"]) if run.info.status == "FINISHED"]
    assert finished
    (split,) = {name for name in finished[0].data.metrics if name == "val/loss"} or {"train/loss"}
    steps = [point.step for point in client.get_metric_history(finished[0].info.run_id, split)]
    assert len(steps) == len(set(steps))
