"""Tune a net by a sweep on Ray, in which the winner also runs again: with seeds of its own, shorter, on less data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet_app.choose.timetable import REPEATED, REPEATS, Timetable, every
from quartet_app.config.options import option_files
from quartet_app.files import read_json, write_text
from quartet_app.sweep.observer import SweepTracker

if TYPE_CHECKING:
    from quartet_app.choose.question import Question

FOUND = "found.json"  # in a sweep's folder, written when it has ended


@dataclass(frozen=True)
class Place:
    """Where runs train: a cluster's address, None for this machine, and how many at once, None for all there is."""

    address: str | None
    devices: int | None


def arguments(question: Question, table: Timetable, net: str, folder: Path, place: Place) -> list[str]:
    """Return the command line of a net's sweep, after `quartet train`."""
    finals = json.dumps(table.finals(question.verdict_seeds))
    observer = f"{{_target_: {__name__}.Observer, tuned: {json.dumps(str(folder / 'tuned'))}}}"
    more = {"address": place.address, "max_batch_size": place.devices}
    return [
        "--multirun",
        f"experiment={question.experiment(net)}",
        f"task={question.task}",
        f"space={net if net in option_files('space') else 'other'}",
        *question.overrides,
        f"budget={table.budget:g} seconds",
        f"validate_every={every(table.budget)}",
        "trainer.progress=false",
        "tracking.model=false",  # to export a model can take longer than a trial
        f"hydra.sweep.dir={json.dumps(str(sweep_folder(question, net, folder)))}",
        f"hydra.sweeper.trials={table.trials}",
        "hydra.sweeper.defaults_first=true",
        f"hydra.sweeper.repeats={REPEATS}",
        f"hydra.sweeper.repeated={REPEATED}",
        f"hydra.sweeper.finals={finals}",
        f"hydra.sweeper.final_share={table.runs_share:.4f}",
        f"hydra.sweeper.hours={table.slice / 3600:.6f}",
        "hydra.sweeper.scheduler.grace=0.16",  # the first of the validations
        f"hydra.sweeper.observer={observer}",
        *(f"hydra.sweeper.{key}={value}" for key, value in more.items() if value is not None),
    ]


def sweep_folder(question: Question, net: str, folder: Path) -> Path:
    """Return the folder of a net's sweep, absolute."""
    return (folder / "search" / question.experiment(net)).absolute()


def search(question: Question, table: Timetable, net: str, folder: Path, place: Place) -> dict[str, Any]:
    """Run a net's sweep, or what is left of it; returns what it found."""
    from quartet_app.run.train import train_config
    from quartet_app.sweep.multirun import run_hydra

    run_hydra(train_config, arguments(question, table, net, folder, place))
    return found(question, net, folder)


def found(question: Question, net: str, folder: Path) -> dict[str, Any]:
    """Return what a net's sweep found; {} before it has ended."""
    return read_json(sweep_folder(question, net, folder) / FOUND)


def elapsed(question: Question, net: str, folder: Path) -> float:
    """Return the seconds that a net's sweep has taken in all attempts so far."""
    from hydra_plugins.quartet_ray_sweeper import Journal

    return Journal(sweep_folder(question, net, folder)).before


class Observer(SweepTracker):
    """Observe a sweep as always, and write what it found to its folder."""

    def end(self, sweep: Any, error: BaseException | None) -> list[str]:
        """Publish the results; where nothing broke off the sweep, also write them to FOUND."""
        lines = super().end(sweep, error)
        if error is None:
            write_text(sweep.folder / FOUND, json.dumps(summary(sweep), indent=1) + "\n")
        return lines


def summary(sweep: Any) -> dict[str, Any]:
    """Return a sweep's trials with their scores, and its winner, as plain values."""
    best = sweep.best[0] if sweep.best else None
    trials = [
        {
            "number": trial.number, "stage": trial.stage, "of": trial.of, "more": trial.more, "values": trial.values,
            "status": trial.status, "score": (sweep.scores(trial) or [None])[0], "folder": trial.folder,
            "error": trial.error,
        }
        for trial in sweep.trials
    ]  # fmt: skip
    return {
        "best": None if best is None else best.number, "best_scores": seed_scores(sweep, best),
        "default_scores": seed_scores(sweep, sweep.trials[0] if sweep.trials else None),
        "mode": sweep.modes[0], "seconds": sweep.journal.elapsed, "trials": trials,
    }  # fmt: skip


def seed_scores(sweep: Any, trial: Any) -> list[float]:
    """Return a finished trial's scores over its seeds; the one that it has where it was not repeated."""
    if trial is None or trial.status != "finished":
        return []
    return list(sweep.repeated_scores(trial) or sweep.scores(trial) or [])
