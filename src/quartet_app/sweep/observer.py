"""Track a sweep in MLflow, as a parent run of its trials, with tables and figures."""

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
from quartet_app.config.project import own_conf
from quartet_app.files import read_json, write_text
from quartet_app.run.environment import command_line
from quartet_app.run.run_folder import code_digest, git_commit
from quartet_app.sweep.tuned import read_trial_file, write_tuned

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Record, Sweep
    from quartet.tracking import Tracker
    from quartet.tracking.tracker import Status

STATE_FILE = "mlflow.json"  # in the sweep's folder: its MLflow run and the digest of its code, for the next attempt
STATUS = {"running": "KILLED", "failed": "FAILED", "stopped": "KILLED", "finished": "FINISHED"}


class SweepTracker:
    """Observe a sweep for its driver: open its MLflow run, complete it at the end, and write the winner's file.

    Args:
        tuned: the folder for the winner's file; None for conf/tuned/.
    """

    def __init__(self, *, tuned: str | None) -> None:
        self.tuned = Path(tuned) if tuned else own_conf() / "tuned"

    def begin(self, sweep: Sweep) -> Mapping[str, str]:
        """Open the sweep's MLflow run, or its earlier one; returns facts that each trial gets."""
        self.tracker: Tracker = instantiate(OmegaConf.to_container(sweep.config.tracking, resolve=True))
        state = sweep.folder / STATE_FILE
        known = read_json(state) if sweep.journal.records else {}  # a lost one costs a second run in MLflow, no more
        code = code_digest()
        if known and known.get("code") != code:
            print(code_change(sweep), flush=True)
        self.run = self.tracker.start(
            name=f"sweep {swept_experiment(sweep)} {sweep.folder.name}",
            params={
                "space": sweep.space.as_text(),
                "constants": sweep.space.constants,
                "sweeper": sweep_options(sweep),
            },
            tags={"kind": "study", "study": sweep.folder.name, "folder": str(sweep.folder), "git_commit": git_commit()},
            resume=known.get("run"),
        )
        write_text(state, json.dumps({"run": self.run, "code": code}))
        facts = {
            "study": sweep.folder.name,
            "parent": self.run,
            "tracking_uri": self.tracker.uri or "",
            "command": command_line(),
        }
        return {key: value for key, value in facts.items() if value}

    def end(self, sweep: Sweep, error: BaseException | None) -> list[str]:
        """Complete the sweep's MLflow run after the last trial or an `error`; returns lines for a person."""
        status: Status = "FAILED"
        try:
            lines = self.publish(sweep)
            if error is None or isinstance(error, KeyboardInterrupt | SystemExit):
                status = "FINISHED" if error is None else "KILLED"
        finally:
            self.tracker.finish(self.run, status)
        return lines

    def publish(self, sweep: Sweep) -> list[str]:
        """Write the results to MLflow and to the winner's file; returns lines that say where they are."""
        lines = []
        for trial in sweep.trials:
            self.close_lost_trial(trial)
        best = sweep.best[0] if sweep.best else None
        if best is not None:
            self.tag_best(sweep, best)
        if best is not None and not sweep.count("running") and read_trial_file(best, "run.json"):
            path, before = write_tuned(sweep, best, self.tuned)
            lines.append(f"the best as a file: {path}, for tuned={path.stem}; dvc repro uses it (~tuned leaves it out)")
            if before:
                lines.append(f"it replaces: {before}")
        self.log(sweep)
        if self.tracker.uri:
            lines.append(f"MLflow: {self.tracker.uri}, run {self.run} ({sweep.folder.name})")
        return lines

    def close_lost_trial(self, trial: Record) -> None:
        """Set the MLflow status of a trial whose process was lost before it could do so."""
        state = trial_state(trial)
        if state.get("status") == "RUNNING" and state.get("mlflow_run_id"):
            self.tracker.finish(state["mlflow_run_id"], STATUS[trial.status])  # type: ignore[arg-type]

    def tag_best(self, sweep: Sweep, best: Record) -> None:
        """Tag the winner, and clear the tag of a trial that won an earlier attempt of the sweep."""
        for trial in sweep.trials:
            run = trial_state(trial).get("mlflow_run_id")
            if run and trial.status in ("finished", "stopped"):
                self.tracker.tags(run, {"winner": "true" if trial is best else "false"})
        run = trial_state(best).get("mlflow_run_id", "")
        self.tracker.tags(self.run, {"winner": run, "winner_trial": str(best.number)})

    def log(self, sweep: Sweep) -> None:
        """Log the counts of trials, the best scores, the sweep's files, a table of trials and the figures."""
        counts = {f"trials/{status}": float(sweep.count(status)) for status in STATUS}
        scores = sweep.scores(sweep.best[0]) if sweep.best else None
        best = {f"best/{name}": score for name, score in zip(sweep.metrics, scores or (), strict=False)}
        self.tracker.metrics(self.run, {**counts, **best}, step=len(sweep.trials))
        for name in ("study.json", "trials.jsonl", "multirun.yaml"):
            if (sweep.folder / name).exists():
                self.tracker.artifact(self.run, sweep.folder / name, folder="study")
        if not self.tracker.uri or not sweep.searched:
            return
        mode, objective = sweep.modes[0], objective_name(sweep)
        trials = [figure_trial(sweep, trial) for trial in sweep.searched]
        text = io.StringIO(newline="")
        header, rows = table(trials, mode=mode)  # type: ignore[arg-type]
        csv.writer(text).writerows([header, *rows])
        self.tracker.text(self.run, "study/trials.csv", text.getvalue())
        log_keys = [parameter.key for parameter in sweep.space.parameters if parameter.log]
        figures = {
            "parallel_coordinates": parallel_coordinates(trials, objective=objective, mode=mode, log=log_keys),  # type: ignore[arg-type]
            "learning_curves": learning_curves(trials, objective=objective, mode=mode, clock=sweep.clock),  # type: ignore[arg-type]
        }
        for name, figure in figures.items():
            self.tracker.figure(self.run, f"figures/{name}.png", figure)


