"""Measure what trained runs say about a statement, and keep the numbers, figures and texts; the DVC stage `measure`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quartet.findings import Measured, Trained
from quartet.types import QuartetError
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.table.params import read_params
from quartet_app.files import make_folder, write_text
from quartet_app.findings.trained import load_runs

RESULTS, COMPOSED = Path("results"), Path("build", "findings")  # in a table's folder
MEASURED = RESULTS / "measured"
NUMBERS = "measured.json"
DPI = 110


def measure_finding(name: str) -> Path:
    """Measure the finding `name` of the table in the working directory; returns the folder with what was found."""
    path = COMPOSED / f"{name}.yaml"
    if not path.exists():
        raise QuartetError(f"{path}: not composed; is {name} among the findings of params.yaml? then dvc repro compose")
    composed = load_config(path)
    runs = load_runs(composed, read_params(Path("params.yaml")).seeds, RESULTS)
    return write_measured(measured(composed["measure"], runs), runs, MEASURED / name)


def measured(measure: Config, runs: Mapping[str, Sequence[Trained]]) -> Measured:
    """Return what the measurement of a finding says of its runs; QuartetError where it is none of quartet.findings."""
    from hydra.utils import get_method

    target = str(measure["_target_"])
    if not target.startswith("quartet.findings."):
        raise QuartetError(f"measure: {target}: a measurement is a function of quartet.findings")
    settings = {key: value for key, value in measure.items() if key != "_target_"}
    found = get_method(target)(runs, **settings)
    assert isinstance(found, Measured)
    for name, number in found.numbers.items():
        if not np.isfinite(np.asarray(number.values, dtype=float)).all():
            raise QuartetError(f"{target}: {name}: not a finite number in each seed: {number.values}")
    return found


def write_measured(found: Measured, runs: Mapping[str, Sequence[Trained]], folder: Path) -> Path:
    """Write the numbers, texts and figures to `folder`, and the commit of the code that found them; returns `folder`.

    The same measurement writes the same bytes, and the file of the numbers last: where it is, all is there.
    """
    from quartet_app.run.run_folder import git_commit

    make_folder(folder)
    for old in folder.iterdir():
        old.unlink()
    for name, figure in found.figures.items():
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    content: dict[str, Any] = {
        "numbers": {
            name: {
                "values": np.asarray(number.values, dtype=float).tolist(),
                "about": number.about,
                **({"ratio": True} if number.ratio else {}),
            }
            for name, number in found.numbers.items()
        },
        "figures": list(found.figures),
        "texts": dict(found.texts),
        "seeds": sorted({run.seed for named in runs.values() for run in named}),
        "runs": sum(len(named) for named in runs.values()),
        "commit": git_commit(),
    }
    write_text(folder / NUMBERS, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return folder
