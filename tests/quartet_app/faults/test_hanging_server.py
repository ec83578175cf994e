"""An MLflow server that stops answering holds a run for a limited time, and gets the rest later by a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import QUARTET, command, curve, mlflow_server, only_run

Small = Callable[..., list[str]]
PATIENCE = 6  # seconds


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a server and its children, as a machine that hangs: connections are taken and never answered."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            one.send_signal(signal.SIGCONT)


def of_store(uri: str) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (run,) = client.search_runs(["1"])
    return client, run


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_server_that_hangs_gets_the_rest_later(devices: int, small: Small, tmp_path: Path) -> None:
    tracked = ["tracking=mlflow", f"tracking.patience={PATIENCE}", f"trainer.devices={devices}"]
    words = [*small("mnist1d_cnn", *tracked, "trainer.accelerator=cpu", steps=300), "validate_every='20 steps'"]
    with mlflow_server(f"sqlite:///{tmp_path}/server.db", tmp_path) as (server, uri):
        env = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": uri}
        process = subprocess.Popen(
            [*QUARTET, "train", *words],
            cwd=tmp_path,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not list(tmp_path.glob("runs/*/checkpoints/last.ckpt")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        with stopped(server):
            while not list(tmp_path.glob("runs/*/result.json")):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            begun = time.monotonic()
            _, said = process.communicate(timeout=300)
            held = time.monotonic() - begun
            run = only_run(tmp_path)
            assert process.returncode == 0, said
            assert f"quartet trace --send {run.relative_to(tmp_path)}" in said
            assert "Traceback" not in said
            assert json.loads((run / "state.json").read_text())["status"] == "FINISHED"
            assert held < 60, "loading and exporting the model takes some of it"
            evaluated = command("evaluate", str(run), cwd=tmp_path, MLFLOW_TRACKING_URI=uri)
            assert "quartet trace --send" in evaluated.stderr
            refused = command("trace", "--send", str(run), cwd=tmp_path, check=False, MLFLOW_TRACKING_URI=uri)
            assert refused.returncode == 2
            assert "no MLflow server answers" in refused.stderr
        _, held_run = of_store(uri)
        assert held_run.info.status == "RUNNING"
        sent = command("trace", "--send", str(run), cwd=tmp_path, MLFLOW_TRACKING_URI=uri)
        assert f"has all of it, as run {held_run.info.run_id}" in sent.stdout
        assert not (run / "unsent.csv").exists()
        client, delivered = of_store(uri)
        assert delivered.info.status == "FINISHED"
        for split, name in (("train", "loss"), ("val", "accuracy")):
            points = client.get_metric_history(delivered.info.run_id, f"{split}/{name}")
            assert [point.step for point in sorted(points, key=lambda point: point.step)] == [
                int(row["samples"]) for row in curve(run, split) if row[name]
            ]
        assert {"test/accuracy", "best/accuracy", "parameters"} <= set(delivered.data.metrics)
        assert len(delivered.outputs.model_outputs) == 1
        files = {
            file.path for folder in ("run", "evaluate") for file in client.list_artifacts(held_run.info.run_id, folder)
        }
        assert {"run/run.json", "run/config.yaml", "evaluate/metrics.json"} <= files
        command("trace", "--send", str(run), cwd=tmp_path, MLFLOW_TRACKING_URI=uri)  # once more changes nothing
        client, again = of_store(uri)
        assert len(again.outputs.model_outputs) == 1
        assert len(client.get_metric_history(again.info.run_id, "best/accuracy")) == 1


def test_a_run_that_was_not_tracked_has_nothing_to_send(small: Small, tmp_path: Path) -> None:
    command("train", *small("mnist1d_cnn"), cwd=tmp_path)
    done = command("trace", "--send", str(only_run(tmp_path)), cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "was not tracked (tracking=none): there is nothing to send" in done.stderr
