"""Track a comparison in MLflow: a parent run with the report's page, tables, figures and metrics.

MLflow shows the compared runs below the parent. The parent is identified by the report's folder: repeating a
comparison updates the same run. A run that has a parent already, as a sweep's trial has, keeps it. The tag
`comparisons` of a compared run holds the ids of all its comparisons; the tag `study` names its table or its sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.report import Run
from quartet.report.comparison_figures import comparison_figures
from quartet.report.run import group_by_experiment, mean_and_deviation
from quartet.report.table import results
from quartet.tracking.labels import allowed_name
from quartet.types import QuartetError
from quartet_app.comparison.champion import register
from quartet_app.config.project import project
from quartet_app.run.run_folder import git_commit

if TYPE_CHECKING:
    from quartet.tracking import RunData, Tracker
    from quartet.tracking.tracker import Status

PARENT, LINKS, STUDY = "mlflow.parentRunId", "comparisons", "study"  # tags of a compared run
NAMES = ("experiment", "net", "task", "method", "data", "seed")
FILES = ("results.json", "statistics.json", "index.html", "report.md")
COSTS = ("parameters", "flops", "samples_seen", "train_seconds", "latency_ms_1", "latency_ms_64", "throughput_64",
         "bytes")  # fmt: skip


def track(runs: Sequence[Run], *, out: Path, registers: bool, candidates: Sequence[Run] | None = None) -> list[str]:
    """Track the comparison in the MLflow store of its runs; with `registers`, register the best models there too.

    `candidates` are the runs among which the best is looked for; None for all.

    Returns lines for a person. Leaves out runs that were not tracked. An error of the store becomes a line, because
    the report's files are complete without it.
    """
    try:
        located = find_store(runs)
        if located is None:
            return ["nothing registered: none of the runs was tracked"] if registers else []
        tracker, known = located
        return [publish(tracker, runs, known, out), *(register(tracker, candidates or runs) if registers else [])]
    except QuartetError as error:
        return [f"MLflow: {error}"]


def find_store(runs: Sequence[Run]) -> tuple[Tracker, dict[str, RunData]] | None:
    """Return the tracker of the runs' store and the content of each run in it; None where no run was tracked.

    QuartetError where the store is missing, or the runs are in several.
    """
    from hydra.utils import instantiate

    tracked = [run for run in runs if run["mlflow_run_id"]]
    trackers: dict[str | None, Tracker] = {}
    for run in tracked:
        tracker = instantiate(run["config"]["tracking"])
        trackers.setdefault(tracker.uri, tracker)
    if not trackers:
        return None
    if len(trackers) > 1:
        raise QuartetError(f"the runs are in several stores ({', '.join(map(str, trackers))}), and so in no comparison")
    (tracker,) = trackers.values()
    known = {}
    if tracker.store_readable():
        held = {run["mlflow_run_id"]: tracker.run_data(run["mlflow_run_id"]) for run in tracked}
        known = {run: content for run, content in held.items() if content is not None}
    if not known:
        raise QuartetError(
            f"{tracker.uri} is not there, or holds none of the runs: the comparison is in its files only"
        )
    return tracker, known


def publish(tracker: Tracker, runs: Sequence[Run], known: dict[str, RunData], out: Path) -> str:
    """Create or update the comparison's run and put the `known` runs below it; returns a line for a person."""
    tags = {"kind": "comparison", "folder": str(out.resolve())}
    earlier = tracker.find(tags)
    parent = tracker.start(
        name=f"comparison {title(out.resolve())}", params={}, tags=tags, resume=earlier[0] if earlier else None
    )
    status: Status = "FAILED"
    try:
        tag_runs(tracker, parent, runs, known, table_name(out.resolve()))
        log_content(tracker, parent, runs, out)
        status = "FINISHED"
    finally:
        tracker.finish(parent, status)
    missing = len({run["mlflow_run_id"] for run in runs} - set(known))
    left_out = f"; {missing} of them are not in this store" if missing else ""
    return f"MLflow: {tracker.uri}, run {parent}, above {len(known)} runs{left_out}"


def title(folder: Path) -> str:
    """Return the report's folder relative to the repository, as "grid/reports"; a folder elsewhere by its name."""
    return folder.relative_to(project()).as_posix() if folder.is_relative_to(project()) else folder.name


