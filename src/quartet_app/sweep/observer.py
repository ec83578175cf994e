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

from hydra_plugins.quartet_ray_sweeper._study import OBJECTIVE
from quartet.report.study import Trial, learning_curves, parallel_coordinates, table
from quartet_app.config.project import CONF
from quartet_app.files import write_text
from quartet_app.run.environment import command_line
from quartet_app.run.run_folder import code_digest, git_commit
from quartet_app.sweep.tuned import kept, write_tuned

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper._journal import Record
    from hydra_plugins.quartet_ray_sweeper._study import Study
    from quartet.tracking import Tracker
    from quartet.tracking.tracker import Status

MEMORY = "mlflow.json"  # in the sweep's folder, for the next attempt: its run, and the code that it ran
STATUS = {"running": "KILLED", "failed": "FAILED", "stopped": "KILLED", "finished": "FINISHED"}


class StudyRun:
    """The observer of a sweep. `tuned`: the folder for the winner's file; None for conf/tuned/."""

    def __init__(self, *, tuned: str | None) -> None:
        self.tuned = Path(tuned) if tuned else CONF / "tuned"

    def begin(self, study: Study) -> Mapping[str, str]:
        self.tracker: Tracker = instantiate(OmegaConf.to_container(study.config.tracking, resolve=True))
        memory = study.folder / MEMORY
        known = json.loads(memory.read_text()) if memory.exists() and study.journal.records else {}
        code = code_digest()
        if known and known.get("code") != code:
            print(other_code(study), flush=True)
        self.run = self.tracker.start(
            name=f"sweep {experiment(study)} {study.folder.name}",
            params={"space": study.space.described(), "constants": study.space.constants, "sweeper": options(study)},
            tags={"kind": "study", "study": study.folder.name, "folder": str(study.folder), "git_commit": git_commit()},
            resume=known.get("run"),
        )
        write_text(memory, json.dumps({"run": self.run, "code": code}))
        facts = {
            "study": study.folder.name,
            "parent": self.run,
            "tracking_uri": self.tracker.uri or "",
            "command": command_line(),
        }
        return {key: value for key, value in facts.items() if value}

    def end(self, study: Study, error: BaseException | None) -> list[str]:
        status: Status = "FAILED"
        try:
            lines = self.publish(study)
            if error is None or isinstance(error, KeyboardInterrupt | SystemExit):
                status = "FINISHED" if error is None else "KILLED"
        finally:
            self.tracker.finish(self.run, status)
        return lines

    def publish(self, study: Study) -> list[str]:
        """All that is known of the sweep, in MLflow and in the winner's file; returns where that is."""
        lines = []
        for trial in study.trials:
            self.close_lost_trial(trial)
        best = study.best[0] if study.best else None
        if best is not None:
            self.tag_best(study, best)
        if best is not None and not study.count("running") and kept(best, "run.json"):
            path, before = write_tuned(study, best, self.tuned)
            lines.append(
                f"the best as a file: {path}, for tuned={path.stem}; dvc repro takes it up (~tuned leaves it out)"
            )
            if before:
                lines.append(f"it takes the place of: {before}")
        self.log(study)
        if self.tracker.uri:
            lines.append(f"MLflow: {self.tracker.uri}, run {self.run} ({study.folder.name})")
        return lines

    def close_lost_trial(self, trial: Record) -> None:
        """A trial whose process was lost could not say how it ended."""
        state = trial_state(trial)
        if state.get("status") == "RUNNING" and state.get("mlflow_run_id"):
            self.tracker.finish(state["mlflow_run_id"], STATUS[trial.status])  # type: ignore[arg-type]

    def tag_best(self, study: Study, best: Record) -> None:
        """Tag the winner, and no other that an earlier attempt had tagged."""
        for trial in study.trials:
            run = trial_state(trial).get("mlflow_run_id")
            if run and trial.status in ("finished", "stopped"):
                self.tracker.tags(run, {"winner": "true" if trial is best else "false"})
        run = trial_state(best).get("mlflow_run_id", "")
        self.tracker.tags(self.run, {"winner": run, "winner_trial": str(best.number)})

    def log(self, study: Study) -> None:
        counts = {f"trials/{status}": float(study.count(status)) for status in STATUS}
        scores = study.scores(study.best[0]) if study.best else None
        best = {f"best/{name}": score for name, score in zip(study.metrics, scores or (), strict=False)}
        self.tracker.metrics(self.run, {**counts, **best}, step=len(study.trials))
        for name in ("study.json", "trials.jsonl", "multirun.yaml"):
            if (study.folder / name).exists():
                self.tracker.artifact(self.run, study.folder / name, folder="study")
        if not self.tracker.uri or not study.trials:
            return
        mode, objective = study.modes[0], sought(study)
        trials = [drawn(study, trial) for trial in study.trials]
        text = io.StringIO(newline="")
        header, rows = table(trials, mode=mode)  # type: ignore[arg-type]
        csv.writer(text).writerows([header, *rows])
        self.tracker.text(self.run, "study/trials.csv", text.getvalue())
        log = [one.key for one in study.space.parameters if one.log]
        figures = {
            "parallel_coordinates": parallel_coordinates(trials, objective=objective, mode=mode, log=log),  # type: ignore[arg-type]
            "learning_curves": learning_curves(trials, objective=objective, mode=mode, clock=study.clock),  # type: ignore[arg-type]
        }
        for name, figure in figures.items():
            self.tracker.figure(self.run, f"figures/{name}.png", figure)


def other_code(study: Study) -> str:
    """What is said where the code that decides the outcome is not what the sweep began with."""
    left = ", ".join(str(trial.number) for trial in study.journal.unfinished)
    ended = len(study.trials) - len(study.journal.unfinished)
    effects = [f"{ended} trials were trained by the old code"] * bool(ended) + [f"from the start again: {left}"] * bool(
        left
    )
    return f"the code has changed since this sweep began; {'; '.join(effects)} (hydra.sweeper.resume=false begins anew)"


def experiment(study: Study) -> str:
    """What is swept, "several" where that is swept too."""
    given = study.config.get("experiment")
    return str(given) if given and not OmegaConf.is_missing(study.config, "experiment") else "several"


def options(study: Study) -> dict[str, Any]:
    """How it searches, as plain data."""
    told = ("search", "scheduler", "trials", "seed", "metric", "mode", "max_time", "workers")
    return {key: OmegaConf.to_container(v) if OmegaConf.is_config(v := study.options[key]) else v for key in told}


def sought(study: Study) -> str:
    """What the sweep goes by, in words: of the objective the validation metric that it is the best of, once a trial has
    come so far."""
    facts = kept(study.best[0], "run.json") if study.best else {}
    return f"best {facts['monitor']}" if study.metrics[0] == OBJECTIVE and facts else study.metrics[0]


def trial_state(trial: Record) -> dict[str, Any]:
    """What the trial's run remembers."""
    return kept(trial, "state.json")


def drawn(study: Study, trial: Record) -> Trial:
    """A trial as the figures take it."""
    scores = study.scores(trial)
    curve = [
        (row[study.clock], row[study.metrics[0]]) for row in trial.reports if {study.clock, study.metrics[0]} <= {*row}
    ]
    values = {key: typed(key, value) for key, value in trial.values.items()}
    return Trial(trial.number, values, trial.status, scores[0] if scores else None, curve)


def typed(key: str, value: object) -> Any:
    """A value as Hydra reads it from the command line."""
    return OverridesParser.create().parse_override(f"{key}={value}").value()
