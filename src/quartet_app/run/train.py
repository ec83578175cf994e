"""Train one run: fit on one device or several, keep the best checkpoint, track the run, return the objective."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

LOCK_TIMEOUT = 60.0  # seconds to wait for a trial's folder: the processes of a killed sweep need a while to end

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet.tracking import Tracker
    from quartet_app.run.run_folder import Run


def train_config(config: dict[str, Any]) -> float:
    """Train a checked configuration, as a trial where a sweep runs this process; returns the objective."""
    from hydra_plugins.quartet_ray_sweeper import trial

    return train(config, trial=trial())


def train(config: dict[str, Any], *, trial: Trial | None = None, folder: Path | None = None) -> float:
    """Train the resolved `config`; returns the best value of the monitored validation metric.

    Commands, `--multirun` jobs, DVC stages and a sweep's `trial` all call this. An interrupted run resumes from its
    last checkpoint; a finished run is trained again. The folder `config["out"]`, if set, gets a copy of the results.
    `folder` is the run's own folder; by default it is named by the fingerprint.
    """
    from quartet_app.config.trust import remember_named
    from quartet_app.data.prepared import ensure
    from quartet_app.run.match import matched, sizes
    from quartet_app.run.run_folder import Run
    from quartet_app.run.tracked_run import tracked

    remember_named(config)
    out = config["out"] and Path(config["out"])
    data = ensure(config["data"])
    unmatched, config = config, matched(config, data)
    if config is not unmatched:
        print(f"{config['experiment']}: {sizes(config)}, set by match", flush=True)
    run = Run(config, data, place=trial.folder if trial is not None else folder)
    if out is not None:
        check_note(run)
    if trial is not None and trial.checkpoint is None and run.done:
        return report(run, run.folder)  # it finished, but its sweep was killed before it got the result
    with run.locked(patience=LOCK_TIMEOUT if trial is not None else 0.0), terminable():
        run.open(start=trial.checkpoint if trial is not None else None)
        with tracked(run, trial) as tracker:
            fit(run, tracker, trial)
            if out is not None:
                run.export_results(out)
        run.close()
    return report(run, out or run.folder)


def check_note(run: Run) -> None:
    """Refuse data that has changed since `prepare` noted its digest: the DVC stage of the run depends on that note."""
    from quartet_app.data.prepared import TABLE
    from quartet_app.files import read_json

    note = TABLE / f"{run.config['experiment']}.json"
    if note.exists() and read_json(note).get("digest") != run.data_digest:
        raise QuartetError(
            f"{note}: the files of {run.config['data']['name']} changed since they were prepared\n"
            "dvc repro --force --single-item prepare, then dvc repro"
        )


def fit(run: Run, tracker: Tracker, trial: Trial | None) -> None:
    """Launch the workers, write run.json from their results, and log the results and the model."""
    from quartet.data.preparing.fetch import sha256
    from quartet_app.config.options import tuning_trials
    from quartet_app.files import write_text
    from quartet_app.run.environment import environment
    from quartet_app.run.run_folder import names
    from quartet_app.run.tracked_run import log_results, own_code, read_result
    from quartet_app.run.workers.launch import launch

    launch(run, trial)
    result = read_result(run)
    facts = {
        **names(run.config),
        **result,
        "config_hash": run.config_hash,
        "data_digest": run.data_digest,
        "fingerprint": run.fingerprint,
        "git_commit": run.state["git_commit"],
        "mlflow_run_id": run.state.get("mlflow_run_id"),
        "environment": environment(),
        "code_digest": run.state["code_digest"],
        **own_code(run),
        "weights_sha256": sha256(run.folder / "model.safetensors"),
        "tuning_trials": tuning_trials(run.config),
        **provenance(run, trial),
    }
    write_text(run.folder / "run.json", json.dumps(facts, indent=1) + "\n")
    log_results(run, tracker, facts)


def provenance(run: Run, trial: Trial | None) -> dict[str, Any]:
    """Return the data set, the command and the sweep of a run: provenance that its configuration does not hold."""
    from quartet_app.data.content import read_manifest
    from quartet_app.files import relative_to_cwd
    from quartet_app.run.environment import command_line

    manifest = read_manifest(run.data)
    dataset = {key: manifest.get(key) for key in ("origin", "licence", "recipe", "examples", "characters")}
    facts = {"dataset": {**dataset, "folder": relative_to_cwd(run.data)}, "command": command_line(), "sweep": None}
    if trial is None:
        return facts
    sweep = {"folder": relative_to_cwd(trial.folder.parent), "trial": trial.number, "parent": trial.facts.get("parent")}
    return {**facts, "command": trial.facts.get("command"), "sweep": sweep}


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, which cluster schedulers send, end a run as Ctrl-C does: with its status written.

    Does nothing in a trial: it runs in another thread, and only the main thread may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report(run: Run, folder: Path) -> float:
    """Print the result of a run and its folder; returns the objective."""
    from quartet_app.run.verify import run_facts

    facts = run_facts(run.folder)
    objective = facts["metrics"][facts["monitor"]]
    print(
        f"{run.name}: {facts['monitor']} {objective:.4g} after {facts['samples_seen']:,} samples in "
        f"{facts['train_seconds']:.0f} s → {folder}",
        flush=True,
    )
    return objective
