"""Register the best model of each task and data set in MLflow, and decide which version is the champion.

The registered model `quartet-<task>` holds the versions of a task. Each data set has an alias `champion-<data>`; the
champion of the first data set has the plain alias `champion` too, which a person may move by hand.

The candidate is the experiment with the best validation metric (mean over seeds), in its best seed. Test metrics play
no part, but for one rule: a net that is not shown to be better than its task's guess, as the report says it, is not
registered. The candidate replaces the champion of its data set where the interval of their difference excludes zero in
its favour; else it becomes `challenger-<data>`. This interval covers seeds alone: of validation, no score an example is
kept. It also replaces a champion that was measured on an older version of the data set, because metrics on different
data cannot be compared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from quartet.report import Run
from quartet.report.chance.chance import SEEDS
from quartet.report.comparing.caution import UNTUNED, guess
from quartet.report.comparing.statistics import welch
from quartet.report.run import ExperimentRuns, comparable_experiments, metric_name
from quartet.tracking.labels import version_alias
from quartet.types import QuartetError

if TYPE_CHECKING:
    from quartet.tracking import Registry, Tracker, Version

UNGUESSED = "held against no guess, since its evaluation knows none"
VALUES = "validation"  # the tag that holds the validation metric of all seeds, as JSON


@dataclass(frozen=True)
class Candidate:
    """The best experiment of one task and data set: the run of its best seed, and validation values by seed."""

    experiment: ExperimentRuns
    run: Run
    values: dict[int, float]

    @property
    def name(self) -> str:
        """The name of the task's registered model."""
        return f"quartet-{self.experiment['task']}"

    @property
    def data(self) -> str:
        return str(self.experiment["data"])

    @property
    def metric(self) -> str:
        return str(self.experiment["monitor"])

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the candidate's version in the registry."""
        names = ("data", "task", "net", "experiment", "seed", "mlflow_run_id", "mode")
        digests = ("config_hash", "data_digest", "fingerprint", "git_commit")
        tags = {key: str(self.run[key]) for key in (*names, *digests) if self.run[key] is not None}
        trials = self.run["tuning_trials"]
        settings = f"{trials} trials" if trials else UNTUNED
        return {**tags, "metric": self.metric, "settings": settings, VALUES: json.dumps(self.values)}


def register(tracker: Tracker, runs: Sequence[Run]) -> list[str]:
    """Register the best run of each task and data set; returns a line for a person about each."""
    lines = []
    for (task, data), experiments in comparable_experiments(runs).items():
        try:
            candidate = best(experiments)
            with tracker.registry() as registry:
                refresh_metrics(registry, candidate.name, experiments)
                line = register_candidate(registry, candidate)
            lines.append(line if guess(candidate.experiment) else f"{line}; {UNGUESSED}")
        except QuartetError as error:
            lines.append(f"quartet-{task}, {data}: not registered: {error}")
    return lines


def best(experiments: Sequence[ExperimentRuns]) -> Candidate:
    """Return the candidate among the experiments of one task and data set; QuartetError where these do not compare."""
    for key in ("monitor", "mode", "data_digest"):
        different = sorted({str(run[key])[:12] for experiment in experiments for run in experiment.runs})
        if len(different) > 1:
            raise QuartetError(f"its runs differ in {key} ({', '.join(different)})")
    monitor, mode = str(experiments[0]["monitor"]), str(experiments[0]["mode"])
    measured = [(experiment, values) for experiment in experiments if (values := experiment.values(monitor))]
    if not measured:
        raise QuartetError(f"no run has a {monitor}")
    pick = max if mode == "max" else min
    experiment, values = pick(measured, key=lambda candidate: fmean(candidate[1].values()))
    seed = pick(values, key=lambda seed: values[seed])
    # The last one: `values` shows it too.
    run = [run for run in experiment.runs if run.seed == seed and monitor in run.metrics][-1]
    if (found := guess(experiment)) is not None and not found.better:
        raise QuartetError(
            f"the best, {run['experiment']}, is no better than guessing (test {metric_name(found.metric)} "
            f"{found.score:.4g}, {found.doubt}; {found.by}: {found.value:.4g}); train longer, or look at the data"
        )
    if not run["mlflow_run_id"]:
        raise QuartetError(f"the best, {run['experiment']} with seed {seed}, was not tracked")
    return Candidate(experiment, run, values)


