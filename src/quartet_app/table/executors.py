"""Where cells run: several at once on this machine, whose cores or GPUs they share, or spread over a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.run.environment import cores
from quartet_app.run.train import terminable
from quartet_app.table.table_runs import TableRun, execute

Submit = Callable[[TableRun], "Future[float]"]  # begins a cell, soon; its result is the seconds that it took


@contextlib.contextmanager
def local(table: Path, jobs: int | None, waiting: list[TableRun]) -> Iterator[Submit]:
    """Submits cells to processes of this machine, which share its cores, or each have GPUs of their own."""
    visible = gpus()
    jobs = jobs or at_once(waiting, len(visible))
    pool, children, devices = ThreadPoolExecutor(jobs), Children(), Devices(visible)

    def work(cell: TableRun) -> float:
        with devices.lent(cell) as shown:
            processes = min(jobs * cell.devices, len(visible)) if shown else jobs * cell.devices
            return execute(table, cell, max(1, cores() // processes), more=shown, run=children.run)

    with terminable():
        try:
            yield lambda cell: pool.submit(work, cell)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end(signal.SIGINT)
            raise
        finally:
            try:
                pool.shutdown()
            except KeyboardInterrupt:
                children.end(signal.SIGKILL)
                raise


def at_once(waiting: Sequence[TableRun], count: int) -> int:
    """How many cells: as many as there are GPUs, for which a cell waits where too few are free; on CPUs, as many as
    have a core for each of their devices."""
    if count and any(cell.accelerator != "cpu" for cell in waiting):
        return count
    return max(1, cores() // max((cell.devices for cell in waiting), default=1))


@contextlib.contextmanager
def on_ray(table: Path, address: str | None, cpus: int) -> Iterator[Submit]:
    """Submits cells to a Ray cluster, or a Ray of this machine alone, as tasks, each with its devices; refuses one for
    which no machine has room."""
    from hydra_plugins.quartet_ray_sweeper import ResourceRequest, describe_nodes, live_nodes, ray_running
    from quartet_app.run.ray_train import as_quartet_error

    with as_quartet_error(), ray_running(address=address, dashboard=False, key="--ray") as ray:
        machines = live_nodes(ray)
        # A task that asks for no GPU sees none, and `auto` would come to the CPU.
        gpu = ("gpu", "auto") if any(machine["Resources"].get("GPU") for machine in machines) else ("gpu",)
        remote = ray.remote(max_retries=2)(on_machine)
        tasks: list[Any] = []

        def submit(cell: TableRun) -> Future[float]:
            own = {"cpus": cell.devices * cpus, "gpus": cell.devices if cell.accelerator in gpu else 0}
            room = ResourceRequest(**own, workers=0, worker_cpus=0, worker_gpus=0)
            if not room.max_concurrent(machines):
                raise QuartetError(
                    f"{cell.name}: {room.describe()} asked for, Ray has {describe_nodes(machines)}\n"
                    "take fewer (trainer.devices, --cpus) or a larger cluster (--ray)"
                )
            options = {"num_cpus": room.cpus, "num_gpus": room.gpus, "name": cell.name}
            tasks.append(remote.options(**options).remote(table.resolve(), cell, cpus))
            return tasks[-1].future()  # type: ignore[no-any-return]

        try:
            yield submit
        except KeyboardInterrupt:
            for task in tasks:
                ray.cancel(task)
            ray.wait(tasks, num_returns=len(tasks))
            raise


def on_machine(table: Path, cell: TableRun, threads: int) -> float:
    """`execute` as a task of a cluster: what it has started ends with it where the task is cancelled."""
    children = Children()

    def work() -> float:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which Ray blocks, and children inherit
        return execute(table, cell, threads, run=children.run)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not wait([future], timeout=1.0).done:  # a cancelled task is interrupted between two waits only
                pass
        except KeyboardInterrupt:
            children.end(signal.SIGINT)
            raise
        return future.result()


class Children:
    """The processes of the cells that run on this machine. Each is a process group of its own, so that it hears of an
    interrupt once, whether a terminal sent it to all or somebody to this process alone."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[str]] = set()
        self.ending = False

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """As subprocess.run, of whose output it takes one stream; QuartetError once the children are to end."""
        with self.lock:
            if self.ending:
                raise QuartetError("interrupted")
            child = subprocess.Popen(command, process_group=0, **options)
            self.running.add(child)
        said, _ = child.communicate()
        with self.lock:
            self.running.discard(child)
        return subprocess.CompletedProcess(command, child.returncode, said)

    def end(self, by: signal.Signals) -> None:
        with self.lock:
            self.ending = True
            for child in self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, by)


class Devices:
    """The GPUs of this machine, lent to one cell at a time: each would take the first ones otherwise."""

    def __init__(self, visible: Sequence[str]) -> None:
        self.visible, self.free = list(visible), list(visible)
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def lent(self, cell: TableRun) -> Iterator[dict[str, str]]:
        """The variables that show a cell its GPUs alone, once there are as many free; none on a machine without. A cell
        that asks for more than there are sees them all, and is refused when it trains."""
        if cell.accelerator == "cpu" or not 0 < cell.devices <= len(self.visible):
            yield {}
            return
        with self.changed:
            self.changed.wait_for(lambda: len(self.free) >= cell.devices)
            mine, self.free = self.free[: cell.devices], self.free[cell.devices :]
        try:
            yield {"CUDA_VISIBLE_DEVICES": ",".join(mine)}
        finally:
            with self.changed:
                self.free = sorted([*self.free, *mine], key=self.visible.index)
                self.changed.notify_all()


def gpus() -> list[str]:
    """The GPUs that this process sees, by the names under which they were shown to it: their numbers, or UUIDs."""
    import torch

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return [str(number) for number in range(count)] if shown is None else shown.split(",")[:count]
