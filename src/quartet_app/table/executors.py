"""Execute the runs of a table: several at once on this machine, or spread over a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from quartet.tracking.client import ENVIRONMENT
from quartet.types import QuartetError
from quartet_app.forking import fork_server
from quartet_app.run.environment import cores
from quartet_app.run.train import terminable
from quartet_app.table.table_runs import TableRun, execute

# What training and evaluating import, for the processes of many runs to share.
IMPORTED = (
    "pytorch_lightning",
    "mlflow.store.tracking.sqlalchemy_store",
    "hydra.utils",
    "quartet.methods",
    "quartet.tasks",
    "quartet.nets",
    "quartet.data.loading.module",
    "quartet.tracking",
    "quartet_app.run.train",
    "quartet_app.run.evaluate",
)

SubmitRun = Callable[[TableRun], "Future[float]"]  # queues a run; the future's result is its duration in seconds


@contextlib.contextmanager
def on_this_machine(
    table: Path, jobs: int | None, runs: list[TableRun], variables: Mapping[str, str] | None = None
) -> Iterator[SubmitRun]:
    """Yield a function that queues runs for this machine. At most `jobs` run at once; None takes `concurrent_runs`.

    The runs share the machine's cores, and each has GPUs of its own. An interrupt ends them, a second one kills them.
    `variables` are added to the environment of their stages."""
    visible = gpus()
    jobs = jobs or concurrent_runs(runs, len(visible))
    pool, children, devices = ThreadPoolExecutor(jobs), Children(), GPUPool(visible)

    def threads(run: TableRun) -> int:
        on_gpus = run.accelerator != "cpu" and run.devices <= len(visible)
        return max(1, cores() // (min(jobs * run.devices, len(visible)) if on_gpus else jobs * run.devices))

    # Few runs would be done before a server has imported anything.
    modules = IMPORTED if len(runs) > jobs else ()

    def work(run: TableRun) -> float:
        with devices.reserved(run) as shown:
            return execute(
                table, run, threads(run), variables={**(variables or {}), **shown, **forks}, run_command=children.run
            )

    server = fork_server(modules, threads=threads(runs[0]) if runs else 1, folder=table, variables=ENVIRONMENT)
    with terminable(), server as forks:
        try:
            yield lambda run: pool.submit(work, run)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            background = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # by a shell, and the children ignore it too
            children.stop(signal.SIGTERM if background else signal.SIGINT)
            raise
        finally:
            try:
                pool.shutdown()
            except KeyboardInterrupt:
                children.stop(signal.SIGKILL)
                raise


def concurrent_runs(runs: Sequence[TableRun], count: int) -> int:
    """Return how many runs go at once on a machine with `count` GPUs.

    With GPUs as many as these; a run waits for its GPUs. On CPUs, as many as have a core for each of their devices.
    """
    if count and any(run.accelerator != "cpu" for run in runs):
        return count
    return max(1, cores() // max((run.devices for run in runs), default=1))


@contextlib.contextmanager
def on_ray(
    table: Path, address: str | None, cpus: int, variables: Mapping[str, str] | None = None
) -> Iterator[SubmitRun]:
    """Yield a function that queues runs on a Ray cluster, each as a task with its devices.

    `address`: the cluster's; None starts Ray on this machine alone. `cpus`: for each device. `variables` as above.
    QuartetError for a run that needs more than any machine has.
    """
    from hydra_plugins.quartet_ray_sweeper import ResourceRequest, describe_nodes, live_nodes, ray_running
    from quartet_app.run.workers.ray_train import as_quartet_error

    with as_quartet_error(), ray_running(address=address, dashboard=False, key="--ray") as ray:
        machines = live_nodes(ray)
        # A task that requests no GPU sees none, and the accelerator `auto` would then choose the CPU.
        gpu = ("gpu", "auto") if any(machine["Resources"].get("GPU") for machine in machines) else ("gpu",)
        remote = ray.remote(max_retries=2)(run_on_cluster)
        tasks: list[Any] = []

        def submit(run: TableRun) -> Future[float]:
            own = {"cpus": run.devices * cpus, "gpus": run.devices if run.accelerator in gpu else 0}
            request = ResourceRequest(**own, workers=0, worker_cpus=0, worker_gpus=0)
            if not request.max_concurrent(machines):
                raise QuartetError(
                    f"{run.name}: {request.describe()} asked for, Ray has {describe_nodes(machines)}\n"
                    "take fewer (trainer.devices, --cpus) or a larger cluster (--ray)"
                )
            options = {"num_cpus": request.cpus, "num_gpus": request.gpus, "name": run.name}
            tasks.append(remote.options(**options).remote(table.resolve(), run, cpus, variables))
            return tasks[-1].future()  # type: ignore[no-any-return]

        try:
            yield submit
        except KeyboardInterrupt:
            for task in tasks:
                ray.cancel(task)
            ray.wait(tasks, num_returns=len(tasks))
            raise


def run_on_cluster(table: Path, run: TableRun, threads: int, variables: Mapping[str, str] | None = None) -> float:
    """Execute a run as a task of a Ray cluster; its processes end where the task is cancelled."""
    children = Children()

    def work() -> float:
        # Ray blocks them, and children would inherit that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        return execute(table, run, threads, variables=variables, run_command=children.run)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not wait([future], timeout=1.0).done:  # a cancellation interrupts only between two waits
                pass
        except KeyboardInterrupt:
            children.stop(signal.SIGINT)
            raise
        return future.result()


class Children:
    """The processes of the runs on this machine.

    Each is a process group of its own. So it gets an interrupt once, whether a terminal sent it to all processes or a
    person to this one only.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[str]] = set()
        self.ending = False

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as subprocess.run does, with one output stream; QuartetError after `stop` was called."""
        with self.lock:
            if self.ending:
                raise QuartetError("interrupted")
            child = subprocess.Popen(command, process_group=0, **options)
            self.running.add(child)
        output, _ = child.communicate()
        with self.lock:
            self.running.discard(child)
        return subprocess.CompletedProcess(command, child.returncode, output)

    def stop(self, by: signal.Signals) -> None:
        """Send a signal to all running children, and refuse new ones."""
        with self.lock:
            self.ending = True
            for child in self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, by)


class GPUPool:
    """The GPUs of this machine, each reserved for one run at a time: else every run would take the first ones."""

    def __init__(self, visible: Sequence[str]) -> None:
        self.visible, self.free = list(visible), list(visible)
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def reserved(self, run: TableRun) -> Iterator[dict[str, str]]:
        """Wait for the run's GPUs and yield the environment variables that show it these alone.

        Yields none for a run on CPUs. A run that needs more GPUs than there are sees them all, and training refuses it.
        """
        if run.accelerator == "cpu" or not 0 < run.devices <= len(self.visible):
            yield {}
            return
        with self.changed:
            self.changed.wait_for(lambda: len(self.free) >= run.devices)
            reserved, self.free = self.free[: run.devices], self.free[run.devices :]
        try:
            yield {"CUDA_VISIBLE_DEVICES": ",".join(reserved)}
        finally:
            with self.changed:
                self.free = sorted([*self.free, *reserved], key=self.visible.index)
                self.changed.notify_all()


def gpus() -> list[str]:
    """Return the GPUs that this process sees: their numbers or, as in CUDA_VISIBLE_DEVICES, their UUIDs."""
    import torch

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return [str(number) for number in range(count)] if shown is None else shown.split(",")[:count]
