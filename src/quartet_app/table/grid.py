"""Run a whole table, several runs at once, and compare them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.table.executors import Submit, local, on_ray
from quartet_app.table.table_runs import LOGS, TableRun, aloud, changed, dvc, table_runs


def run(table: Path, submit: Submit, waiting: Sequence[TableRun]) -> dict[str, str]:
    """Run the runs that wait; returns the failures, by cell. Those that can still run do."""
    from quartet_app.progress import Steps

    failures: dict[str, str] = {}
    with Steps(title=str(table)) as progress:
        futures: dict[Future[float], TableRun] = {submit(cell): cell for cell in waiting}
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
        raise QuartetError(f"{table}: no table, it has no dvc.yaml\nquartet table {table} EXPERIMENT … makes one")
    if not (table / ".dvc").is_dir():
        raise QuartetError(
            f"{table}: no DVC repository of its own, as tables are now\nquartet table {table} makes it one"
        )
    print("preparing the data", flush=True)
    dvc(table, "repro", "prepare", run=aloud)
    all_cells = table_runs(table)
    waiting = changed(table, all_cells)
    print(f"{len(all_cells)} table_runs, of which {len(all_cells) - len(waiting)} are there already", flush=True)
    failures = {}
    if waiting:
        print(f"what each says: {table / LOGS}/<stage>-<cell>.log", flush=True)
        place = on_ray(table, None if ray == "local" else ray, cpus) if ray else local(table, jobs, waiting)
        with place as submit:
            failures = run(table, submit, waiting)
    if failures:
        raise QuartetError(
            f"{len(failures)} of {len(all_cells)} table_runs failed: {', '.join(failures)}\n"
            f"the same command runs them again; their logs are in {table / LOGS}"
        )
    if "Running stage 'compare'" not in dvc(table, "repro", "compare", run=aloud):
        print(f"report: {table / 'reports' / 'index.html'}")
