"""The best model of each task and data set as a registered model, and which version is its champion.

`quartet-<task>` gathers the versions of a task. Each data set has its `champion-<data>`; the one whose data set came
first is `champion` too, an alias that a person may move by hand. A candidate is the best experiment by the mean over
seeds of its validation metric, in the seed that is best by it; the test split has no say. It replaces the champion of
its data if it is the better beyond the interval of the difference, and is `challenger-<data>` otherwise. Where the data
of that name are others than the champion was measured on, nothing compares, and what was made of today's replaces it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from quartet.report import Run
from quartet.report.comparing.statistics import welch
from quartet.report.run import ExperimentRuns, comparable_experiments, metric_name
from quartet.tracking.labels import version_alias
from quartet.types import QuartetError

if TYPE_CHECKING:
    from quartet.tracking import Registry, Tracker, Version

VALUES = "validation"  # the tag that holds the validation metric of all seeds, as JSON


@dataclass(frozen=True)
class Candidate:
    """The best experiment of one task and data set: its validation metric by seed, and the run of the best seed."""

    cell: ExperimentRuns
    run: Run
    values: dict[int, float]

    @property
    def name(self) -> str:
        return f"quartet-{self.cell['task']}"

    @property
    def data(self) -> str:
        return str(self.cell["data"])

    @property
    def metric(self) -> str:
        return str(self.cell["monitor"])

    @property
    def tags(self) -> dict[str, str]:
        """What a version says of itself."""
        named = ("data", "task", "net", "experiment", "seed", "mlflow_run_id", "mode")
        marks = ("config_hash", "data_digest", "fingerprint", "git_commit")
        said = {key: str(self.run[key]) for key in (*named, *marks) if self.run[key] is not None}
        return {**said, "metric": self.metric, VALUES: json.dumps(self.values)}


def register(tracker: Tracker, runs: Sequence[Run]) -> list[str]:
    """Register the best of the runs, task by task and data set by data set; returns a line for each."""
    lines = []
    for (task, data), cells in comparable_experiments(runs).items():
        try:
            candidate = best(cells)
            with tracker.registry() as registry:
                refresh_metrics(registry, candidate.name, cells)
                lines.append(register_candidate(registry, candidate))
        except QuartetError as error:
            lines.append(f"quartet-{task}, {data}: not registered: {error}")
    return lines


def best(cells: Sequence[ExperimentRuns]) -> Candidate:
    """The candidate of one task and data set. QuartetError where its experiments cannot be held against each other."""
    for what in ("monitor", "mode", "data_digest"):
        given = sorted({str(run[what])[:12] for cell in cells for run in cell.runs})
        if len(given) > 1:
            raise QuartetError(f"its runs differ in {what} ({', '.join(given)})")
    monitor, mode = str(cells[0]["monitor"]), str(cells[0]["mode"])
    measured = [(cell, values) for cell in cells if (values := cell.values(monitor))]
    if not measured:
        raise QuartetError(f"no run has a {monitor}")
    pick = max if mode == "max" else min
    cell, values = pick(measured, key=lambda one: fmean(one[1].values()))
    seed = pick(values, key=lambda one: values[one])
    run = [run for run in cell.runs if run.seed == seed and monitor in run.metrics][-1]  # as `values` has taken it
    if not run["mlflow_run_id"]:
        raise QuartetError(f"the best, {run['experiment']} with seed {seed}, was not tracked")
    return Candidate(cell, run, values)


def refresh_metrics(registry: Registry, name: str, cells: Sequence[ExperimentRuns]) -> None:
    """Tell versions the values of seeds that were trained since: one seed alone bounds no difference."""
    for version in registry.versions(name):
        for cell in cells:
            if version.run in {run["mlflow_run_id"] for run in cell.runs}:
                values = cell.values(str(cell["monitor"]))
                if values.items() > seeds(version).items():
                    registry.tag(version, {VALUES: json.dumps(values)})


def register_candidate(registry: Registry, candidate: Candidate) -> str:
    """Register the candidate unless it is there, let it try for champion of its data, and say what came of it."""
    name, run = candidate.name, candidate.run["mlflow_run_id"]
    versions = {version.number: version for version in registry.versions(name)}
    aliases = registry.aliases(name)
    version = next((one for one in versions.values() if one.run == run), None)
    if version is None:
        version = registry.register(name, run=run, tags=candidate.tags)
    champion, challenger = (version_alias(rank, candidate.data) for rank in ("champion", "challenger"))
    present = versions.get(aliases.get(champion, 0))
    # The plain names are this data set's where nobody, or its own champion, has them.
    leads = "champion" not in aliases or (present is not None and aliases["champion"] == present.number)
    label = f"{name} {version} ({candidate.cell['experiment']}, seed {candidate.run.seed})"
    if present is not None and present.number == version.number:
        return f"{label}: {champion}, as before; {written(candidate.metric, candidate.values)}"
    won, said = beats_champion(candidate, present)
    taken = [champion, "champion"][: 1 + leads] if won else [challenger, "challenger"][: 1 + leads]
    for one in taken:
        registry.set_alias(version, one)
    for one in (challenger, "challenger"):
        if won and aliases.get(one) == version.number:
            registry.drop_alias(name, one)
    line = f"{label}: {', '.join(taken)}; {said}"
    registry.describe(version, line)
    return line


def beats_champion(candidate: Candidate, present: Version | None) -> tuple[bool, str]:
    """Whether the candidate replaces the champion `present` of its data, and why, in words."""
    new = written(candidate.metric, candidate.values)
    if present is None:
        return True, new
    for tag in ("data", "data_digest", "metric", "mode"):  # two names of data may share an alias
        told = present.tags.get(tag)
        if told != candidate.tags[tag]:
            said = f"{new}; not comparable with {present}, whose {tag} is {(told or 'unknown')[:12]}"
            if tag == "data_digest" and told:
                return True, f"{said}: it was measured on other data of this name, and gives way"
            return False, said
    old = seeds(present)
    if not old:
        return False, f"{new}; not comparable with {present}, which has no validation values"
    difference, low, high = welch(list(candidate.values.values()), list(old.values()))
    won = low > 0 if candidate.cell["mode"] == "max" else high < 0
    said = f"{new} against {fmean(old.values()):.4g} of {present}, difference {difference:.2g} [{low:.2g}, {high:.2g}]"
    fewest = min(len(candidate.values), len(old))
    why = "" if won else ", one seed bounds no difference" if fewest < 2 else ", not the better beyond the interval"
    return won, said + why


def seeds(version: Version) -> dict[int, float]:
    """The validation values that a version carries, by seed."""
    return {int(seed): value for seed, value in json.loads(version.tags.get(VALUES, "{}")).items()}


def written(metric: str, values: dict[int, float]) -> str:
    count = len(values)
    mean = fmean(values.values())
    return f"val {metric_name(metric)} {mean:.4g} ({count} seed{'s' if count > 1 else ''})"
