"""Compare evaluated runs: write the report as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from quartet.report import Run, analysis, markdown, page, results, split_by_config, summary
from quartet.report.drawing.markup import Markup
from quartet.report.run import finite
from quartet.types import QuartetError
from quartet_app.comparison import in_mlflow
from quartet_app.config.resolved import load_run_config
from quartet_app.config.table.axes import Point
from quartet_app.config.table.params import points, read_params
from quartet_app.files import make_folder, write_text
from quartet_app.run.results import load_run
from quartet_app.run.verify import verify_run


def load_table() -> list[Run]:
    """Load the runs of all experiments and seeds in params.yaml; with axes, those of all points.

    A point's runs know its experiment and its values, by which the report draws the axes.
    """
    runs = []
    for point, folders in table_folders().items():
        note = {"point": {"experiment": point.experiment, "axes": dict(point.values)}}
        runs += [replace(run, record={**run.record, **note}) for run in load_evaluated(folders)]
    return runs


def table_folders() -> dict[Point, list[Path]]:
    """Return the result folders of all seeds in params.yaml, for each experiment or point."""
    params = read_params(Path("params.yaml"))
    return {
        point: [Path("results") / point.name / str(seed) for seed in params.seeds]
        for point in points(params, "params.yaml")
    }


def load_evaluated(folders: list[Path]) -> list[Run]:
    """Load the runs in `folders`; QuartetError for the first without an evaluation."""
    runs = []
    for folder in folders:
        trained = trained_in(folder)
        if not (folder / "evaluate" / "metrics.json").exists():
            raise QuartetError(f"{folder} holds no evaluated run\nquartet evaluate {trained} first")
        runs.append(load_run(trained, folder / "evaluate"))
    return runs


def trained_in(folder: Path) -> Path:
    """Return the folder with the training of a run: `folder/train` in a table, else `folder` itself."""
    return folder / "train" if (folder / "train").exists() else folder


def verify(folders: list[Path]) -> None:
    """Refuse runs whose configuration, weights or data were changed since training: no such model is registered."""
    from quartet_app.data.prepared import ensure, find

    checked: set[Path] = set()
    for folder in map(trained_in, folders):
        if not (folder / "run.json").exists():  # `load_evaluated` says so
            continue
        verify_run(folder)
        data = load_run_config(folder)["data"]
        prepared = find(data)
        if prepared is not None and prepared not in checked:
            checked.add(ensure(data, full=True))


def write_report(runs: list[Run], *, out: Path, opening: Markup | None = None) -> None:
    """Write index.html, the same as report.md, results.json (all runs) and statistics.json (tests and verdicts).

    `opening` is a section with which the page begins.
    """
    make_folder(out)
    for name, content in (("results", results(runs)), ("statistics", analysis(runs))):
        write_text(out / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(out / "index.html", page(runs, opening=opening))
    write_text(out / "report.md", markdown(runs))


def priced(runs: list[Run], price: float) -> list[Run]:
    """Return the runs with what their training costs, `money`, at a price an hour of the machine."""
    hours = [run["train_seconds"] / 3600 if finite(run["train_seconds"]) else None for run in runs]
    notes = [{"price": price, "money": None if spent is None else spent * price} for spent in hours]
    return [replace(run, record={**run.record, **note}) for run, note in zip(runs, notes, strict=True)]


def compare_folders(
    folders: list[Path], *, out: Path, show: bool, register: bool, price: float | None = None
) -> list[str]:
    """Compare the runs in `folders`, or all of params.yaml's where it is empty; returns lines for a person.

    `show` writes nothing. `register` also registers the best model of each task and data set in MLflow. `price` is that
    of an hour of the machine.
    """
    if register:
        verify(folders or [folder for found in table_folders().values() for folder in found])
    runs = split_by_config(load_evaluated(folders)) if folders else load_table()
    runs = runs if price is None else priced(runs, price)
    lines = []
    if not show:
        write_report(runs, out=out)
        lines = in_mlflow.track(runs, out=out, registers=register)
    page_path = out / "index.html"
    if page_path.exists():
        lines.append(f"report: {page_path.resolve()}")
    return [summary(runs), "", *lines]
