"""The runs of a table, each trained and evaluated through DVC, which keeps their results."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.params import read_params
from quartet_app.config.resolved import load_config

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]

# What DVC says where another DVC is looking at the graph just then, or working on the same files.
LOCKED = re.compile(r"Unable to acquire lock|is busy, it is being blocked by:")
TRIES, PAUSE = 60, 1.0  # seconds
LOGS = Path("runs", "grid")  # in a table's folder: what each stage of a cell says


@dataclass(frozen=True)
class TableRun:
    """One experiment and seed, and what its training takes."""

    name: str
    devices: int
    accelerator: str

    @property
    def stages(self) -> list[str]:
        return [f"train@{self.name}", f"evaluate@{self.name}"]


def table_runs(table: Path) -> list[TableRun]:
    """The runs of a composed table, seed by seed, so that an early end leaves whole comparisons."""
    params = read_params(table / "params.yaml")
    trainers = {one: load_config(table / "build" / f"{one}.yaml")["trainer"] for one in params.experiments}
    return [
        TableRun(f"{one}-{seed}", trainers[one]["devices"], trainers[one]["accelerator"])
        for seed in params.seeds
        for one in params.experiments
    ]


def changed(table: Path, all_cells: list[TableRun]) -> list[TableRun]:
    """The runs of which DVC holds no result for what is asked now."""
    said = dvc(table, "status", "--json")  # of all stages: DVC takes a second for each that is named
    stale, _ = json.JSONDecoder().raw_decode(said, ("\n" + said).index("\n{"))  # DVC warns before it or after it
    return [cell for cell in all_cells if set(cell.stages) & stale.keys()]


def execute(
    table: Path, cell: TableRun, threads: int, *, more: dict[str, str] | None = None, run: RunCommand = subprocess.run
) -> float:
    """Train and evaluate one cell, with `more` variables; returns the seconds that it took."""
    begun = time.monotonic()
    more = {"OMP_NUM_THREADS": str(threads), **(more or {})}
    for stage in cell.stages:
        log = table / LOGS / f"{stage.replace('@', '-')}.log"
        dvc(table, "repro", "--single-item", stage, log=log, more=more, run=run)
    return time.monotonic() - begun


def dvc(
    table: Path,
    *words: str,
    log: Path | None = None,
    more: dict[str, str] | None = None,
    run: RunCommand = subprocess.run,
) -> str:
    """Run DVC in the table's folder with `more` variables, waiting for its lock; returns what it says, which the `log`
    holds meanwhile. QuartetError with its last words if it fails."""
    # Without --wait-for-lock a stage that ended well is lost, and run again, where DVC cannot note it at once.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *words]
    env = {**os.environ, **(more or {})}
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        with contextlib.nullcontext(subprocess.PIPE) if log is None else log.open("w") as out:
            done = run(command, cwd=table, env=env, text=True, stdout=out, stderr=subprocess.STDOUT)
        said = done.stdout if log is None else log.read_text()
        busy = done.returncode and LOCKED.search(said)
        if not busy:
            break
        time.sleep(PAUSE)
    if busy:
        by = re.findall(r"\(PID \d+\): .*", said)
        raise QuartetError(
            f"{table}: another DVC is at work here{': ' if by else ''}{', '.join(by)}\n"
            "wait for it to end, then give the same command again"
        )
    if done.returncode:
        if run is aloud:
            raise QuartetError(f"{table}: dvc {' '.join(words)} failed, as said above")
        last = [line for line in said.splitlines() if line.strip()][-4:]
        raise QuartetError("\n".join(last) if log is None else f"failed; see {log}")
    return said


def aloud(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """As subprocess.run, of whose output it takes one stream, and prints what is news in it line by line."""
    said = []
    with subprocess.Popen(command, **options) as child:
        for line in child.stdout or ():
            said.append(line)
            if line.strip() and not line.endswith("didn't change, skipping\n"):
                print(line, end="", flush=True)
    return subprocess.CompletedProcess(command, child.returncode, "".join(said))
