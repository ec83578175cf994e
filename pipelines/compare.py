"""Compare the runs of the table: in `reports/` a page, the same as Markdown, and all numbers; on the terminal a table.

python pipelines/compare.py                      the experiments and seeds of params.yaml (the DVC stage)
python pipelines/compare.py FOLDER … [--out DIR]  any evaluated runs; those of one experiment that differ in more than
                                                 the seed are rows of their own, as `cnn optimizer.lr=0.2`

`--register` also registers the best model of each task and data set, by validation, in the MLflow store of the runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from pipelines import cli, comparison, configuration
from pipelines.compose import read_params
from quartet.report import Run, analysis, apart, markdown, page, results, summary
from quartet.types import QuartetError


def load_run(folder: Path, evaluated: Path) -> Run:
    """A run as the report wants it, from the files that training and evaluation left."""
    import numpy as np

    record = json.loads((folder / "run.json").read_text())
    record["metrics"] = json.loads((evaluated / "metrics.json").read_text())
    record["config"] = configuration.load(folder / "config.yaml")
    with np.load(evaluated / "evidence.npz") as archive:
        arrays = dict(archive)
    texts = json.loads((evaluated / "evidence.json").read_text())
    curves = {split: read_curve(folder / f"{split}.csv") for split in ("train", "val")}
    return Run(record=record, train=curves["train"], val=curves["val"], arrays=arrays, texts=texts)


def read_curve(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        return [{name: float(value) for name, value in row.items() if value and name != "objective"} for row in rows]


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
            raise QuartetError(f"{folder} holds no evaluated run\nrun pipelines/evaluate.py {trained} first")
        runs.append(load_run(trained, folder / "evaluate"))
    return runs


def compare(runs: list[Run], *, out: Path) -> None:
    """Write the page, the same as Markdown, the list of results and what was made of them."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("results", results(runs)), ("statistics", analysis(runs))):
        (out / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    (out / "index.html").write_text(page(runs))
    (out / "report.md").write_text(markdown(runs))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="compare.py", description="Compare evaluated runs.")
    parser.add_argument(
        "folders",
        type=Path,
        nargs="*",
        help="results/<experiment>/<seed>, or runs/…; all of params.yaml's unless given",
    )
    parser.add_argument("--out", type=Path, default=Path("reports"))
    parser.add_argument("--show", action="store_true", help="print the table only, and write nothing")
    parser.add_argument("--register", action="store_true", help="register the best model of each task in MLflow")
    chosen = parser.parse_args(arguments)
    runs = apart(evaluated(chosen.folders)) if chosen.folders else evaluated(table())
    lines = []
    if not chosen.show:
        compare(runs, out=chosen.out)
        lines = comparison.track(runs, out=chosen.out, registers=chosen.register)
    page_path = chosen.out / "index.html"
    if page_path.exists():
        lines.append(f"report: {page_path.resolve()}")
    print("\n".join([summary(runs), "", *lines]).rstrip())


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
