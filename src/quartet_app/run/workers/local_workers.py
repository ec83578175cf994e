"""Start several workers of a run on this machine, and see to it that they end together, with their driver.

The workers meet in a file (torch's FileStore) and talk over the loopback: no port of this machine is opened to others.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quartet.types import QuartetError

if TYPE_CHECKING:
    from quartet_app.run.run_folder import Run

REFUSED, INTERRUPTED = 2, 130  # exit codes of a worker
STORE, DRIVER = "QUARTET_STORE", "QUARTET_DRIVER"  # variables of a worker: where the workers meet, who started it
BETWEEN_LOOKS, GRACE = 0.05, 30.0  # seconds; the second for workers that are to end
LOOPBACK = ("lo", "lo0")  # its names on Linux and macOS
PR_SET_PDEATHSIG = 1  # prctl(2)


def fit_locally(run: Run, *, devices: int) -> None:
    """Fit `run` on `devices` workers of this machine; return when all have ended well.

    Raises QuartetError where a worker refuses, RuntimeError where one fails, KeyboardInterrupt on an interrupt; the
    others are ended first.
    """
    with tempfile.TemporaryDirectory(prefix="quartet-workers-") as scratch:
        workers = [start(run, rank, devices, Path(scratch) / "store") for rank in range(devices)]
        try:
            wait(workers)
        finally:
            end(workers)


def start(run: Run, rank: int, devices: int, store: Path) -> subprocess.Popen[bytes]:
    """Start one worker, in a process group of its own, so that a terminal's Ctrl-C reaches the driver alone."""
    worker = ("-m", "quartet_app.run.workers.worker", str(run.folder), str(run.data), run.config_hash)
    place: dict[str, object] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "NODE_RANK": 0,
        "WORLD_SIZE": devices,
        "LOCAL_WORLD_SIZE": devices,
        STORE: store,
        DRIVER: os.getpid(),
    }
    env = {**os.environ, **{name: str(value) for name, value in place.items()}}
    names = {name for _, name in socket.if_nameindex()}
    loopback = next((name for name in LOOPBACK if name in names), None)
    if loopback is not None:
        env = {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback, **env}
    return subprocess.Popen([sys.executable, "-u", *worker], env=env, process_group=0)


def wait(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until all workers have ended well; raise for the first that has not."""
    while True:
        codes = [worker.poll() for worker in workers]
        failed = {rank: code for rank, code in enumerate(codes) if code}
        if failed:
            rank = next((rank for rank, code in failed.items() if code == REFUSED), min(failed))
            if failed[rank] == REFUSED:
                raise QuartetError(f"worker {rank} refused the run: its message is above")
            if failed[rank] == INTERRUPTED:
                raise KeyboardInterrupt
            raise RuntimeError(f"worker {rank} ended with exit code {failed[rank]}: its message is above")
        if all(code == 0 for code in codes):
            return
        time.sleep(BETWEEN_LOOKS)


def end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the workers that still run: ask first, kill after a while, or at once on a second interrupt."""
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        worker.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    try:
        for worker in running:
            worker.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for worker in running:
            worker.kill()
            worker.wait()


def end_with_driver() -> None:
    """Have this worker killed when its driver dies, however that happens. Does nothing in other processes."""
    driver = int(os.environ.get(DRIVER, "0"))
    if not driver:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(driver,), daemon=True).start()
    if os.getppid() != driver:  # it died before
        os._exit(1)


def _watch(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)


def join_workers(*, gpu: bool) -> None:
    """Make this process one of its run's workers. Does nothing where it is alone, or where others have seen to it."""
    import torch.distributed as dist

    store = os.environ.get(STORE)
    if store is None or dist.is_initialized():
        return
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if gpu:
        import torch

        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if gpu else "gloo", init_method=f"file://{store}", rank=rank, world_size=world)
