"""Run a whole table, several cells at once: each cell and seed is trained and evaluated through DVC, then compared.

    python pipelines/grid.py grid                     as many at once as there are GPUs, or cores
    python pipelines/grid.py grid --jobs 1            one after another
    python pipelines/grid.py grid --ray auto          spread over a Ray cluster whose machines share this folder

What DVC holds already is not run again, and an interrupted cell goes on from its last checkpoint. Ctrl-C ends the cells
under way as it ends a single run, a second one kills them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from pipelines import cli
from pipelines.cells import LOGS, Cell, aloud, cells, changed, dvc
from pipelines.spread import Submit, local, on_ray
from quartet.types import QuartetError


def run(table: Path, submit: Submit, waiting: Sequence[Cell]) -> dict[str, str]:
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
    failures = {}
    if waiting:
        print(f"what each says: {table / LOGS}/<stage>-<cell>.log", flush=True)
        place = on_ray(table, None if ray == "local" else ray, cpus) if ray else local(table, jobs, waiting)
        with place as submit:
            failures = run(table, submit, waiting)
    if failures:
        raise QuartetError(
            f"{len(failures)} of {len(all_cells)} cells failed: {', '.join(failures)}\n"
            f"the same command runs them again; their logs are in {table / LOGS}"
        )
    if "Running stage 'compare'" not in dvc(table, "repro", "compare", run=aloud):
        print(f"report: {table / 'reports' / 'index.html'}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="grid.py", description="Run a whole table, several cells at once.")
    parser.add_argument("table", type=Path, nargs="?", default=Path(), help="a folder with params.yaml and dvc.yaml")
    parser.add_argument("--jobs", type=int, help="cells at once on this machine; as many as it has GPUs, or cores")
    parser.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster that shares this folder, as auto, or local")
    parser.add_argument("--cpus", type=int, help="CPUs of each device, on a Ray cluster; 1")
    chosen = parser.parse_args(arguments)
    for key, value in (("--jobs", chosen.jobs), ("--cpus", chosen.cpus)):
        if value is not None and value < 1:
            raise QuartetError(f"{key}: given {value}, needs at least 1")
    if chosen.ray and chosen.jobs:
        raise QuartetError(f"--jobs: given {chosen.jobs} with --ray, where cells take what room there is; leave it out")
    if chosen.cpus and not chosen.ray:
        raise QuartetError(f"--cpus: given {chosen.cpus} without --ray; on this machine alone, give --jobs")
    grid(chosen.table, jobs=chosen.jobs, ray=chosen.ray, cpus=chosen.cpus or 1)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
