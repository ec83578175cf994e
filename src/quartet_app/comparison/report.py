"""Compare evaluated runs: write the report as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from quartet.report import Run, analysis, markdown, page, results, split_by_config, summary
from quartet.types import QuartetError
from quartet_app.comparison import in_mlflow
from quartet_app.config.params import points, read_params
from quartet_app.run.results import load_run


def load_table() -> list[Run]:
    """Load the runs of all experiments and seeds in params.yaml; with axes, those of all points.

    A point's runs know its experiment and its values, by which the report draws the axes.
    """
    params, runs = read_params(Path("params.yaml")), []
    for point in points(params, "params.yaml"):
        note = {"point": {"experiment": point.experiment, "axes": dict(point.values)}}
        found = load_evaluated([Path("results") / point.name / str(seed) for seed in params.seeds])
        runs += [replace(run, record={**run.record, **note}) for run in found]
    return runs


def load_evaluated(folders: list[Path]) -> list[Run]:
    """Load the runs in `folders`; QuartetError for the first without an evaluation."""
    runs = []
    for folder in folders:
        trained = folder / "train" if (folder / "train").exists() else folder
        if not (folder / "evaluate" / "metrics.json").exists():
            raise QuartetError(f"{folder} holds no evaluated run\nquartet evaluate {trained} first")
        runs.append(load_run(trained, folder / "evaluate"))
    return runs


def write_report(runs: list[Run], *, out: Path) -> None:
    """Write index.html, the same as report.md, results.json (all runs) and statistics.json (tests and verdicts)."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("results", results(runs)), ("statistics", analysis(runs))):
        (out / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    (out / "index.html").write_text(page(runs))
    (out / "report.md").write_text(markdown(runs))


def compare_folders(folders: list[Path], *, out: Path, show: bool, register: bool) -> list[str]:
    """Compare the runs in `folders`, or all of params.yaml's where it is empty; returns lines for a person.

    `show` writes nothing. `register` also registers the best model of each task and data set in MLflow.
    """
    runs = split_by_config(load_evaluated(folders)) if folders else load_table()
    lines = []
    if not show:
        write_report(runs, out=out)
        lines = in_mlflow.track(runs, out=out, registers=register)
    page_path = out / "index.html"
    if page_path.exists():
        lines.append(f"report: {page_path.resolve()}")
    return [summary(runs), "", *lines]
