"""List the runs of a table, and train and evaluate each through DVC, which caches the results."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.resolved import load_config
from quartet_app.config.table.params import address, points, read_params
from quartet_app.processes import ancestor

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]

# DVC's messages where another DVC process reads the graph or works on the same files.
LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by:")
TRIES, PAUSE = 60, 1.0  # seconds
LOGS = Path("runs", "grid")  # in a table's folder: the output of each stage of a run


@dataclass(frozen=True)
class TableRun:
    """A run of a table: <experiment>-<seed>, the devices that it needs, and its stages by DVC's names for them.

    A measurement of a finding is one too, <finding>, with one stage.
    """

    name: str
    devices: int
    accelerator: str
    stages: tuple[str, ...]


def table_runs(table: Path) -> list[TableRun]:
    """Return the runs of a composed table, seed by seed: an early end then leaves complete comparisons."""
    params = read_params(table / "params.yaml")
    names = [point.name for point in points(params, "params.yaml")]
    trainers = {name: load_config(table / "build" / f"{name}.yaml")["trainer"] for name in names}
    return [
        TableRun(
            f"{name}-{seed}",
            trainers[name]["devices"],
            trainers[name]["accelerator"],
            tuple(address(stage, name, seed, apart=bool(params.findings)) for stage in ("train", "evaluate")),
        )
        for seed in params.seeds
        for name in names
    ]


def outdated_runs(table: Path, runs: list[TableRun]) -> list[TableRun]:
    """Return the runs that have no result in DVC for their current configuration, code and data."""
    output = dvc(table, "status", "--json")  # for all stages at once: DVC takes a second for each named stage
    stale, _ = json.JSONDecoder().raw_decode(output, ("\n" + output).index("\n{"))  # warnings may surround the JSON
    return [run for run in runs if set(run.stages) & stale.keys()]


def execute(
    table: Path,
    run: TableRun,
    threads: int,
    *,
    variables: Mapping[str, str] | None = None,
    run_command: RunCommand = subprocess.run,
) -> float:
    """Train and evaluate one run of the table; returns its duration in seconds.

    `threads` and `variables` set environment variables of its processes; `run_command` starts them.
    """
    begun = time.monotonic()
    variables = {"OMP_NUM_THREADS": str(threads), **(variables or {})}
    for stage in run.stages:
        kind = re.split("[@-]", stage.rpartition(":")[2])[0]
        log = table / LOGS / f"{kind}-{run.name}.log"
        dvc(table, "repro", "--single-item", stage, log=log, variables=variables, run_command=run_command)
    return time.monotonic() - begun


def dvc(
    table: Path,
    *arguments: str,
    log: Path | None = None,
    variables: dict[str, str] | None = None,
    run_command: RunCommand = subprocess.run,
) -> str:
    """Run DVC in the table's folder, once its lock is free; returns the output. QuartetError where DVC fails.

    `log` gets the output while DVC runs; `variables` are added to the environment; `run_command` starts the process.
    DVC and the stages end with this process, even where it is killed.
    """
    # Without --wait-for-lock, DVC would lose the result of a finished stage while another DVC holds the lock.
    command = [sys.executable, "-m", "quartet_app.processes", "dvc", "--wait-for-lock", *arguments]
    # The stages say `python`: it must be this one, also where its environment is not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, **(variables or {}), **ancestor()}
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        with contextlib.nullcontext(subprocess.PIPE) if log is None else log.open("w") as out:
            done = run_command(command, cwd=table, env=env, text=True, stdout=out, stderr=subprocess.STDOUT)
        output = done.stdout if log is None else log.read_text()
        busy = done.returncode and LOCKED.search(output)
        if not busy:
            break
        time.sleep(PAUSE)
    if busy:
        by = re.findall(r"\(PID \d+\): .*", output)
        raise QuartetError(
            f"{table}: another DVC is at work here{': ' if by else ''}{', '.join(by)}\n"
            "wait for it to end, then give the same command again"
        )
    if done.returncode:
        if run_command is run_and_print:
            raise QuartetError(f"{table}: dvc {' '.join(arguments)} failed; its message is above")
        last = [line for line in output.splitlines() if line.strip()][-4:]
        raise QuartetError("\n".join(last) if log is None else f"failed; see {log}")
    return output


def run_and_print(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as subprocess.run does, with one output stream, and print its lines but those of skipped stages."""
    output = []
    with subprocess.Popen(command, **options) as child:
        for line in child.stdout or ():
            output.append(line)
            if line.strip() and not line.endswith("didn't change, skipping\n"):
                print(line, end="", flush=True)
    return subprocess.CompletedProcess(command, child.returncode, "".join(output))
