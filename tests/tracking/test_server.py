"""A real MLflow server: a run goes through it, and training goes on when it dies."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartet.tracking import MLflow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", f"{tmp_path}/artifacts", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(tmp_path / "server.log", "wb") as log:
        process = subprocess.Popen([*command, "--workers", "1"], env=quiet, stdout=log, stderr=log, cwd=tmp_path)
    try:
        for _ in range(120):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        time.sleep(1.0)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


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
