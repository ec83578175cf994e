"""What listens while each kind of run runs: nothing on any interface but the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from running import QUARTET, command, model_server

Small = Callable[..., list[str]]
LOOPBACK = {"127.0.0.1", "::1"}
PAUSE = 0.1  # seconds between two looks: torch's store lives as long as a run's workers


class Watch(threading.Thread):
    """Collect what this process's descendants have bound, again and again until `end`: (address, command line)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.found, self.looks = threading.Event(), set[tuple[str, str]](), 0

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            self.looks += 1
            for one in psutil.Process().children(recursive=True):
                try:
                    bound = [each for each in one.net_connections("inet") if each.laddr and not each.raddr]
                    listening = [each for each in bound if each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)]
                    named = " ".join(one.cmdline())[:90] if listening else ""
                    self.found |= {(each.laddr.ip.removeprefix("::ffff:"), named) for each in listening}
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue

    def end(self) -> set[tuple[str, str]]:
        self.over.set()
        self.join()
        assert self.looks > 5, "it never looked"
        return self.found


@contextmanager
def watched() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()


def open_to_others(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(ip, name) for ip, name in found if ip not in LOOPBACK}


TWO = ("trainer.devices=2", "trainer.accelerator=cpu")
RUNS = {
    "one device": ((), False),
    "two devices": (TWO, True),
    "one worker on Ray": (("launcher=ray", "trainer.accelerator=cpu"), True),
    "two workers on Ray": (("launcher=ray", *TWO), True),
}
pytestmark = pytest.mark.timeout(1000)
SLOW = {"one worker on Ray", "two workers on Ray"}


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
        pass
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
