"""Tune every experiment of a table with the same number of trials: the settings go to conf/tuned/, as a sweep's do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quartet.report.drawing.numerals import spread
from quartet.report.summary import align_columns
from quartet.types import QuartetError
from quartet_app.choose.asked import note_asked
from quartet_app.choose.search import (
    Place,
    read_found,
    search,
    searched,
    space_of,
    sweep_words,
    winning_values,
)
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.project import own_conf
from quartet_app.config.table.params import Params, read_params
from quartet_app.files import read_json, write_text
from quartet_app.near import did_you_mean

SWEEPS = Path("runs", "tune")  # in the table's folder: the sweep of each experiment
SUMMARY = "tuned.json"  # in the table's folder
HEAD = ("experiment", "trials", "as it was", "tuned", "settings")


def tune(table: Path, *, trials: int, only: Sequence[str], place: Place) -> list[str]:
    """Run the sweeps of a table's experiments that have not ended; returns the lines of a summary.

    `only`: names of experiments; empty for all. Each sweep that ends is in the summary at once, so that a long search
    can be stopped and gone on with.
    """
    from hydra_plugins.quartet_ray_sweeper import ray_running
    from quartet_app.run.workers.ray_train import as_quartet_error

    path = table / "params.yaml"
    if not path.exists():
        raise QuartetError(f"{table}: no table, it has no params.yaml\nquartet table {table} EXPERIMENT … makes one")
    params = read_params(path)
    for name in only:
        if name not in params.experiments:
            raise QuartetError(f"--only: {name}: not in {path}; {did_you_mean(name, params.experiments)}")
    chosen = [name for name in params.experiments if name in only or not only]
    with as_quartet_error(), ray_running(address=place.address, dashboard=False, key="--address"):
        for number, experiment in enumerate(chosen, 1):
            print(f"{experiment}: {number} of {len(chosen)}", flush=True)
            folder = sweep_of(table, experiment)
            sweep = words(params, experiment, trials=trials, folder=folder, place=place)
            before = read_found(folder)
            if not before or len(searched(before)) < trials:
                search(sweep)
            summarize(table, params.experiments)
    return [*summarize(table, params.experiments), f"summary: {table / SUMMARY}; settings: {own_conf() / 'tuned'}"]


def sweep_of(table: Path, experiment: str) -> Path:
    """Return the folder of an experiment's sweep, absolute: the table's own, since tables differ in their settings.

    Early sweeps of all tables lie in the working directory.
    """
    early = SWEEPS / experiment
    own = table / early
    is_early = not own.exists() and read_found(early) and experiment in read_json(table / SUMMARY)
    return (early if is_early else own).absolute()


def words(params: Params, experiment: str, *, trials: int, folder: Path, place: Place) -> list[str]:
    """Return the command line of the sweep of an experiment, as the table trains it but untuned.

    QuartetError where `folder` holds a sweep with other settings or data.
    """
    own = [one for one in params.overrides.get(experiment, []) if not one.startswith(("tuned=", "~tuned"))]
    base = [f"experiment={experiment}", f"profile={params.profile}", *own]
    config = compose(base)
    check(config)
    note_asked(folder, config, space=space_of(config), remedy=f"delete {folder}, and the same command searches anew")
    tuned = own_conf() / "tuned"
    return sweep_words(base, config, trials=trials, folder=folder, tuned=tuned, place=place, more=[])


def summarize(table: Path, experiments: Sequence[str]) -> list[str]:
    """Write what all sweeps found so far to SUMMARY; returns it as lines."""
    found = {name: read_found(sweep_of(table, name)) for name in experiments}
    facts = {name: one(result) for name, result in found.items() if result}
    kept = {**read_json(table / SUMMARY), **facts}  # of another machine
    write_text(table / SUMMARY, json.dumps({name: kept[name] for name in experiments if name in kept}, indent=1) + "\n")
    rows = [
        (name, str(fact["trials"]), spread(fact["default"]), spread(fact["tuned"]), " ".join(fact["settings"]))
        for name, fact in kept.items()
    ]
    return [align_columns([HEAD, *rows], right={1})] if rows else []


def one(result: dict[str, Any]) -> dict[str, Any]:
    """Return what one sweep found, for the summary."""
    trials = searched(result)
    return {
        "trials": len(trials),
        "default": result["default_scores"],
        "tuned": result["best_scores"],
        "scores": [trial["score"] for trial in trials if trial["status"] == "finished"],
        "settings": [f"{key}={value}" for key, value in winning_values(result).items()],
        "seconds": round(result["seconds"]),
    }
