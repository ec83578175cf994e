"""One run as the report sees it, and the runs of one experiment taken together."""

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
    """What one training left behind; anything but the record may be missing.

    `record` is the run's entry in results.json, with `monitor`, `mode` and the resolved `config`; `train` and `val`
    are the rows of its curves, each with `samples`; `arrays` and `texts` are the evaluation's evidence.
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
        """How many examples, or characters of running text, the prepared data have in each split: the unit and the
        counts; none where a run does not say."""
        dataset = self.record.get("dataset") or {}
        return next(((unit, dict(dataset[unit])) for unit in ("examples", "characters") if dataset.get(unit)), ("", {}))

    def metric(self, name: str) -> float | None:
        """A test metric, None where it is missing."""
        return self.metrics.get(f"test/{name}")

    @property
    def seed(self) -> int:
        return int(self.record.get("seed") or 0)

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by `split/name`, numbers only."""
        known = self.record.get("metrics") or {}
        return {name: value for name, value in known.items() if finite(value)}


@dataclass(frozen=True)
class Cell:
    """The runs of one experiment, one a seed."""

    runs: tuple[Run, ...]

    def __getitem__(self, key: str) -> Any:
        return self.runs[0][key]

    @property
    def shown(self) -> Run:
        """The run whose pictures are shown: the first seed that has some. Never the best by test."""
        return next((run for run in self.runs if run.arrays or run.texts), self.runs[0])

    @property
    def family(self) -> str:
        """The family that the net belongs to, also the class of its colour."""
        net = str(self["net"]).lower()
        return net if net in FAMILY_NAMES else "other"

    @property
    def headline(self) -> str:
        """The metric by which this experiment is spoken of, without its split."""
        fallback = str(self["monitor"] or "loss").split("/")[-1]
        said = tasks.about(str(self["task"]))
        name = said.headline if said else fallback
        return name if self.values(f"test/{name}") or not self.values(f"test/{fallback}") else fallback

    def values(self, metric: str) -> dict[int, float]:
        """A metric by seed."""
        return {run.seed: run.metrics[metric] for run in self.runs if metric in run.metrics}

    def numbers(self, key: str) -> dict[int, float]:
        """A number of the record by seed."""
        return {run.seed: run[key] for run in self.runs if finite(run[key])}


def cells(runs: Sequence[Run]) -> list[Cell]:
    """Runs by experiment, task and data, in the order in which these first come; seeds in order."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(str(run[key]) for key in ("experiment", "task", "data")), []).append(run)
    return [Cell(tuple(sorted(group, key=lambda run: run.seed))) for group in groups.values()]


def comparable(runs: Sequence[Run]) -> dict[tuple[str, str], list[Cell]]:
    """The cells by task and data set: only those of one pair may be held against each other."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells(runs):
        groups.setdefault((str(cell["task"]), str(cell["data"])), []).append(cell)
    return groups


def finite(value: object) -> bool:
    """Whether it is a number that can be printed and compared."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and the sample standard deviation (n - 1), None for a single value."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def direction(metric: str, cell: Cell | None = None) -> Literal["max", "min"] | None:
    """Which way the metric is better, as far as a task's file says it; for what `cell` was chosen by, as it was."""
    name = metric.split("/")[-1]
    monitored = cell is not None and name == str(cell["monitor"] or "").split("/")[-1]
    chosen = cell["mode"] if cell is not None and monitored and cell["mode"] in ("max", "min") else None
    return tasks.metric(name).better or chosen


def arrow(metric: str, cell: Cell | None = None) -> str:
    """Which way the metric is better, as a sign; `cell` as in `direction`."""
    return {"max": "↑", "min": "↓", None: ""}[direction(metric, cell)]


def metric_name(metric: str) -> str:
    """As a person reads it: `test/bits_per_character` → bits per character."""
    return " ".join(tasks.abbreviation(word) for word in metric.split("/")[-1].split("_"))
