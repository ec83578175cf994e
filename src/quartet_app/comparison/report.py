"""Compare evaluated runs in files: a page, the same as Markdown, and all numbers."""

from __future__ import annotations

import json
from pathlib import Path

from quartet.report import Run, analysis, markdown, page, results, split_by_config, summary
from quartet.types import QuartetError
from quartet_app.comparison import in_mlflow
from quartet_app.config.params import read_params
from quartet_app.run.results import load_run


def table() -> list[Path]:
    """The result folders of params.yaml's experiments and seeds."""
    params = read_params(Path("params.yaml"))
    return [Path("results") / experiment / str(seed) for experiment in params.experiments for seed in params.seeds]


def evaluated(folders: list[Path]) -> list[Run]:
    """The runs in `folders`; QuartetError for the first that has not been evaluated."""
    runs = []
    for folder in folders:
        trained = folder / "train" if (folder / "train").exists() else folder
        if not (folder / "evaluate" / "metrics.json").exists():
            raise QuartetError(f"{folder} holds no evaluated run\nquartet evaluate {trained} first")
        runs.append(load_run(trained, folder / "evaluate"))
    return runs


def compare(runs: list[Run], *, out: Path) -> None:
    """Write the page, the same as Markdown, the list of results and what was made of them."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("results", results(runs)), ("statistics", analysis(runs))):
        (out / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    (out / "index.html").write_text(page(runs))
    (out / "report.md").write_text(markdown(runs))


def compare_folders(folders: list[Path], *, out: Path, show: bool, register: bool) -> list[str]:
    """Compare the runs in `folders`, or all of params.yaml's where none is named; returns lines for a person.

    `show` writes nothing. `register` also registers the best model of each task and data set in MLflow.
    """
    runs = split_by_config(evaluated(folders)) if folders else evaluated(table())
    lines = []
    if not show:
        compare(runs, out=out)
        lines = in_mlflow.track(runs, out=out, registers=register)
    page_path = out / "index.html"
    if page_path.exists():
        lines.append(f"report: {page_path.resolve()}")
    return [summary(runs), "", *lines]