def code_change(sweep: Sweep) -> str:
    """Return a warning for a sweep that continues with code that has changed since it began."""
    left = ", ".join(str(trial.number) for trial in sweep.journal.unfinished)
    ended = len(sweep.trials) - len(sweep.journal.unfinished)
    effects = [f"{ended} trials were trained by the old code"] * bool(ended) + [f"from the start again: {left}"] * bool(
        left
    )
    return f"the code has changed since this sweep began; {'; '.join(effects)} (hydra.sweeper.resume=false begins anew)"


def swept_experiment(sweep: Sweep) -> str:
    """Return the experiment of the sweep; "several" where the experiment is swept itself."""
    name = sweep.config.get("experiment")
    return str(name) if name and not OmegaConf.is_missing(sweep.config, "experiment") else "several"


def sweep_options(sweep: Sweep) -> dict[str, Any]:
    """Return the sweeper's main options as plain data."""
    keys = ("search", "scheduler", "trials", "seed", "metric", "mode", "max_time", "workers")
    return {key: OmegaConf.to_container(v) if OmegaConf.is_config(v := sweep.options[key]) else v for key in keys}


def objective_name(sweep: Sweep) -> str:
    """Return the name of the sweep's metric for figures; the "objective" as "best val/…" once a trial has ended."""
    facts = read_trial_file(sweep.best[0], "run.json") if sweep.best else {}
    return f"best {facts['monitor']}" if sweep.metrics[0] == OBJECTIVE and facts else sweep.metrics[0]


def trial_state(trial: Record) -> dict[str, Any]:
    """Return the state.json of a trial's run; {} where there is none."""
    return read_trial_file(trial, "state.json")


def figure_trial(sweep: Sweep, trial: Record) -> Trial:
    """Return a trial with its values and its curve, as the figures need it."""
    scores = sweep.scores(trial)
    curve = [
        (row[sweep.clock], row[sweep.metrics[0]]) for row in trial.reports if {sweep.clock, sweep.metrics[0]} <= {*row}
    ]
    values = {key: parse_value(key, value) for key, value in trial.values.items()}
    return Trial(trial.number, values, trial.status, scores[0] if scores else None, curve)


def parse_value(key: str, value: object) -> Any:
    """Return a value as Hydra would read it from the command line."""
    return OverridesParser.create().parse_override(f"{key}={value}").value()
