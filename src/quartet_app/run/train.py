"""Train one run: fit on one device or several, keep the best checkpoint, track the run, return the objective."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

LOCK_TIMEOUT = 60.0  # seconds to wait for a trial's folder: the processes of a killed sweep need a while to end

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet.tracking import Tracker
    from quartet.tracking.tracker import Status
    from quartet_app.run.run_folder import Run


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
        run.open(changed=trial is not None and trial.checkpoint is not None)
        with tracked(run, trial) as tracker:
            fit(run, tracker, trial)
            if out is not None:
                run.export_results(out)
        run.close()
    return report(run, out or run.folder)


def check_note(run: Run) -> None:
    """Refuse data that has changed since `prepare` noted its digest: the DVC stage of the run depends on that note."""
    from quartet_app.data.prepared import TABLE

    note = TABLE / f"{run.config['experiment']}.json"
    if note.exists() and json.loads(note.read_text())["digest"] != run.data_digest:
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
    from quartet_app.run.workers.launch import launch

    launch(run, trial)
    result = json.loads((run.folder / "result.json").read_text())
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


def own_code(run: Run) -> dict[str, str]:
    """Return the digest of the user's own code as a mapping, {} where the run has none."""
    return {key: run.state[key] for key in ("own_code_digest",) if key in run.state}


def provenance(run: Run, trial: Trial | None) -> dict[str, Any]:
    """Return the data set, the command and the sweep of a run: provenance that its configuration does not hold."""
    from quartet_app.files import relative_to_cwd
    from quartet_app.run.environment import command_line

    manifest = json.loads((run.data / "manifest.json").read_text())
    dataset = {key: manifest.get(key) for key in ("origin", "licence", "recipe", "examples", "characters")}
    facts = {"dataset": {**dataset, "folder": relative_to_cwd(run.data)}, "command": command_line(), "sweep": None}
    if trial is None:
        return facts
    sweep = {"folder": relative_to_cwd(trial.folder.parent), "trial": trial.number, "parent": trial.facts.get("parent")}
    return {**facts, "command": trial.facts.get("command"), "sweep": sweep}


def log_results(run: Run, tracker: Tracker, facts: dict[str, Any]) -> None:
    """Log summary metrics, files and the model to the tracked run.

    The metrics of the best checkpoint are named "best/…": MLflow shows the last value of a name, and the last
    validation need not be the best.
    """
    run_id = facts["mlflow_run_id"]
    numbers = ("parameters", "flops", "samples_seen", "train_seconds")
    best = {name.replace("val/", "best/"): value for name, value in facts["metrics"].items()}
    summary = {**best, **{name: facts[name] for name in numbers}}
    tracker.metrics(run_id, summary, step=facts["samples_at_best"])
    for name in ("config.yaml", "run.json", "train.csv", "val.csv"):
        tracker.artifact(run_id, run.folder / name, folder="run")
    if tracker.stores_model and not facts["stopped_early"]:
        try:
            store_model(run, tracker, run_id)
        except QuartetError as error:  # torch.export cannot trace every net; the trained weights are still good
            print(f"the model was not stored in MLflow: {error}", file=sys.stderr)


def store_model(run: Run, tracker: Tracker, run_id: str) -> None:
    """Export the best model and store it in MLflow. It predicts from raw input; its weights are stored too."""
    import shutil
    import tempfile

    from quartet import description
    from quartet.export import export
    from quartet_app.run.build import build_data, build_task, load_model, method_class

    model = load_model(run.folder, run.config, build_task(run.config), build_data(run.config, run.data))
    predicts = method_class(run.config).predictor(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(predicts, description.read(run.folder), folder)
        shutil.copyfile(run.folder / "model.safetensors", folder / "model.safetensors")
        tracker.model(run_id, folder)


@contextlib.contextmanager
def tracked(run: Run, trial: Trial | None) -> Iterator[Tracker]:
    """Open the tracked run or resume it; at the end, close it with the status FINISHED, FAILED or KILLED.

    A trial's run is a child of its sweep's. A trial that was stopped early ends as KILLED and has the tag
    `stopped_early`.
    """
    from hydra.utils import instantiate

    from quartet_app.run.work_tree import read_diff

    sweep = trial.facts if trial is not None else {}
    at = {"uri": sweep["tracking_uri"]} if sweep.get("tracking_uri") and "uri" in run.config["tracking"] else {}
    tracker = instantiate({**run.config["tracking"], **at})
    dataset = {"name": run.config["data"]["name"], "digest": run.data_digest, "path": str(run.data)}
    run_id = tracker.start(
        name=run.name if trial is None else f"{run.name}-trial-{trial.number}",
        params=run.config,
        tags=tags_of(run, trial),
        dataset=dataset,
        resume=run.state.get("mlflow_run_id"),
        parent=sweep.get("parent"),
    )
    run.remember(mlflow_run_id=run_id, tracking_uri=tracker.uri, status="RUNNING")
    if read_diff(run.folder / "work_tree.diff"):
        tracker.artifact(run_id, run.folder / "work_tree.diff", folder="run")
    status: Status = "FAILED"
    try:
        yield tracker
        stopped = json.loads((run.folder / "result.json").read_text())["stopped_early"]
        status = "KILLED" if stopped else "FINISHED"
        if trial is not None:
            tracker.tags(run_id, {"stopped_early": "true" if stopped else "false"})
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        run.remember(status=status)
        tracker.finish(run_id, status)


def tags_of(run: Run, trial: Trial | None) -> dict[str, str]:
    """Return the tags of the tracked run: its parts, its digests and, for a trial, its sweep."""
    from quartet_app.run.run_folder import names

    sweep = trial.facts if trial is not None else {}
    return {
        **{name: str(value) for name, value in names(run.config).items()},
        "fingerprint": run.fingerprint,
        "config_hash": run.config_hash,
        "data_digest": run.data_digest,
        "git_commit": run.state["git_commit"],
        "code_digest": run.state["code_digest"],
        **own_code(run),
        **({"tuned_from": run.config["tuned_from"]} if run.config.get("tuned_from") else {}),
        **({"study": sweep["study"], "trial": str(trial.number)} if trial is not None and "study" in sweep else {}),
    }


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
    facts = json.loads((run.folder / "run.json").read_text())
    objective = facts["metrics"][facts["monitor"]]
    print(
        f"{run.name}: {facts['monitor']} {objective:.4g} after {facts['samples_seen']:,} samples in "
        f"{facts['train_seconds']:.0f} s → {folder}",
        flush=True,
    )
    return objective
