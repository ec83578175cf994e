"""What listens while each kind of run runs: nothing on any interface but the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from listening import open_to_others, watched
from running import QUARTET, command, model_server

Small = Callable[..., list[str]]
TWO = ("trainer.devices=2", "trainer.accelerator=cpu")
RUNS = {
    "one device": ((), False),
    "two devices": (TWO, True),
    "one worker on Ray": (("launcher=ray", "trainer.accelerator=cpu"), True),
    "two workers on Ray": (("launcher=ray", *TWO), True),
}
pytestmark = pytest.mark.timeout(1000)
SLOW = {"two devices", "one worker on Ray", "two workers on Ray"}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in RUNS])
def test_a_run_listens_to_this_machine_alone(kind: str, small: Small, tmp_path: Path) -> None:
    more, listens = RUNS[kind]
    with watched() as watch:
        command("train", *small("cnn", *more, steps=40), cwd=tmp_path, limit=900)
    found = watch.end()
    assert not open_to_others(found)
    assert bool(found) == listens


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_sweep_listens_to_this_machine_alone(
    workers: int, sweep_overrides: Callable[..., list[str]], here: Path
) -> None:
    more = (f"hydra.sweeper.workers={workers}", *TWO) if workers else ()
    with watched() as watch:
        command("train", *sweep_overrides("optimizer.lr=0.01,0.02", *more), cwd=here, limit=900)
    found = watch.end()
    assert found
    assert not open_to_others(found)


@pytest.mark.slow
def test_a_served_model_listens_to_this_machine_alone(trained: Path) -> None:
    with watched() as watch, model_server("models:/quartet-classify@champion", trained):
        watch.look()
    found = watch.end()
    assert found
    assert not open_to_others(found)


def test_the_pages_listen_to_this_machine_alone(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with watched() as watch:
        process = subprocess.Popen(
            [*QUARTET, "ui", "--port", str(port)], cwd=tmp_path, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            answers(f"http://127.0.0.1:{port}", process)
            watch.look()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    found = watch.end()
    assert found
    assert not open_to_others(found)


def answers(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server at `address` answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("it never answered")
