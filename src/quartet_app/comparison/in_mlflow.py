"""A comparison in MLflow: a run that the compared runs are shown under, with its page, tables, figures and numbers.

It is known by its folder, so that a repeated comparison is the same run with today's content. A run that belongs to
another already, as a sweep's trial does, stays there; the tag `comparisons` of each compared run holds the ids of all
the comparisons that it takes part in, `study` the table that it is a cell of, or its sweep.
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
from quartet_app.config.project import REPOSITORY
from quartet_app.run.run_folder import git_commit

if TYPE_CHECKING:
    from quartet.tracking import RunData, Tracker
    from quartet.tracking.tracker import Status

PARENT, LINKS, STUDY = "mlflow.parentRunId", "comparisons", "study"  # tags of a compared run
NAMES = ("experiment", "net", "task", "method", "data", "seed")
FILES = ("results.json", "statistics.json", "index.html", "report.md")
COSTS = ("parameters", "flops", "samples_seen", "train_seconds")


def track(runs: Sequence[Run], *, out: Path, registers: bool) -> list[str]:
    """Show the comparison in the store of its runs, and there register the best of them if it `registers`.

    Returns lines for a person. Runs that were not tracked are left out, and trouble with the store ends nothing.
    """
    try:
        found = store(runs)
        if found is None:
            return ["nothing registered: none of the runs was tracked"] if registers else []
        tracker, known = found
        return [show(tracker, runs, known, out), *(register(tracker, runs) if registers else [])]
    except QuartetError as error:
        return [f"MLflow: {error}"]


def store(runs: Sequence[Run]) -> tuple[Tracker, dict[str, RunData]] | None:
    """The store that tracked the runs, with what it holds of each; None where none was tracked.

    QuartetError where there is no such store here, or more than one.
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


def show(tracker: Tracker, runs: Sequence[Run], known: dict[str, RunData], out: Path) -> str:
    """Make or update the comparison's run, and put the `known` runs below it; returns what to say."""
    tags = {"kind": "comparison", "folder": str(out.resolve())}
    earlier = tracker.find(tags)
    parent = tracker.start(
        name=f"comparison {title(out.resolve())}", params={}, tags=tags, resume=earlier[0] if earlier else None
    )
    status: Status = "FAILED"
    try:
        gather(tracker, parent, runs, known, study(out.resolve()))
        log(tracker, parent, runs, out)
        status = "FINISHED"
    finally:
        tracker.finish(parent, status)
    missing = len({run["mlflow_run_id"] for run in runs} - set(known))
    left_out = f"; {missing} of them are not in this store" if missing else ""
    return f"MLflow: {tracker.uri}, run {parent}, above {len(known)} runs{left_out}"


def title(folder: Path) -> str:
    """The folder as seen from the project, whose tables share a store: reports, grid/reports; elsewhere its name."""
    return folder.relative_to(REPOSITORY).as_posix() if folder.is_relative_to(REPOSITORY) else folder.name


def study(folder: Path) -> str:
    """What is compared in the folder, by the name of its table: grid of grid/reports, quartet of the project's own."""
    name = title(folder)
    return "quartet" if name == "reports" else name.removesuffix("/reports")


def gather(tracker: Tracker, parent: str, runs: Sequence[Run], known: dict[str, RunData], name: str) -> None:
    """Put the runs below the comparison, by the names that the pages of MLflow filter by, and into the study `name`
    where they are in none; let go of earlier ones."""
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


def log(tracker: Tracker, parent: str, runs: Sequence[Run], out: Path) -> None:
    told = {
        "experiments": [cell["experiment"] for cell in group_by_experiment(runs)],
        "seeds": sorted({run.seed for run in runs}),
    }
    words = {key: ", ".join(map(str, values)) for key, values in told.items()}
    tracker.tags(parent, {**words, "git_commit": git_commit()})
    now = numbers(runs)
    before = tracker.run_data(parent)
    # MLflow forgets no metric: one of a cell that is no longer compared is said to be no number any more.
    gone = dict.fromkeys(set(before.metrics if before else ()) - set(now), float("nan"))
    tracker.metrics(parent, {**now, **gone}, step=0)
    for name in FILES:
        if (out / name).exists():
            tracker.artifact(parent, out / name)
    for task, rows in tables(runs).items():
        tracker.table(parent, f"tables/{task}.json", rows)
    for name, figure in comparison_figures(runs).items():
        tracker.figure(parent, f"figures/{name}.png", figure)


def numbers(runs: Sequence[Run]) -> dict[str, float]:
    """`<experiment>/<metric>`, the mean over seeds of what each cell was chosen by, of its headline on test data and of
    what it cost; `…/std` the standard deviation where there are several seeds."""
    found = {}
    for cell in group_by_experiment(runs):
        measured = {name: cell.values(name) for name in (str(cell["monitor"]), f"test/{cell.headline}")}
        for name, values in {**measured, **{key: cell.numbers(key) for key in COSTS}}.items():
            if not values:
                continue
            mean, deviation = mean_and_deviation(list(values.values()))
            found[f"{cell['experiment']}/{name}"] = mean
            if deviation is not None and name in measured:
                found[f"{cell['experiment']}/{name}/std"] = deviation
    return {allowed_name(name): value for name, value in found.items()}  # as the store holds them


def tables(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """A table a task, a row a run, to the digit of results.json."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in results(runs):
        row = {**{name: entry[name] for name in NAMES}, **entry["metrics"]}
        rest = {key: value for key, value in entry.items() if key not in (*NAMES, "metrics")}
        found.setdefault(str(entry["task"]), []).append({**row, **rest})
    return found
