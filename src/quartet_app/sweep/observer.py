"""A sweep in MLflow: a run that its trials are shown under, and the figures that tell its story."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import OmegaConf

from hydra_plugins.quartet_ray_sweeper import OBJECTIVE
from quartet.report.sweep import Trial, learning_curves, parallel_coordinates, table
from quartet_app.config.project import CONF
from quartet_app.files import write_text
from quartet_app.run.environment import command_line
from quartet_app.run.run_folder import code_digest, git_commit
from quartet_app.sweep.tuned import kept, write_tuned

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Record, Sweep
    from quartet.tracking import Tracker
    from quartet.tracking.tracker import Status

MEMORY = "mlflow.json"  # in the sweep's folder, for the next attempt: its run, and the code that it ran
STATUS = {"running": "KILLED", "failed": "FAILED", "stopped": "KILLED", "finished": "FINISHED"}


class SweepObserver:
    """The observer of a sweep. `tuned`: the folder for the winner's file; None for conf/tuned/."""

    def __init__(self, *, tuned: str | None) -> None:
        self.tuned = Path(tuned) if tuned else CONF / "tuned"

    def begin(self, sweep: Sweep) -> Mapping[str, str]:
        self.tracker: Tracker = instantiate(OmegaConf.to_container(sweep.config.tracking, resolve=True))
        memory = sweep.folder / MEMORY
        known = json.loads(memory.read_text()) if memory.exists() and sweep.journal.records else {}
        code = code_digest()
        if known and known.get("code") != code:
            print(other_code(sweep), flush=True)
        self.run = self.tracker.start(
            name=f"sweep {experiment(sweep)} {sweep.folder.name}",
            params={"space": sweep.space.as_text(), "constants": sweep.space.constants, "sweeper": options(sweep)},
            tags={"kind": "study", "study": sweep.folder.name, "folder": str(sweep.folder), "git_commit": git_commit()},
            resume=known.get("run"),
        )
        write_text(memory, json.dumps({"run": self.run, "code": code}))
        facts = {
            "study": sweep.folder.name,
            "parent": self.run,
            "tracking_uri": self.tracker.uri or "",
            "command": command_line(),
        }
        return {key: value for key, value in facts.items() if value}

    def end(self, sweep: Sweep, error: BaseException | None) -> list[str]:
        status: Status = "FAILED"
        try:
            lines = self.publish(sweep)
            if error is None or isinstance(error, KeyboardInterrupt | SystemExit):
                status = "FINISHED" if error is None else "KILLED"
        finally:
            self.tracker.finish(self.run, status)
        return lines

    def publish(self, sweep: Sweep) -> list[str]:
        """All that is known of the sweep, in MLflow and in the winner's file; returns where that is."""
        lines = []
        for trial in sweep.trials:
            self.close_lost_trial(trial)
        best = sweep.best[0] if sweep.best else None
        if best is not None:
            self.tag_best(sweep, best)
        if best is not None and not sweep.count("running") and kept(best, "run.json"):
            path, before = write_tuned(sweep, best, self.tuned)
            lines.append(
                f"the best as a file: {path}, for tuned={path.stem}; dvc repro takes it up (~tuned leaves it out)"
            )
            if before:
                lines.append(f"it takes the place of: {before}")
        self.log(sweep)
        if self.tracker.uri:
            lines.append(f"MLflow: {self.tracker.uri}, run {self.run} ({sweep.folder.name})")
        return lines

    def close_lost_trial(self, trial: Record) -> None:
        """A trial whose process was lost could not say how it ended."""
        state = trial_state(trial)
        if state.get("status") == "RUNNING" and state.get("mlflow_run_id"):
            self.tracker.finish(state["mlflow_run_id"], STATUS[trial.status])  # type: ignore[arg-type]

    def tag_best(self, sweep: Sweep, best: Record) -> None:
        """Tag the winner, and no other that an earlier attempt had tagged."""
        for trial in sweep.trials:
            run = trial_state(trial).get("mlflow_run_id")
            if run and trial.status in ("finished", "stopped"):
                self.tracker.tags(run, {"winner": "true" if trial is best else "false"})
        run = trial_state(best).get("mlflow_run_id", "")
        self.tracker.tags(self.run, {"winner": run, "winner_trial": str(best.number)})

    def log(self, sweep: Sweep) -> None:
        counts = {f"trials/{status}": float(sweep.count(status)) for status in STATUS}
        scores = sweep.scores(sweep.best[0]) if sweep.best else None
        best = {f"best/{name}": score for name, score in zip(sweep.metrics, scores or (), strict=False)}
        self.tracker.metrics(self.run, {**counts, **best}, step=len(sweep.trials))
        for name in ("study.json", "trials.jsonl", "multirun.yaml"):
            if (sweep.folder / name).exists():
                self.tracker.artifact(self.run, sweep.folder / name, folder="study")
        if not self.tracker.uri or not sweep.trials:
            return
        mode, objective = sweep.modes[0], objective_name(sweep)
        trials = [plotted(sweep, trial) for trial in sweep.trials]
        text = io.StringIO(newline="")
        header, rows = table(trials, mode=mode)  # type: ignore[arg-type]
        csv.writer(text).writerows([header, *rows])
        self.tracker.text(self.run, "study/trials.csv", text.getvalue())
        log = [parameter.key for parameter in sweep.space.parameters if parameter.log]
        figures = {
            "parallel_coordinates": parallel_coordinates(trials, objective=objective, mode=mode, log=log),  # type: ignore[arg-type]
            "learning_curves": learning_curves(trials, objective=objective, mode=mode, clock=sweep.clock),  # type: ignore[arg-type]
        }
        for name, figure in figures.items():
            self.tracker.figure(self.run, f"figures/{name}.png", figure)


