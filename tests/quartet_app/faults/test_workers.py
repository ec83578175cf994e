"""Runs on two devices that are watched, killed and interrupted: nothing listens, nothing lives on, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from running import QUARTET, command, only_run

Small = Callable[..., list[str]]
LONG = 4000  # steps, of a run that does not end by itself while it is looked at


@contextmanager
def training(words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Train in a session of its own, and leave no process of it."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [*QUARTET, "train", *words], cwd=folder, env=env, text=True, start_new_session=True, **pipes
    )  # type: ignore[call-overload]
    family = [psutil.Process(process.pid)]
    try:
        yield process
    finally:
        family += [child for child in _children(process.pid) if child not in family]
        for one in family:
            if one.is_running():
                one.kill()
        process.communicate()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def until(holds: Callable[[], object], process: subprocess.Popen[str] | None = None, *, limit: float = 120.0) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def checkpoint(folder: Path) -> bool:
    return bool(list(folder.glob("runs/*/checkpoints/last.ckpt")))


def test_no_port_is_open_to_other_machines(small: Small, tmp_path: Path) -> None:
    words = small("cnn", "trainer.devices=2", "trainer.accelerator=cpu", steps=LONG)
    with training([*words, "validate_every='20 steps'"], tmp_path) as process:
        until(lambda: checkpoint(tmp_path), process)
        family = [psutil.Process(process.pid), *_children(process.pid)]
        assert len(family) == 3, "a driver and two workers"
        listening = [
            (one.pid, socket.laddr.ip)
            for one in family
            for socket in one.net_connections("inet")
            if socket.status == psutil.CONN_LISTEN
        ]
        assert {ip for _, ip in listening} <= {"127.0.0.1", "::1"}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["cnn", "gan"])
def test_workers_die_with_their_driver_and_the_run_goes_on(experiment: str, small: Small, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    words = [*small(experiment, "trainer.devices=2", "trainer.accelerator=cpu", steps=300), "validate_every='10 steps'"]
    for folder in (whole, parts):
        folder.mkdir()
    command("train", *words, cwd=whole)
    draw = random.Random(0)
    with training(words, parts) as process:
        until(lambda: checkpoint(parts), process)
        time.sleep(draw.uniform(0.0, 0.5))
        workers = _children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: not any(one.is_running() for one in workers), limit=10.0)
    assert not (only_run(parts) / "model.safetensors").exists(), "was not interrupted: it had ended"
    command("train", *words, cwd=parts)
    assert (only_run(parts) / "model.safetensors").read_bytes() == (only_run(whole) / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_an_interrupt_of_two_devices_is_said_in_a_word(small: Small, tmp_path: Path) -> None:
    words = small("cnn", "trainer.devices=2", "trainer.accelerator=cpu", steps=LONG)
    with training([*words, "validate_every='20 steps'"], tmp_path) as process:
        until(lambda: checkpoint(tmp_path), process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert [line for line in said.splitlines() if "own" not in line] == [
            "interrupted"
        ]  # but for the data's licence
    assert json.loads((only_run(tmp_path) / "state.json").read_text())["status"] == "KILLED"


@pytest.mark.slow
def test_a_refusal_of_a_worker_ends_the_others(small: Small, tmp_path: Path) -> None:
    words = small("cnn", "trainer.devices=2", "trainer.accelerator=cpu", "optimizer=sgd", "optimizer.lr=1e30")
    done = command("train", *words, "method.grad_clip_norm=null", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "refused the run: see its message above" in done.stderr.strip().splitlines()[-1]
    assert "optimizer.lr" in done.stderr
