"""A sweep as those see it who look on: its trials, which is best, and when it begins and ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, STOPPED, Journal, Record
from hydra_plugins.quartet_ray_sweeper._space import Space

OBJECTIVE = "objective"  # the metric that a task's return value is
WORST = 1e100  # a number still: schedulers interpolate to it, searchers multiply several


def return_counts(metrics: Collection[str], reported: Collection[str]) -> bool:
    """Whether a task's return value is the one metric that is sought: the objective, or that of a task that reports
    nothing."""
    return len(metrics) == 1 and (OBJECTIVE in metrics or not reported)


def for_schedulers(reported: Mapping[str, float], sought: Mapping[str, str]) -> dict[str, float]:
    """What was `reported`, with a metric that is `sought`, by its mode, as bad as can be where it is no number: to Tune
    one that is none is neither good nor bad, and its trial would never be stopped."""
    worst = {key: -WORST if mode == "max" else WORST for key, mode in sought.items()}
    return {key: worst[key] if key in worst and not isfinite(value) else value for key, value in reported.items()}


@dataclass(frozen=True)
class Study:
    """One sweep.

    Attributes:
        folder: `hydra.sweep.dir`, absolute. config: the multirun's, not a trial's. space: what is swept.
        metrics, modes: what is sought, one of each or several. clock, max_time: the trials' clock and where it ends.
        options: `hydra.sweeper`'s.
    """

    folder: Path
    config: DictConfig
    space: Space
    journal: Journal
    metrics: tuple[str, ...]
    modes: tuple[str, ...]
    clock: str
    max_time: float | None
    options: Mapping[str, Any]

    @property
    def sought(self) -> dict[str, str]:
        """The metrics, each with its mode."""
        return dict(zip(self.metrics, self.modes, strict=True))

    @property
    def trials(self) -> list[Record]:
        return [self.journal.records[number] for number in sorted(self.journal.records)]

    def scores(self, trial: Record) -> tuple[float, ...] | None:
        """What it reached, by metric: the last that it reported, or, where one metric is sought, what it returned. None
        without numbers."""
        if trial.status == FAILED:
            return None
        last = trial.reports[-1] if trial.reports else {}
        if trial.result is not None and return_counts(self.metrics, last):
            last = {self.metrics[0]: trial.result}
        found = tuple(last.get(metric, float("nan")) for metric in self.metrics)
        return found if all(isfinite(value) for value in found) else None

    def better(self, one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        """Whether `one` is nowhere worse and somewhere better."""
        signs = [1.0 if mode == "max" else -1.0 for mode in self.modes]
        gains = [sign * (a - b) for sign, a, b in zip(signs, one, other, strict=True)]
        return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)

    @property
    def best(self) -> list[Record]:
        """The best trial, or with several metrics all that no other betters. Of trials that have run to their end, if
        there are any: a number from halfway does not compare with one from the end."""
        for status in (FINISHED, STOPPED):
            those = [trial for trial in self.trials if trial.status == status]
            known = [(trial, scores) for trial in those if (scores := self.scores(trial)) is not None]
            if known and len(self.metrics) == 1:
                return [(max if self.modes[0] == "max" else min)(known, key=lambda pair: pair[1])[0]]
            if known:
                return [trial for trial, mine in known if not any(self.better(its, mine) for _, its in known)]
        return []

    def count(self, status: str) -> int:
        return sum(trial.status == status for trial in self.trials)


class Observer(Protocol):
    """`hydra.sweeper.observer`: told of a sweep by its driver."""

    def begin(self, study: Study) -> Mapping[str, str]:
        """Before the first trial, of this attempt; returns facts for `report.trial().facts`."""

    def end(self, study: Study, error: BaseException | None) -> list[str]:
        """After the last, or when the sweep ends by `error`: KeyboardInterrupt where a person ended it. Returns lines
        for the summary."""
