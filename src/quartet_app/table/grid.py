"""Run a whole table, several runs at once, and compare them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.table.executors import SubmitRun, on_ray, on_this_machine
from quartet_app.table.make import update_graph
from quartet_app.table.table_runs import LOGS, TableRun, dvc, outdated_runs, run_and_print, table_runs


def run_all(table: Path, submit: SubmitRun, waiting: Sequence[TableRun]) -> dict[str, str]:
    """Execute the runs `waiting`; returns the error messages of those that failed, by name of the run.

    A failure does not stop the other runs.
    """
    from quartet_app.progress import Steps

    failures: dict[str, str] = {}
    with Steps(title=str(table)) as progress:
        futures: dict[Future[float], TableRun] = {submit(run): run for run in waiting}
        progress("runs", 0, len(waiting))
        for count, future in enumerate(as_completed(futures), 1):
            name = futures[future].name
            try:
                print(f"{name}: {future.result():.0f} s", flush=True)
            except Exception as error:  # Ray's own errors, as for a lost machine, too; some have the run's as `cause`
                failures[name] = str(getattr(error, "cause", error))
                print(f"{name}: {failures[name]}", file=sys.stderr, flush=True)
            progress("runs", count, len(waiting))
    return failures


def run_table(table: Path, *, jobs: int | None, ray: str | None, cpus: int) -> None:
    """Prepare the data of a table, execute its outdated runs, and compare all of them.

    `jobs`: runs at once on this machine. `ray`: a cluster's address, or "local"; None for no Ray. `cpus`: for each
    device, on Ray. QuartetError where a run failed.
    """
    prepare(table)
    train(table, table_runs(table), jobs=jobs, ray=ray, cpus=cpus)
    if "Running stage 'compare'" not in dvc(table, "repro", "compare", run_command=run_and_print):
        print(f"report: {table / 'reports' / 'index.html'}")


def prepare(table: Path) -> None:
    """Renew a table's graph, compose it and prepare its data; QuartetError for a folder that is no table."""
    if not (table / "dvc.yaml").exists():
        raise QuartetError(f"{table}: no table, it has no dvc.yaml\nquartet table {table} EXPERIMENT … makes one")
    if not (table / ".dvc").is_dir():
        raise QuartetError(
            f"{table}: no DVC repository of its own, as tables are now\nquartet table {table} makes it one"
        )
    update_graph(table)
    print("preparing the data", flush=True)
    dvc(table, "repro", "prepare", run_command=run_and_print)


def train(
    table: Path,
    runs: list[TableRun],
    *,
    jobs: int | None,
    ray: str | None = None,
    cpus: int = 1,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Execute those of the `runs` that are outdated, with `variables` in the environment of their stages.

    The other arguments and errors are those of `run_table`.
    """
    waiting = outdated_runs(table, runs)
    print(f"{len(runs)} runs, of which {len(runs) - len(waiting)} are there already", flush=True)
    failures = {}
    if waiting:
        print(f"logs: {table / LOGS}/<stage>-<run>.log", flush=True)
        given = dict(variables or {})
        if ray:
            executor = on_ray(table, None if ray == "local" else ray, cpus, given)
        else:
            executor = on_this_machine(table, jobs, waiting, given)
        with executor as submit:
            failures = run_all(table, submit, waiting)
    if failures:
        raise QuartetError(
            f"{len(failures)} of {len(runs)} runs failed: {', '.join(failures)}\n"
            f"the same command runs them again; their logs are in {table / LOGS}"
        )
