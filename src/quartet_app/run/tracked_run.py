"""Track a run: open it in the store, log its results and its model, and close it with its status."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError

NOTHING: Mapping[str, float] = {}
FILES = ("config.yaml", "run.json", "train.csv", "val.csv")

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet.tracking import Tracker
    from quartet.tracking.tracker import Status
    from quartet_app.run.run_folder import Run


@contextlib.contextmanager
def tracked(run: Run, trial: Trial | None) -> Iterator[Tracker]:
    """Open the tracked run or resume it; at the end, close it with the status FINISHED, FAILED or KILLED.

    A trial's run is a child of its sweep's. A trial that was stopped early ends as KILLED and has the tag
    `stopped_early`.
    """
    from quartet_app.run.unsent import say_what_was_lost
    from quartet_app.run.work_tree import read_diff

    sweep = trial.facts if trial is not None else {}
    tracker = tracker_of(run, sweep.get("tracking_uri"))
    dataset = {"name": run.config["data"]["name"], "digest": run.data_digest, "path": str(run.data)}
    run_id = tracker.start(
        name=run.name if trial is None else f"{run.name}-trial-{trial.number}",
        params=run.config,
        tags=tags_of(run, trial),
        dataset=dataset,
        resume=run.state.get("mlflow_run_id"),
        parent=sweep.get("parent"),
    )
    status: Status = "FAILED"
    try:
        run.remember(mlflow_run_id=run_id, tracking_uri=tracker.uri, status="RUNNING")
        if read_diff(run.folder / "work_tree.diff"):
            tracker.artifact(run_id, run.folder / "work_tree.diff", folder="run")
        yield tracker
        stopped = read_result(run)["stopped_early"]
        status = "KILLED" if stopped else "FINISHED"
        if trial is not None:
            tracker.tags(run_id, {"stopped_early": "true" if stopped else "false"})
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        try:
            run.remember(status=status)
        finally:  # the disk may be full
            tracker.finish(run_id, status)
            say_what_was_lost(tracker, run.folder)


def tracker_of(run: Run, uri: str | None) -> Tracker:
    """Return the tracker of a run's configuration, at the store `uri` where a sweep names one."""
    from hydra.utils import instantiate

    at = {"uri": uri} if uri and "uri" in run.config["tracking"] else {}
    tracker: Tracker = instantiate({**run.config["tracking"], **at})
    return tracker


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


def log_results(run: Run, tracker: Tracker, facts: dict[str, Any], *, known: Mapping[str, float] = NOTHING) -> None:
    """Log summary metrics, files and the model to the tracked run, but for metrics that are `known` there.

    The metrics of the best checkpoint are named "best/…": MLflow shows the last value of a name, and the last
    validation need not be the best.
    """
    run_id = facts["mlflow_run_id"]
    numbers = ("parameters", "flops", "samples_seen", "train_seconds")
    best = {name.replace("val/", "best/"): value for name, value in facts["metrics"].items()}
    summary = {**best, **{name: facts[name] for name in numbers}}
    new = {name: value for name, value in summary.items() if name not in known}
    if new:
        tracker.metrics(run_id, new, step=facts["samples_at_best"])
    for name in FILES:
        tracker.artifact(run_id, run.folder / name, folder="run")
    if tracker.stores_model and not facts["stopped_early"] and not (known and tracker.has_model(run_id)):
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


def read_result(run: Run) -> dict[str, Any]:
    """Return what the first worker wrote at the end of training; QuartetError where that file is damaged."""
    from quartet_app.files import read_record

    return read_record(run.folder / "result.json", remedy="the same command writes it again from the last checkpoint")


def own_code(run: Run) -> dict[str, str]:
    """Return the digest of the user's own code as a mapping, {} where the run has none."""
    return {key: run.state[key] for key in ("own_code_digest",) if key in run.state}
