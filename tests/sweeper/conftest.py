"""Provide a small Hydra application that reports, and fixtures that run it as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

APP = """
import json, os, time
import hydra
from hydra_plugins.quartet_ray_sweeper import report, trial

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(config):
    mine = trial()
    state = mine.folder / "state.json" if mine else None
    source = mine.checkpoint if mine and mine.checkpoint else state
    start = json.loads(source.read_text())["step"] if source and source.exists() else 0
    print("started at", start, "pid", os.getpid(), flush=True)
    score, begin = None, time.time()
    for step in range(start + 1, config.steps + 1):
        time.sleep(config.slow)
        if config.fail and step == 2:
            raise ValueError("broke")
        score = (config.lr - 0.1) ** 2 + (1.0 if config.net.kind == "b" else 0.0) + 1 / step
        if state:
            state.write_text(json.dumps({"step": step}))
            (mine.folder / "span.json").write_text(json.dumps([begin, time.time()]))
        if report({"objective": score, "time": step, "cost": config.lr}, checkpoint=state):
            time.sleep(0.5)
            (mine.folder / "cleaned").write_text(str(step))
            return score
    return score

if __name__ == "__main__":
    main()
"""
CONFIG = "defaults: [_self_, net: a]\nlr: 0.1\nheads: null\nsteps: 9\nslow: 0.02\nfail: false\nseed: 0\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Write `app.py` and its conf/ to a folder of their own; return the path of `app.py`."""
    (tmp_path / "conf" / "net").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    for name in "ab":
        (tmp_path / "conf" / "net" / f"{name}.yaml").write_text(f"kind: {name}\n")
    (tmp_path / "app.py").write_text(APP)
    return tmp_path / "app.py"


Sweep = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(app: Path) -> Sweep:
    """Return `start("lr=1,2")`, which starts a sweep of the application on Ray, in the folder `sweep`."""

    def begin(*arguments: str, **env: str) -> subprocess.Popen[str]:
        words = ["-m", "hydra/sweeper=ray", "hydra.sweeper.max_time=9", "hydra.sweep.dir=sweep", *arguments]
        return subprocess.Popen(
            [sys.executable, str(app), *words],
            cwd=app.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )  # fmt: skip

    return begin


@pytest.fixture
def sweep(start: Sweep) -> Callable[..., tuple[int, str, str]]:
    """Return `sweep("lr=1,2")`, which runs such a sweep and returns exit code, output and errors."""

    def run(*arguments: str, **env: str) -> tuple[int, str, str]:
        process = start(*arguments, **env)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    return run


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def statuses(folder: Path) -> dict[int, str]:
    return {event["trial"]: event["status"] for event in events(folder) if event["event"] == "end"}


def logged(folder: Path, trial: int) -> str:
    return (folder / str(trial) / "trial.log").read_text()


def pids(folder: Path) -> set[int]:
    """Return the ids of the processes in which the trials ran."""
    words = [word.split() for log in folder.glob("*/trial.log") for word in log.read_text().splitlines()]
    return {int(line[-1]) for line in words if line[:1] == ["started"]}


def alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
