"""Give a measurement the trained runs that its finding names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.findings import Trained
from quartet.types import QuartetError
from quartet_app.config.resolved import Config
from quartet_app.run.results import load_run
from quartet_app.run.verify import verify_run

if TYPE_CHECKING:
    from torch import nn

    from quartet.data import DataModule

SCORE = "score_"  # begins the names of arrays that hold a score an example
PLAIN = ("samples", "seconds")  # columns of a curve that are no metrics


def load_runs(composed: Config, seeds: Sequence[int], results: Path) -> dict[str, list[Trained]]:
    """Return the runs of a composed finding by name: point by point, the seeds of each in order.

    `results` holds <point>/<seed>/train and evaluate. QuartetError where one is missing or was changed.
    """
    return {
        name: [load(results / entry["point"] / str(seed), entry["values"]) for entry in entries for seed in seeds]
        for name, entries in composed["runs"].items()
    }


def load(folder: Path, values: dict[str, Any]) -> Trained:
    """Return the run whose training and evaluation lie in `folder`; `values` are what its finding varies."""
    from quartet_app.run.build import build_task

    train = folder / "train"
    if not (folder / "evaluate" / "metrics.json").exists():
        raise QuartetError(f"{folder}: not trained and evaluated yet; `quartet findings` does what is missing")
    verify_run(train)
    run = load_run(train, folder / "evaluate")
    record = run.record
    return Trained(
        seed=run.seed,
        values=values,
        parameters=record["parameters"],
        flops=record["flops"],
        metrics=run.metrics,
        curve=[{key if key in PLAIN else f"val/{key}": value for key, value in row.items()} for row in run.val],
        scores={name.removeprefix(SCORE): found for name, found in run.arrays.items() if name.startswith(SCORE)},
        open_data=partial(_data, train),
        load=partial(_model, train, record["config"]),
        task=build_task(record["config"]),
    )


@cache
def _data(train: Path) -> DataModule:
    """Return the data of a run, opened once."""
    from quartet_app.config.resolved import load_run_config
    from quartet_app.data.prepared import ensure
    from quartet_app.run.build import build_data

    config = load_run_config(train)
    return build_data(config, ensure(config["data"]))


def _model(train: Path, config: Config) -> nn.Module:
    """Return the model of a run with its best weights."""
    from quartet_app.run.build import build_task, load_model

    return load_model(train, config, build_task(config), _data(train))
