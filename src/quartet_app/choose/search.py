"""Tune a net by a sweep on Ray, in which the winner also runs again: with seeds of its own, shorter, on less data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet_app.choose.timetable import REPEATED, REPEATS, Timetable, every
from quartet_app.config.options import option_files, target
from quartet_app.config.overrides import quoted, writable
from quartet_app.files import read_json, write_text
from quartet_app.sweep.observer import SweepTracker

if TYPE_CHECKING:
    from quartet_app.choose.question import Question
    from quartet_app.config.resolved import Config

FOUND = "found.json"  # in a sweep's folder, written when it has ended
WHOLE = {"best", "best_scores", "default_scores", "seconds", "trials"}  # the keys that FOUND must have
OF_A_TRIAL = {"number", "stage", "of", "more", "values", "status", "score"}


@dataclass(frozen=True)
class Place:
    """Where runs train: a cluster's address, None for this machine, and how many at once, None for all there is."""

    address: str | None
    devices: int | None


def sweep_words(
    words: list[str], config: Config, *, trials: int, folder: Path, tuned: Path, place: Place, more: list[str]
) -> list[str]:
    """Return the command line of a fair sweep, after `quartet train`, of the experiment that `words` compose.

    All sweeps are alike: the net's space of conf/space/, the settings as they are as trial 0, repeats of the best.

    Args:
        config: what `words` compose. trials: of the search. more: further overrides.
        folder: the sweep's, absolute. tuned: the folder for the winner's settings.
    """
    observer = f"{{_target_: {__name__}.Observer, tuned: {quoted(writable('the folder', str(tuned.absolute())))}}}"
    at = {"address": place.address, "max_batch_size": place.devices}
    return [
        "--multirun",
        *words,
        f"task={option_of('task', config)}",
        f"space={space_of(config)}",
        "trainer.progress=false",
        # To export a model can take longer than a trial.
        *(["tracking.model=false"] if "model" in config["tracking"] else []),
        f"hydra.sweep.dir={quoted(writable('the folder', str(folder)))}",
        f"hydra.sweeper.trials={trials}",
        "hydra.sweeper.defaults_first=true",
        f"hydra.sweeper.repeats={REPEATS}",
        f"hydra.sweeper.repeated={REPEATED}",
        "hydra.sweeper.scheduler.grace=0.16",  # the first of six validations
        f"hydra.sweeper.observer={observer}",
        *(f"hydra.sweeper.{key}={value}" for key, value in at.items() if value is not None),
        *more,
    ]


def space_of(config: Config) -> str:
    """Return the file of conf/space/ by which the net of a config is searched."""
    net = option_of("net", config)
    return net if net in option_files("space") else "other"


def option_of(group: str, config: Config) -> str:
    """Return the option of a group that a config has, by its `_target_`; "" for a class without an option."""
    return next((name for name in option_files(group) if target(group, name) == config[group]["_target_"]), "")


def arguments(question: Question, table: Timetable, net: str, folder: Path, place: Place) -> list[str]:
    """Return the command line of a net's sweep for a question, after `quartet train`."""
    config = question.config(net)
    finals = table.finals(question.verdict_seeds, model="model" in config["tracking"])
    return sweep_words(
        [f"experiment={question.experiment(net)}", *question.overrides],
        config,
        trials=table.trials,
        folder=sweep_folder(question, net, folder),
        tuned=folder / "tuned",
        place=place,
        more=[
            f"budget={table.budget:g} seconds",
            f"validate_every={every(table.budget)}",
            f"hydra.sweeper.finals={json.dumps(finals)}",
            f"hydra.sweeper.final_share={table.runs_share:.4f}",
            f"hydra.sweeper.hours={table.slice / 3600:.6f}",
        ],
    )


def sweep_folder(question: Question, net: str, folder: Path) -> Path:
    """Return the folder of a net's sweep, absolute."""
    return (folder / "search" / question.experiment(net)).absolute()


def search(words: list[str]) -> None:
    """Run the sweep of a command line, or what is left of it."""
    from quartet_app.run.train import train_config
    from quartet_app.sweep.multirun import run_hydra

    run_hydra(train_config, words)


def found(question: Question, net: str, folder: Path) -> dict[str, Any]:
    """Return what a net's sweep found; {} before it has ended."""
    return read_found(sweep_folder(question, net, folder))


def read_found(sweep: Path) -> dict[str, Any]:
    """Return what the sweep in a folder found; {} before it has ended, and where the file is damaged."""
    result = read_json(sweep / FOUND)
    trials = result.get("trials")
    whole = (
        result.keys() >= WHOLE
        and isinstance(trials, list)
        and all(isinstance(one, dict) and set(one) >= OF_A_TRIAL for one in trials)
    )
    return result if whole else {}


def elapsed(question: Question, net: str, folder: Path) -> float:
    """Return the seconds that a net's sweep has taken in all attempts so far."""
    from hydra_plugins.quartet_ray_sweeper import Journal
    from quartet_app.run.workers.ray_train import as_quartet_error

    with as_quartet_error():
        return Journal(sweep_folder(question, net, folder)).before


def searched(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trials of the search in what a sweep found: without repeats and the winner's further runs."""
    return [trial for trial in result.get("trials", []) if trial["stage"] == "search"]


def winning_values(result: dict[str, Any]) -> dict[str, Any]:
    """Return the values that won a search, by key; {} for the settings as they were, and without a winner."""
    return next((trial["values"] for trial in searched(result) if trial["number"] == result["best"]), {})


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
            "status": trial.status, "score": (sweep.scores(trial) or [None])[0], "error": trial.error,
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
