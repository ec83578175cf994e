"""What MLflow knows of a run, as its users would look: statuses, parameters, metrics by samples, the model."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import QUARTET, command, curve, facts, only_run

from quartet_app.config.resolved import load_config

Small = Callable[..., list[str]]


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def the_run(folder: Path) -> Any:
    (run,) = client(folder).search_runs(["1"])
    return run


@pytest.mark.slow
def test_a_finished_run_and_its_model(small: Small, tmp_path: Path) -> None:
    command("train", *small("cnn", "tracking=mlflow"), cwd=tmp_path)
    command("evaluate", str(only_run(tmp_path)), cwd=tmp_path)
    run, said = the_run(tmp_path), facts(only_run(tmp_path))
    assert run.info.status == "FINISHED"
    assert run.info.run_id == said["mlflow_run_id"]
    assert float(run.data.params["optimizer.lr"]) == load_config(only_run(tmp_path) / "config.yaml")["optimizer"]["lr"]
    assert len(run.data.params) > 40
    assert run.data.tags["fingerprint"] == said["fingerprint"]
    assert run.inputs.dataset_inputs
    history = client(tmp_path).get_metric_history(run.info.run_id, "train/loss")
    samples = [int(row["samples"]) for row in curve(only_run(tmp_path), "train")]
    assert [point.step for point in history] == samples
    assert "test/accuracy" in run.data.metrics
    code = (
        "import mlflow, numpy as np\n"
        f"mlflow.set_tracking_uri('sqlite:///{tmp_path}/mlflow.db')\n"
        f"model = mlflow.pyfunc.load_model('runs:/{run.info.run_id}/model')\n"
        "print(len(model.predict(np.zeros((3, 28, 28), np.uint8))))\n"
        "import sys; assert not any(name.startswith('quartet.nets') for name in sys.modules)\n"
    )
    # Isolated: neither this repository nor the package can be imported.
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("3")


@pytest.mark.slow
def test_a_failed_run_is_said_to_have_failed(small: Small, tmp_path: Path) -> None:
    bad = small("cnn", "tracking=mlflow", "optimizer=sgd", "optimizer.lr=1e30", "method.grad_clip_norm=null")
    assert command("train", *bad, cwd=tmp_path, check=False).returncode == 2
    assert the_run(tmp_path).info.status == "FAILED"


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_terminated_run_is_said_to_be_killed_and_goes_on_as_one(devices: int, small: Small, tmp_path: Path) -> None:
    overrides = small("cnn", "tracking=mlflow", f"trainer.devices={devices}", "validate_every='50 steps'", steps=400)
    arguments = [*QUARTET, "train", *overrides, "trainer.accelerator=cpu"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert the_run(tmp_path).info.status == "KILLED"
    subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True)
    assert the_run(tmp_path).info.status == "FINISHED"
