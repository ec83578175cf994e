"""Train what a table's findings need, measure each, and conclude. Each step goes through DVC, which caches it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from quartet.report.findings import Concluded
from quartet.types import QuartetError
from quartet_app.config.resolved import load_config
from quartet_app.config.table.findings import read_finding
from quartet_app.config.table.params import read_params
from quartet_app.findings import conclude
from quartet_app.near import did_you_mean
from quartet_app.run.costs import SWITCH
from quartet_app.table.grid import prepare, train
from quartet_app.table.table_runs import TableRun, dvc, run_and_print, table_runs


def run_findings(table: Path, *, only: Sequence[str], jobs: int | None) -> list[Concluded]:
    """Train, measure and conclude the findings of a table, or `only` some of these; returns all, measured or not.

    `jobs`: runs at once. What DVC has already is not done again. QuartetError where a run or a measurement fails.
    """
    names = read_params(table / "params.yaml").findings
    if not names:
        raise QuartetError(f"{table / 'params.yaml'}: lists no findings; `quartet grid {table}` runs such a table")
    for name in only:
        if name not in names:
            raise QuartetError(f"--only {name}: not among the findings of {table}; {did_you_mean(name, names)}")
    chosen = [name for name in names if name in only or not only]
    prepare(table)
    needed = needed_points(table, chosen)
    runs = [run for run in table_runs(table) if run.name.rpartition("-")[0] in needed]
    # No finding asks what serving costs, and to measure it costs half an evaluation.
    train(table, runs, jobs=jobs, variables={SWITCH: os.environ.get(SWITCH, "0")})
    print(f"measuring {', '.join(chosen)}", flush=True)
    alone = [name for name in chosen if read_finding(name).alone]
    for group, at_once in (([name for name in chosen if name not in alone], jobs), (alone, 1)):
        if group:
            train(table, [TableRun(name, 1, "cpu", (f"measure-{name}",)) for name in group], jobs=at_once)
    if chosen == names:  # with some of them alone, DVC would miss the others
        dvc(table, "repro", "conclude", run_command=run_and_print)
    with chdir(table):
        return conclude.concluded() if chosen == names else conclude.conclude_table()


def needed_points(table: Path, names: Sequence[str]) -> set[str]:
    """Return the names of the points that the composed findings `names` need."""
    composed = [load_config(table / "build" / "findings" / f"{name}.yaml") for name in names]
    return {entry["point"] for each in composed for entries in each["runs"].values() for entry in entries}