def refresh_metrics(registry: Registry, name: str, experiments: Sequence[ExperimentRuns]) -> None:
    """Add the validation values of newly trained seeds to versions: one seed alone gives no interval."""
    for version in registry.versions(name):
        for experiment in experiments:
            if version.run in {run["mlflow_run_id"] for run in experiment.runs}:
                values = experiment.values(str(experiment["monitor"]))
                if values.items() > validation_values(version).items():
                    registry.tag(version, {VALUES: json.dumps(values)})


def register_candidate(registry: Registry, candidate: Candidate) -> str:
    """Register the candidate unless it is there, and give it the alias it earns; returns a line for a person."""
    name, run = candidate.name, candidate.run["mlflow_run_id"]
    versions = {version.number: version for version in registry.versions(name)}
    aliases = registry.aliases(name)
    version = next((version for version in versions.values() if version.run == run), None)
    if version is None:
        version = registry.register(name, run=run, tags=candidate.tags)
    champion, challenger = (version_alias(rank, candidate.data) for rank in ("champion", "challenger"))
    present = versions.get(aliases.get(champion, 0))
    # This data set gets the plain aliases too, where they are free or belong to its own champion.
    leads = "champion" not in aliases or (present is not None and aliases["champion"] == present.number)
    label = f"{name} {version} ({candidate.experiment.name}, seed {candidate.run.seed})"
    if present is not None and present.number == version.number:
        return f"{label}: {champion}, as before; {describe_values(candidate.metric, candidate.values)}"
    won, reason = beats_champion(candidate, present)
    earned = [champion, "champion"][: 1 + leads] if won else [challenger, "challenger"][: 1 + leads]
    for title in earned:
        registry.set_alias(version, title)
    for title in (challenger, "challenger"):
        if won and aliases.get(title) == version.number:
            registry.drop_alias(name, title)
    line = f"{label}: {', '.join(earned)}; {reason}"
    registry.describe(version, line)
    return line


def beats_champion(candidate: Candidate, present: Version | None) -> tuple[bool, str]:
    """Decide whether the candidate replaces the champion `present` of its data; returns (decision, reason)."""
    new = describe_values(candidate.metric, candidate.values)
    if present is None:
        return True, new
    for tag in ("data", "data_digest", "metric", "mode"):  # two names of data may share an alias
        recorded = present.tags.get(tag)
        if recorded != candidate.tags[tag]:
            reason = f"{new}; not comparable with {present}, whose {tag} is {(recorded or 'unknown')[:12]}"
            if tag == "data_digest" and recorded:
                return True, f"{reason}: it was measured on other data of this name, and gives way"
            return False, reason
    old = validation_values(present)
    if not old:
        return False, f"{new}; not comparable with {present}, which has no validation values"
    difference, low, high = welch(list(candidate.values.values()), list(old.values()))
    won = low > 0 if candidate.experiment["mode"] == "max" else high < 0
    reason = (
        f"{new} against {fmean(old.values()):.4g} of {present}, difference {difference:.2g} [{low:.2g}, {high:.2g}]"
        f" over {SEEDS}"
    )
    fewest = min(len(candidate.values), len(old))
    doubt = ", one seed gives no interval" if fewest < 2 else ", not better beyond the interval"
    return won, reason if won else reason + doubt


def validation_values(version: Version) -> dict[int, float]:
    """Return the validation values in a version's tags, by seed."""
    return {int(seed): value for seed, value in json.loads(version.tags.get(VALUES, "{}")).items()}


def describe_values(metric: str, values: dict[int, float]) -> str:
    """Return the mean and the number of seeds, as "val accuracy 0.91 (3 seeds)"."""
    count = len(values)
    mean = fmean(values.values())
    return f"val {metric_name(metric)} {mean:.4g} ({count} seed{'s' if count > 1 else ''})"