def other_code(sweep: Sweep) -> str:
    """What is said where the code that decides the outcome is not what the sweep began with."""
    left = ", ".join(str(trial.number) for trial in sweep.journal.unfinished)
    ended = len(sweep.trials) - len(sweep.journal.unfinished)
    effects = [f"{ended} trials were trained by the old code"] * bool(ended) + [f"from the start again: {left}"] * bool(
        left
    )
    return f"the code has changed since this sweep began; {'; '.join(effects)} (hydra.sweeper.resume=false begins anew)"


def experiment(sweep: Sweep) -> str:
    """What is swept, "several" where that is swept too."""
    given = sweep.config.get("experiment")
    return str(given) if given and not OmegaConf.is_missing(sweep.config, "experiment") else "several"


def options(sweep: Sweep) -> dict[str, Any]:
    """How it searches, as plain data."""
    told = ("search", "scheduler", "trials", "seed", "metric", "mode", "max_time", "workers")
    return {key: OmegaConf.to_container(v) if OmegaConf.is_config(v := sweep.options[key]) else v for key in told}


def objective_name(sweep: Sweep) -> str:
    """What the sweep goes by, in words: of the objective the validation metric that it is the best of, once a trial has
    come so far."""
    facts = kept(sweep.best[0], "run.json") if sweep.best else {}
    return f"best {facts['monitor']}" if sweep.metrics[0] == OBJECTIVE and facts else sweep.metrics[0]


def trial_state(trial: Record) -> dict[str, Any]:
    """What the trial's run remembers."""
    return kept(trial, "state.json")


def plotted(sweep: Sweep, trial: Record) -> Trial:
    """A trial as the figures take it."""
    scores = sweep.scores(trial)
    curve = [
        (row[sweep.clock], row[sweep.metrics[0]]) for row in trial.reports if {sweep.clock, sweep.metrics[0]} <= {*row}
    ]
    values = {key: typed(key, value) for key, value in trial.values.items()}
    return Trial(trial.number, values, trial.status, scores[0] if scores else None, curve)


def typed(key: str, value: object) -> Any:
    """A value as Hydra reads it from the command line."""
    return OverridesParser.create().parse_override(f"{key}={value}").value()
