"""Test a real MLflow server: it stores a run, and training continues when it dies."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import mlflow_server

from quartet.tracking import MLflow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with mlflow_server(f"sqlite:///{tmp_path}/server.db", tmp_path) as running:
        yield running


@pytest.mark.slow
def test_a_run_through_a_server_that_dies(
    server: tuple[subprocess.Popen[bytes], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.tracking import MlflowClient

    process, uri = server
    tracker = MLflow(uri=uri, experiment="quartet", system_metrics=True, model=False)
    run = tracker.start(name="served", params={"a": {"b": "x" * 3000}}, tags={}, dataset={"name": "d", "digest": "1"})
    tracker.text(run, "note.txt", "hello")
    with tracker.attach(run) as metrics:
        metrics.log({"train/loss": 1.0}, step=1)
    found = MlflowClient(uri).get_run(run)
    assert found.data.metrics["train/loss"] == 1.0
    assert found.data.params["a.b"] == "x" * 3000
    assert (tmp_path / "artifacts").exists()

    metrics = tracker.attach(run, unsent=tmp_path / "unsent.csv")
    process.terminate()
    process.wait(30)
    with caplog.at_level(logging.WARNING):
        for step in range(2, 12):
            metrics.log({"train/loss": 1.0 / step}, step=step)
        begin = time.monotonic()
        metrics.close()
    assert time.monotonic() - begin < 30
    assert len((tmp_path / "unsent.csv").read_text().splitlines()) >= 11
    assert "unsent.csv" in caplog.text