def table_name(folder: Path) -> str:
    """Return the name of the table whose report lies in `folder`: "grid" for grid/reports, "quartet" for reports."""
    name = title(folder)
    return "quartet" if name == "reports" else name.removesuffix("/reports")


def tag_runs(tracker: Tracker, parent: str, runs: Sequence[Run], known: dict[str, RunData], name: str) -> None:
    """Tag the runs as children of the comparison `parent` and of the table `name`; untag runs it no longer compares.

    The tags are those that people filter by on MLflow's pages. A run keeps the parent and the tag `study` that it has.
    """
    for run in runs:
        if (content := known.get(run["mlflow_run_id"])) is None:
            continue
        tags = {name: str(run[name]) for name in NAMES if run[name] is not None and name not in content.tags}
        above = content.tags.get(PARENT)
        if above != parent and (above is None or tracker.run_data(above) is None):
            tags[PARENT] = parent
        links = content.tags.get(LINKS, "").split()
        if parent not in links:
            tags[LINKS] = " ".join([*links, parent])
        tags |= {} if STUDY in content.tags else {STUDY: name}
        tracker.tags(run["mlflow_run_id"], tags)
    for run_id in set(tracker.find({LINKS: f"%{parent}%"})) - set(known):
        if (content := tracker.run_data(run_id)) is not None:
            links = [link for link in content.tags[LINKS].split() if link != parent]
            below = {PARENT: None} if content.tags.get(PARENT) == parent else {}
            within = {STUDY: None} if content.tags.get(STUDY) == name and "trial" not in content.tags else {}
            tracker.tags(run_id, {LINKS: " ".join(links) or None, **below, **within})


def log_content(tracker: Tracker, parent: str, runs: Sequence[Run], out: Path) -> None:
    """Write the tags, metrics, files, tables and figures of the comparison into its run."""
    compared = {
        "experiments": [experiment.name for experiment in group_by_experiment(runs)],
        "seeds": sorted({run.seed for run in runs}),
    }
    tags = {key: ", ".join(map(str, values)) for key, values in compared.items()}
    tracker.tags(parent, {**tags, "git_commit": git_commit()})
    now = summary_metrics(runs)
    before = tracker.run_data(parent)
    # MLflow cannot delete a metric: those of experiments that are no longer compared are set to NaN.
    gone = dict.fromkeys(set(before.metrics if before else ()) - set(now), float("nan"))
    tracker.metrics(parent, {**now, **gone}, step=0)
    for name in FILES:
        if (out / name).exists():
            tracker.artifact(parent, out / name)
    for task, rows in result_tables(runs).items():
        tracker.table(parent, f"tables/{task}.json", rows)
    for name, figure in comparison_figures(runs).items():
        tracker.figure(parent, f"figures/{name}.png", figure)


def summary_metrics(runs: Sequence[Run]) -> dict[str, float]:
    """Return the metrics of a comparison by name, as "mnist1d_cnn/test/accuracy".

    For each experiment: the means over seeds of its monitored validation metric, its main test metric and its costs.
    "<name>/std" is the standard deviation over seeds, where there are several.
    """
    found = {}
    for experiment in group_by_experiment(runs):
        metrics = (str(experiment["monitor"]), f"test/{experiment.headline}")
        measured = {name: experiment.values(name) for name in metrics}
        for name, values in {**measured, **{key: experiment.numbers(key) for key in COSTS}}.items():
            if not values:
                continue
            mean, deviation = mean_and_deviation(list(values.values()))
            found[f"{experiment.name}/{name}"] = mean
            if deviation is not None and name in measured:
                found[f"{experiment.name}/{name}/std"] = deviation
    return {allowed_name(name): value for name, value in found.items()}  # MLflow allows fewer characters


def result_tables(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """Return a table for each task, with a row for each run and the exact numbers of results.json."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in results(runs):
        row = {**{name: entry[name] for name in NAMES}, **entry["metrics"]}
        rest = {key: value for key, value in entry.items() if key not in (*NAMES, "metrics")}
        found.setdefault(str(entry["task"]), []).append({**row, **rest})
    return found
