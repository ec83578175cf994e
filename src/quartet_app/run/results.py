"""Load trained and evaluated runs for the report."""

from __future__ import annotations

import csv
import zipfile
import zlib
from pathlib import Path

from quartet.report import Run
from quartet.types import QuartetError
from quartet_app.config.resolved import load_run_config
from quartet_app.files import read_record
from quartet_app.run.verify import run_facts

SERVING = ("latency_ms_1", "latency_ms_64", "throughput_64", "bytes")  # costs that become numbers of the record


def load_run(folder: Path, evaluated: Path) -> Run:
    """Load a run for the report, from the files of its training in `folder` and of its evaluation in `evaluated`.

    Its costs of serving are None where the evaluation has none.
    """
    import numpy as np

    remedy = f"quartet evaluate {folder} writes it again"
    record = run_facts(folder)
    record["metrics"] = read_record(evaluated / "metrics.json", remedy=remedy)
    record["config"] = load_run_config(folder)
    path = evaluated / "cost.json"  # which evaluations of early versions do not have
    record["cost"] = read_record(path, remedy=remedy) if path.exists() else {}
    record |= {name: record["cost"].get(name) for name in SERVING}
    try:
        with (evaluated / "evidence.npz").open("rb") as file, np.load(file) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise QuartetError(f"{evaluated / 'evidence.npz'}: damaged ({error})\n{remedy}") from error
    texts = read_record(evaluated / "evidence.json", remedy=remedy)
    curves = {split: read_curve(folder / f"{split}.csv") for split in ("train", "val")}
    return Run(record=record, train=curves["train"], val=curves["val"], arrays=arrays, texts=texts)


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read train.csv or val.csv: a mapping for each row. Omits "objective", a copy of the monitored metric."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [{name: float(value) for name, value in row.items() if value and name != "objective"} for row in rows]
    except (OSError, ValueError, TypeError) as error:  # TypeError: a row with too many values
        raise QuartetError(f"{path}: damaged ({error})\ntrain the run again") from error
