"""Deliver to MLflow what did not reach it while a run was trained and evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config.resolved import load_run_config
from quartet_app.config.trust import check_server
from quartet_app.provenance.run_record import RunRecord, list_local_runs
from quartet_app.run.unsent import UNSENT
from quartet_app.run.verify import verify_run

if TYPE_CHECKING:
    from quartet.tracking import RunData, Tracker
    from quartet.tracking.tracker import Status
    from quartet_app.run.run_folder import Run


def send(record: RunRecord) -> str:
    """Send the rest of a run to its store; returns a line for a person.

    Sends unsent rows of the curves, then what is missing of a finished run: metrics, files, its model and evaluations,
    and last its status. Raises QuartetError where the store does not take them.
    """
    from quartet_app.data.prepared import find
    from quartet_app.run.run_folder import Run

    folder = own_folder(record)
    config = load_run_config(folder)
    run = Run(config, find(config["data"]) or Path(), place=folder)
    with run.locked():  # refuses a run that is being trained
        tracker, run_id = open_store(run)
        known = tracker.run_data(run_id)
        if known is None:
            raise QuartetError(f"{tracker.uri} holds no run {run_id}: it was deleted there, or is in another store")
        with tracker.attach(run_id, unsent=folder / UNSENT):
            pass  # it sends the rows of that file
        if (folder / "run.json").exists():
            send_results(run, tracker, known)
        tracker.finish(run_id, final_status(run))
    missing = [*tracker.lost, *(["rows of the curves"] if (folder / UNSENT).exists() else [])]
    if missing:
        raise QuartetError(f"{', '.join(missing)} did not reach {tracker.uri}\ngive the same command again later")
    return f"{run.name}: {tracker.uri} has all of it, as run {run_id}"


def own_folder(record: RunRecord) -> Path:
    """Return the folder in which the run was trained; QuartetError where only copies are left."""
    same = [record, *(run for run in list_local_runs() if run.identity == record.identity)]
    folder = next((run.folder for run in same if run.folder and (run.folder / "state.json").exists()), None)
    if folder is None:
        raise QuartetError(f"{record.name}: its own folder in runs/ is gone, which knows what was not sent")
    return folder


def open_store(run: Run) -> tuple[Tracker, str]:
    """Return the tracker of the run's store and its id there; QuartetError without a store, or where it is silent."""
    from hydra.utils import instantiate

    from quartet.tracking.uri import check_reachable

    run_id, uri = run.state.get("mlflow_run_id"), run.state.get("tracking_uri")
    if not run_id or not uri:
        raise QuartetError(f"{run.folder}: this run was not tracked (tracking=none): there is nothing to send")
    check_server(uri, f"{run.folder}/state.json: tracking_uri")  # the folder may come from somebody else
    check_reachable(uri)
    # The machine's load at this moment is none of the run's.
    return instantiate({**run.config["tracking"], "uri": uri, "system_metrics": False}), run_id


def send_results(run: Run, tracker: Tracker, known: RunData) -> None:
    """Send the results of a finished run and of its evaluations, but for the metrics that are `known` there."""
    from quartet_app.run.evaluate import log_evaluation
    from quartet_app.run.tracked_run import log_results
    from quartet_app.run.work_tree import read_diff

    facts = {**verify_run(run.folder), "mlflow_run_id": run.state["mlflow_run_id"]}
    log_results(run, tracker, facts, known=known.metrics)
    if read_diff(run.folder / "work_tree.diff"):
        tracker.artifact(facts["mlflow_run_id"], run.folder / "work_tree.diff", folder="run")
    if facts.get("sweep"):
        tracker.tags(facts["mlflow_run_id"], {"stopped_early": "true" if facts["stopped_early"] else "false"})
    for evaluated in evaluations(run):
        log_evaluation(tracker, facts, folder=run.folder, out=evaluated, known=known.metrics)


def evaluations(run: Run) -> list[Path]:
    """Return the folders of the run's whole evaluations, here and in a table's results."""
    own = RunRecord("", run.folder)
    folders = [run.folder / "evaluate"]
    for copy in list_local_runs():
        if copy.folder and copy.folder.name == "train" and copy.identity == own.identity:
            folders.append(copy.folder.parent / "evaluate")
    return [folder for folder in folders if (folder / "metrics.json").exists()]


def final_status(run: Run) -> Status:
    """Return the status that the run ended with; KILLED where it was killed without a word."""
    ends: dict[Any, Status] = {"FINISHED": "FINISHED", "FAILED": "FAILED"}
    return ends.get(run.state.get("status"), "KILLED")
