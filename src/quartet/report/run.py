"""Define a run as the report reads it, and group the runs of one experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from quartet.report import tasks

if TYPE_CHECKING:
    import numpy as np

Row = dict[str, Any]
FAMILY_NAMES = {"transformer": "Transformer", "cnn": "CNN", "rnn": "RNN", "mlp": "MLP"}


@dataclass(frozen=True)
class Run:
    """Files of one finished training; everything but the record may be missing.

    Attributes:
        record: the run's entry in results.json, with `monitor`, `mode` and the resolved `config`.
        train, val: rows of the learning curves, each with `samples`.
        arrays, texts: the evaluation's evidence, by name.
    """

    record: dict[str, Any]
    train: list[Row] = field(default_factory=list)
    val: list[Row] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.record.get(key)

    @property
    def sizes(self) -> tuple[str, dict[str, int]]:
        """The unit and the size of each split: examples, or characters of running text. Empty where unknown."""
        dataset = self.record.get("dataset") or {}
        return next(((unit, dict(dataset[unit])) for unit in ("examples", "characters") if dataset.get(unit)), ("", {}))

    def metric(self, name: str) -> float | None:
        """Return a test metric, None where it is missing."""
        return self.metrics.get(f"test/{name}")

    @property
    def seed(self) -> int:
        return int(self.record.get("seed") or 0)

    @property
    def metrics(self) -> dict[str, float]:
        """Finite metrics by `split/name`."""
        known = self.record.get("metrics") or {}
        return {name: value for name, value in known.items() if finite(value)}


@dataclass(frozen=True)
class ExperimentRuns:
    """The runs of one experiment, one for each seed."""

    runs: tuple[Run, ...]

    def __getitem__(self, key: str) -> Any:
        return self.runs[0][key]

    @property
    def name(self) -> Any:
        """The experiment's name, from its configuration file."""
        return self["experiment"]

    @property
    def shown(self) -> Run:
        """The run whose pictures the page shows: the first seed that has any, never the best by test."""
        return next((run for run in self.runs if run.arrays or run.texts), self.runs[0])

    @property
    def family(self) -> str:
        """The net's family, also the CSS class of its colour."""
        net = str(self["net"]).lower()
        return net if net in FAMILY_NAMES else "other"

    @property
    def headline(self) -> str:
        """The main metric of the experiment's task, without its split; the monitored metric where it has no values."""
        fallback = str(self["monitor"] or "loss").split("/")[-1]
        about = tasks.about(str(self["task"]))
        name = about.headline if about else fallback
        return name if self.values(f"test/{name}") or not self.values(f"test/{fallback}") else fallback

    def values(self, metric: str) -> dict[int, float]:
        """Return a metric by seed."""
        return {run.seed: run.metrics[metric] for run in self.runs if metric in run.metrics}

    def scores(self, metric: str) -> dict[int, np.ndarray]:
        """Return the score of each test example by seed, (N,), for the runs that keep one for this test metric."""
        kept = {run.seed: run.arrays.get(f"score_{metric}") for run in self.runs if f"test/{metric}" in run.metrics}
        return {seed: scores for seed, scores in kept.items() if scores is not None}

    def numbers(self, key: str) -> dict[int, float]:
        """Return a number of the record by seed."""
        return {run.seed: run[key] for run in self.runs if finite(run[key])}


def group_by_experiment(runs: Sequence[Run]) -> list[ExperimentRuns]:
    """Group runs by experiment, task and data, in order of first appearance; seeds are sorted."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(str(run[key]) for key in ("experiment", "task", "data")), []).append(run)
    return [ExperimentRuns(tuple(sorted(group, key=lambda run: run.seed))) for group in groups.values()]


def comparable_experiments(runs: Sequence[Run]) -> dict[tuple[str, str], list[ExperimentRuns]]:
    """Group experiments by task and data set: nothing compares across groups."""
    groups: dict[tuple[str, str], list[ExperimentRuns]] = {}
    for experiment in group_by_experiment(runs):
        groups.setdefault((str(experiment["task"]), str(experiment["data"])), []).append(experiment)
    return groups


def finite(value: object) -> bool:
    """Return whether the value is a finite number (and not a bool)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation (n - 1), None for a single value."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def direction(metric: str, experiment: ExperimentRuns | None = None) -> Literal["max", "min"] | None:
    """Return whether more or less of a metric is better, from the files of the tasks; None for neither.

    For a metric that no task's file knows, take the mode by which `experiment` chose its weights.
    """
    name = metric.split("/")[-1]
    monitored = experiment is not None and name == str(experiment["monitor"] or "").split("/")[-1]
    mode = experiment["mode"] if experiment is not None and monitored else None
    return tasks.metric(name).better or (mode if mode in ("max", "min") else None)


def arrow(metric: str, experiment: ExperimentRuns | None = None) -> str:
    """Return ↑ where more is better, ↓ where less is, else "". `experiment` as in `direction`."""
    return {"max": "↑", "min": "↓", None: ""}[direction(metric, experiment)]


def metric_name(metric: str) -> str:
    """Return a metric's name as a person reads it: `test/bits_per_character` → bits per character."""
    return " ".join(tasks.abbreviation(word) for word in metric.split("/")[-1].split("_"))
