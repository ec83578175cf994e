"""Run a whole table, several cells at once: each cell and seed is trained and evaluated through DVC, then compared.

    python pipelines/grid.py grid                     as many at once as there are GPUs, or cores
    python pipelines/grid.py grid --jobs 1            one after another
    python pipelines/grid.py grid --ray auto          spread over a Ray cluster whose machines share this folder

What DVC holds already is not run again, and an interrupted cell goes on from its last checkpoint. Ctrl-C ends the cells
under way as it ends a single run, a second one kills them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import cli, configuration
from pipelines.compose import read_params
from pipelines.train import terminable
from quartet.types import QuartetError

# What DVC says where another DVC is looking at the graph just then, or working on the same files.
LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by:")
TRIES, PAUSE = 60, 1.0  # seconds


@dataclass(frozen=True)
class Cell:
    """One experiment and seed, and what its training takes."""

    name: str
    devices: int
    accelerator: str

    @property
    def stages(self) -> list[str]:
        return [f"train@{self.name}", f"evaluate@{self.name}"]


def cells(table: Path) -> list[Cell]:
    """The cells of a composed table, seed by seed, so that an early end leaves whole comparisons."""
    params = read_params(table / "params.yaml")
    trainers = {one: configuration.load(table / "build" / f"{one}.yaml")["trainer"] for one in params.experiments}
    return [
        Cell(f"{one}-{seed}", trainers[one]["devices"], trainers[one]["accelerator"])
        for seed in params.seeds
        for one in params.experiments
    ]


RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


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

    def __init__(self, count: int) -> None:
        self.free, self.changed = list(range(count)), threading.Condition()
        self.count = count

    @contextlib.contextmanager
    def lent(self, cell: Cell) -> Iterator[dict[str, str]]:
        """The variables that show a cell its GPUs alone, once there are as many free; none on a machine without. A cell
        that asks for more than there are sees them all, and is refused when it trains."""
        if cell.accelerator == "cpu" or not 0 < cell.devices <= self.count:
            yield {}
            return
        with self.changed:
            self.changed.wait_for(lambda: len(self.free) >= cell.devices)
            mine, self.free = self.free[: cell.devices], self.free[cell.devices :]
        try:
            yield {"CUDA_VISIBLE_DEVICES": ",".join(map(str, mine))}
        finally:
            with self.changed:
                self.free = sorted([*self.free, *mine])
                self.changed.notify_all()


def aloud(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """As subprocess.run, of whose output it takes one stream, and prints what is news in it line by line."""
    said = []
    with subprocess.Popen(command, **options) as child:
        for line in child.stdout or ():
            said.append(line)
            if line.strip() and not line.endswith("didn't change, skipping\n"):
                print(line, end="", flush=True)
    return subprocess.CompletedProcess(command, child.returncode, "".join(said))


def dvc(
    table: Path,
    *words: str,
    log: Path | None = None,
    more: dict[str, str] | None = None,
    run: RunCommand = subprocess.run,
) -> str:
    """Run DVC in the table's folder with `more` variables, waiting for its lock; QuartetError with its last words if it
    fails."""
    # Without --wait-for-lock a stage that ended well is lost, and run again, where DVC cannot note it at once.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *words]
    env = {**os.environ, **(more or {})}
    for _ in range(TRIES):
        done = run(command, cwd=table, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        busy = done.returncode and LOCKED.search(done.stdout)
        if not busy:
            break
        time.sleep(PAUSE)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
    if busy:
        by = re.findall(r"\(PID \d+\): .*", done.stdout)
        raise QuartetError(
            f"{table}: another DVC is at work here{': ' if by else ''}{', '.join(by)}\n"
            "wait for it to end, then give the same command again"
        )
    if done.returncode:
        if run is aloud:
            raise QuartetError(f"{table}: dvc {' '.join(words)} failed, as said above")
        said = [line for line in done.stdout.splitlines() if line.strip()]
        raise QuartetError("\n".join(said[-4:]) if log is None else f"failed; see {log}")
    return done.stdout


def changed(table: Path, all_cells: list[Cell]) -> list[Cell]:
    """The cells of which DVC holds no result for what is asked now."""
    said = dvc(table, "status", "--json")  # of all stages: DVC takes a second for each that is named
    stale = json.loads(said[said.index("{") :])
    return [cell for cell in all_cells if set(cell.stages) & stale.keys()]


def run_cell(
    table: Path, cell: Cell, threads: int, devices: Devices | None = None, run: RunCommand = subprocess.run
) -> float:
    """Train and evaluate one cell; returns the seconds that it took."""
    with (devices or Devices(0)).lent(cell) as shown:
        begun = time.monotonic()
        for stage in cell.stages:
            log = table / "runs" / "grid" / f"{stage.replace('@', '-')}.log"
            more = {"OMP_NUM_THREADS": str(threads), **shown}
            dvc(table, "repro", "--single-item", stage, log=log, more=more, run=run)
        return time.monotonic() - begun


def gpus() -> int:
    """The GPUs that this process sees."""
    import torch

    return torch.cuda.device_count()


@contextlib.contextmanager
def local(table: Path, jobs: int | None, waiting: list[Cell]) -> Iterator[Any]:
    """Submits cells to processes of this machine, which share its cores, or each have GPUs of their own."""
    count, cores = gpus(), os.cpu_count() or 1
    wanted = max((cell.devices for cell in waiting if cell.accelerator != "cpu"), default=0)
    jobs = jobs or (max(1, count // wanted) if count and wanted else cores)
    pool, children, devices = ThreadPoolExecutor(jobs), Children(), Devices(count)
    threads = max(1, cores // jobs)
    with terminable():
        try:
            yield lambda cell: pool.submit(run_cell, table, cell, threads, devices, children.run)
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


def on_machine(table: Path, cell: Cell, threads: int) -> float:
    """`run_cell` as a task of a cluster: what it has started ends with it where the task is cancelled."""
    children = Children()

    def work() -> float:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which Ray blocks, and children inherit
        return run_cell(table, cell, threads, run=children.run)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not wait([future], timeout=1.0).done:  # a cancelled task is interrupted between two waits only
                pass
        except KeyboardInterrupt:
            children.end(signal.SIGINT)
            raise
        return future.result()


@contextlib.contextmanager
def on_ray(table: Path, address: str | None, cpus: int) -> Iterator[Any]:
    """Submits cells to a Ray cluster, or a Ray of this machine alone, as tasks, each with its devices; refuses one for
    which no machine has room."""
    from hydra_plugins.quartet_ray_sweeper._cluster import Room, alive, offered, ray_running
    from pipelines.ray_train import explained

    with explained(), ray_running(address=address, dashboard=False, key="--ray") as ray:
        machines = alive(ray)
        # A task that asks for no GPU sees none, and `auto` would come to the CPU.
        gpu = ("gpu", "auto") if any(machine["Resources"].get("GPU") for machine in machines) else ("gpu",)
        remote = ray.remote(max_retries=2)(on_machine)
        tasks: list[Any] = []

        def submit(cell: Cell) -> Future[float]:
            own = {"cpus": cell.devices * cpus, "gpus": cell.devices if cell.accelerator in gpu else 0}
            room = Room(**own, workers=0, worker_cpus=0, worker_gpus=0)
            if not room.at_once(machines):
                raise QuartetError(
                    f"{cell.name}: {room.described()} asked for, Ray has {offered(machines)}\n"
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


def run(table: Path, submit: Any, waiting: list[Cell]) -> dict[str, str]:
    """Run the cells that wait; returns the failures, by cell. Those that can still run do."""
    from pipelines.progress import Steps

    failures: dict[str, str] = {}
    with Steps(title=str(table)) as progress:
        futures: dict[Future[float], Cell] = {submit(cell): cell for cell in waiting}
        progress("cells", 0, len(waiting))
        for count, future in enumerate(as_completed(futures), 1):
            name = futures[future].name
            try:
                print(f"{name}: {future.result():.0f} s", flush=True)
            except Exception as error:  # a lost machine's too; Ray's own error holds the cell's
                failures[name] = str(getattr(error, "cause", error))
                print(f"{name}: {failures[name]}", file=sys.stderr, flush=True)
            progress("cells", count, len(waiting))
    return failures


def grid(table: Path, *, jobs: int | None, ray: str | None, cpus: int) -> None:
    if not (table / "dvc.yaml").exists():
        raise QuartetError(f"{table}: no table, it has no dvc.yaml\npipelines/table.py {table} EXPERIMENT … makes one")
    print("preparing the data", flush=True)
    dvc(table, "repro", "prepare", run=aloud)
    all_cells = cells(table)
    waiting = changed(table, all_cells)
    print(f"{len(all_cells)} cells, of which {len(all_cells) - len(waiting)} are there already", flush=True)
    if waiting:
        print(f"what each says: {table / 'runs' / 'grid'}/<stage>-<cell>.log", flush=True)
    place = on_ray(table, None if ray == "local" else ray, cpus) if ray else local(table, jobs, waiting)
    with place as submit:
        failures = run(table, submit, waiting)
    if failures:
        raise QuartetError(
            f"{len(failures)} of {len(all_cells)} cells failed: {', '.join(failures)}\n"
            f"the same command runs them again; their logs are in {table / 'runs' / 'grid'}"
        )
    if "Running stage 'compare'" not in dvc(table, "repro", "compare", run=aloud):
        print(f"report: {table / 'reports' / 'index.html'}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="grid.py", description="Run a whole table, several cells at once.")
    parser.add_argument("table", type=Path, nargs="?", default=Path(), help="a folder with params.yaml and dvc.yaml")
    parser.add_argument("--jobs", type=int, help="cells at once on this machine; as many as it has GPUs, or cores")
    parser.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster that shares this folder, as auto, or local")
    parser.add_argument("--cpus", type=int, default=1, help="CPUs of each device, on a Ray cluster")
    chosen = parser.parse_args(arguments)
    if chosen.jobs is not None and chosen.jobs < 1:
        raise QuartetError(f"--jobs: given {chosen.jobs}, needs at least 1")
    grid(chosen.table, jobs=chosen.jobs, ray=chosen.ray, cpus=chosen.cpus)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
