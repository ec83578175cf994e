"""Load trained and evaluated runs for the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from quartet.report import Run
from quartet_app.config.resolved import load_run_config


def load_run(folder: Path, evaluated: Path) -> Run:
    """Load a run for the report, from the files of its training in `folder` and of its evaluation in `evaluated`."""
    import numpy as np

    record = json.loads((folder / "run.json").read_text())
    record["metrics"] = json.loads((evaluated / "metrics.json").read_text())
    record["config"] = load_run_config(folder)
    with np.load(evaluated / "evidence.npz") as archive:
        arrays = dict(archive)
    texts = json.loads((evaluated / "evidence.json").read_text())
    curves = {split: read_curve(folder / f"{split}.csv") for split in ("train", "val")}
    return Run(record=record, train=curves["train"], val=curves["val"], arrays=arrays, texts=texts)


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read train.csv or val.csv: a mapping for each row. Omits "objective", a copy of the monitored metric."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [{name: float(value) for name, value in row.items() if value and name != "objective"} for row in rows]
