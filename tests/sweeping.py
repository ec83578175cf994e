"""Sweeps of the pipeline as a user runs them, and looking at what they left."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import running


def begun(words: list[str], cwd: Path, *, project: Path = running.ROOT) -> subprocess.Popen[str]:
    """Training under way, by the repository or a copy of it in `project`."""
    return subprocess.Popen(
        [*running.QUARTET, "train", *words],
        cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**running.environment(project), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def statuses(folder: Path) -> dict[int, str]:
    return {one["trial"]: one["status"] for one in journal(folder) if one["event"] == "end"}


def tracked(here: Path) -> Any:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    experiment = client.get_experiment_by_name("quartet")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])


def samples_reported(folder: Path, trial: int) -> list[float]:
    return [one["metrics"]["samples"] for one in journal(folder) if one["event"] == "report" and one["trial"] == trial]


def wait_for_reports(folder: Path, process: subprocess.Popen[str], *, at_least: int) -> None:
    end = time.monotonic() + 240
    while not (folder / "trials.jsonl").exists() or sum(e["event"] == "report" for e in journal(folder)) < at_least:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
