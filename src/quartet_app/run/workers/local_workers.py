"""Start several workers of a run on this machine, and end them together, also where their driver dies.

The workers meet through a file (torch's FileStore) and talk over the loopback interface, so that no port of this
machine is open to others.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quartet.types import QuartetError
from quartet_app.processes import die_with_parent

if TYPE_CHECKING:
    from quartet_app.run.run_folder import Run

REFUSED, INTERRUPTED = 2, 130  # exit codes of a worker
STORE, DRIVER = "QUARTET_STORE", "QUARTET_DRIVER"  # variables of a worker: the meeting file, its driver's process id
POLL_SECONDS = 0.05
GRACE_SECONDS = 30.0  # until workers that do not end are killed
LOOPBACK = ("lo", "lo0")  # the interface's names on Linux and macOS


def fit_locally(run: Run, *, devices: int) -> None:
    """Fit `run` on `devices` workers of this machine; return when all have ended without an error.

    Raises QuartetError where a worker refuses the run, RuntimeError where a worker fails, and KeyboardInterrupt on an
    interrupt. It ends the other workers first.
    """
    with tempfile.TemporaryDirectory(prefix="quartet-workers-") as scratch:
        workers = [start(run, rank, devices, Path(scratch) / "store") for rank in range(devices)]
        try:
            wait(workers)
        finally:
            end(workers)


def start(run: Run, rank: int, devices: int, store: Path) -> subprocess.Popen[bytes]:
    """Start one worker, in a process group of its own, so that a terminal's Ctrl-C reaches only the driver."""
    worker = ("-m", "quartet_app.run.workers.worker", str(run.folder), str(run.data), run.config_hash)
    variables: dict[str, object] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "NODE_RANK": 0,
        "WORLD_SIZE": devices,
        "LOCAL_WORLD_SIZE": devices,
        STORE: store,
        DRIVER: os.getpid(),
    }
    env = {**loopback_variables(), **os.environ, **{name: str(value) for name, value in variables.items()}}
    return subprocess.Popen([sys.executable, "-u", *worker], env=env, process_group=0)


def loopback_variables() -> dict[str, str]:
    """Return the variables that make gloo and NCCL listen on the loopback interface; {} where it is not known."""
    names = {name for _, name in socket.if_nameindex()}
    loopback = next((name for name in LOOPBACK if name in names), None)
    return {} if loopback is None else {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}


def wait(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until all workers have ended without an error; raise for the first that failed, as in `fit_locally`."""
    while True:
        codes = [worker.poll() for worker in workers]
        failed = {rank: code for rank, code in enumerate(codes) if code}
        if failed:
            rank = next((rank for rank, code in failed.items() if code == REFUSED), min(failed))
            if failed[rank] == REFUSED:
                raise QuartetError(f"worker {rank} refused the run: see its message above")
            if failed[rank] == INTERRUPTED:
                raise KeyboardInterrupt
            raise RuntimeError(f"worker {rank} ended with exit code {failed[rank]}: see its message above")
        if all(code == 0 for code in codes):
            return
        time.sleep(POLL_SECONDS)


def end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the workers that still run by SIGTERM; kill them after GRACE_SECONDS, or at once on a second interrupt."""
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        worker.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        for worker in running:
            worker.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for worker in running:
            worker.kill()
            worker.wait()


def end_with_driver() -> None:
    """End this worker when its driver dies, even by SIGKILL. Does nothing in other processes."""
    if driver := int(os.environ.get(DRIVER, "0")):
        die_with_parent(driver)


def join_workers(*, gpu: bool) -> None:
    """Join the process group of the run's workers. Does nothing for a single process, and where Ray Train has done it.

    `gpu` is True for NCCL on GPUs, False for gloo on CPUs.
    """
    import torch.distributed as dist

    store = os.environ.get(STORE)
    if store is None or dist.is_initialized():
        return
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if gpu:
        import torch

        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if gpu else "gloo", init_method=f"file://{store}", rank=rank, world_size=world)
