"""Signals end a run of any launcher as Ctrl-C does: by the code of the signal, with its status written and sent."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import QUARTET, command, only_run

Small = Callable[..., list[str]]
LAUNCHERS = {
    "one device": [],
    "two devices": ["trainer.devices=2"],
    "ray": ["launcher=ray", "trainer.devices=2", "launcher.cpus=0.5"],
}
CODES = {"INT": 130, "TERM": 130, "HUP": 129}


def started(words: list[str], folder: Path, **options: Any) -> subprocess.Popen[str]:
    """Start a training and wait for its first checkpoint."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen([*QUARTET, "train", *words], cwd=folder, env=env, text=True, **pipes)
    deadline = time.monotonic() + 240
    while not list(folder.glob("runs/*/checkpoints/last.ckpt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def in_mlflow(folder: Path) -> str:
    from mlflow import MlflowClient

    (run,) = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"])
    return str(run.info.status)


@pytest.mark.parametrize(
    ("launcher", "sent"),
    [
        ("one device", "HUP"),
        pytest.param("one device", "INT", marks=pytest.mark.slow),
        pytest.param("two devices", "HUP", marks=pytest.mark.slow),
        *(pytest.param("ray", sent, marks=pytest.mark.slow) for sent in CODES),
    ],
)
def test_a_signal_ends_a_run_with_its_status(launcher: str, sent: str, small: Small, tmp_path: Path) -> None:
    more = ["tracking=mlflow", "tracking.system_metrics=false", "trainer.accelerator=cpu", *LAUNCHERS[launcher]]
    process = started([*small("mnist1d_cnn", *more, steps=8000), "validate_every='20 steps'"], tmp_path)
    process.send_signal(getattr(signal, f"SIG{sent}"))
    _, said = process.communicate(timeout=100)
    assert process.returncode == CODES[sent], said
    assert said.strip().splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert json.loads((only_run(tmp_path) / "state.json").read_text())["status"] == "KILLED"
    assert in_mlflow(tmp_path) == "KILLED"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("sent", CODES)
def test_a_signal_to_all_processes_ends_a_run_with_its_status(
    launcher: str, sent: str, small: Small, tmp_path: Path
) -> None:
    """As a cluster's scheduler sends it, and `kill -- -GROUP`: Ray's own processes get it too, at any time."""
    more = ["tracking=mlflow", "tracking.system_metrics=false", "trainer.accelerator=cpu", *LAUNCHERS[launcher]]
    words = [*small("mnist1d_cnn", *more, steps=8000), "validate_every='20 steps'"]
    process = started(words, tmp_path, start_new_session=True)
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    for pid in reversed(family):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, f"SIG{sent}"))
    _, said = process.communicate(timeout=100)
    assert process.returncode == CODES[sent], said
    assert said.strip().splitlines()[-1] == "interrupted"
    assert json.loads((only_run(tmp_path) / "state.json").read_text())["status"] == "KILLED"
    assert in_mlflow(tmp_path) == "KILLED"


@pytest.mark.slow
def test_a_closed_terminal_ends_a_run_though_it_cannot_print(small: Small, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = [*small("mnist1d_cnn", "trainer.progress=true", steps=8000), "validate_every='20 steps'"]
    words.remove("trainer.progress=false")
    log_in = lambda: os.login_tty(theirs)  # noqa: E731  # the system then sends SIGHUP by itself
    process = started(words, tmp_path, stdout=None, stderr=None, preexec_fn=log_in)
    os.close(theirs)
    os.close(ours)
    assert process.wait(60) == 129
    assert json.loads((only_run(tmp_path) / "state.json").read_text())["status"] == "KILLED"


@pytest.mark.slow
def test_nohup_keeps_a_run_alive(small: Small, tmp_path: Path) -> None:
    ignored = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    words = [*small("mnist1d_cnn", steps=400), "validate_every='20 steps'"]
    process = started(words, tmp_path, preexec_fn=ignored)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said


@pytest.mark.slow
def test_a_run_that_was_hung_up_goes_on(small: Small, tmp_path: Path) -> None:
    words = [*small("mnist1d_cnn", steps=400), "validate_every='20 steps'"]
    process = started(words, tmp_path)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=100)
    command("train", *words, cwd=tmp_path)
    assert json.loads((only_run(tmp_path) / "state.json").read_text())["status"] == "FINISHED"
