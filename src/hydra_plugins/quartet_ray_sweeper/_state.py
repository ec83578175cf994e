"""The state of a sweep: its trials and their scores, its best trials, and the job list for Hydra."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from hydra_plugins.quartet_ray_sweeper._journal import (
    FAILED,
    FINAL,
    FINISHED,
    REPEAT,
    RUNNING,
    SEARCH,
    STOPPED,
    Journal,
    Record,
)
from hydra_plugins.quartet_ray_sweeper._space import Space, SweeperError

OBJECTIVE = "objective"  # the metric that stands for a task's return value
WORST = 1e100  # finite, since schedulers interpolate scores and searchers multiply them


def return_is_metric(metrics: Collection[str], reported: Collection[str]) -> bool:
    """Return whether a task's return value is the sweep's only metric.

    It is where the metric is `OBJECTIVE`, and where the task reports nothing.
    """
    return len(metrics) == 1 and (OBJECTIVE in metrics or not reported)


def replace_non_finite(reported: Mapping[str, float], metric_modes: Mapping[str, str]) -> dict[str, float]:
    """Replace nan and infinite values of the sweep's metrics by the worst finite value.

    Tune takes nan for neither good nor bad, and would never stop its trial.
    """
    worst = {key: -WORST if mode == "max" else WORST for key, mode in metric_modes.items()}
    return {key: worst[key] if key in worst and not isfinite(value) else value for key, value in reported.items()}


@dataclass(frozen=True)
class Sweep:
    """One sweep.

    Attributes:
        folder: `hydra.sweep.dir`, absolute. config: the multirun's, not a trial's. space: the search space.
        metrics, modes: the optimised metrics, each with "min" or "max".
        clock, max_time: the metric that measures a trial's progress, and its value at the end.
        options: the values of `hydra.sweeper`.
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
    def metric_modes(self) -> dict[str, str]:
        """The mode of each metric."""
        return dict(zip(self.metrics, self.modes, strict=True))

    @property
    def trials(self) -> list[Record]:
        """All trials by number."""
        return [self.journal.records[number] for number in sorted(self.journal.records)]

    @property
    def searched(self) -> list[Record]:
        """The trials of the search alone, by number: without repeats and finals."""
        return [trial for trial in self.trials if trial.stage == SEARCH]

    def seconds_left(self, *, search: bool = False) -> float:
        """Return the seconds until the time given is over; until that of the search and its repeats, with `search`."""
        hours, finals = self.options.get("hours"), self.options.get("finals")
        share = 1.0 - self.options["final_share"] if search and finals else 1.0
        return inf if hours is None else hours * 3600 * share - self.journal.elapsed

    def scores(self, trial: Record) -> tuple[float, ...] | None:
        """Return the trial's last value of each metric; None for a failed trial or one without finite values.

        The task's return value counts where it is the only metric.
        """
        if trial.status == FAILED:
            return None
        last = trial.reports[-1] if trial.reports else {}
        if trial.result is not None and return_is_metric(self.metrics, last):
            last = {self.metrics[0]: trial.result}
        found = tuple(last.get(metric, float("nan")) for metric in self.metrics)
        return found if all(isfinite(value) for value in found) else None

    def dominates(self, first: tuple[float, ...], second: tuple[float, ...]) -> bool:
        """Return whether the scores `first` are nowhere worse than `second` and somewhere better."""
        signs = [1.0 if mode == "max" else -1.0 for mode in self.modes]
        gains = [sign * (a - b) for sign, a, b in zip(signs, first, second, strict=True)]
        return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)

    def is_over(self, number: int) -> bool:
        """Return whether the time of a trial's stage is over."""
        return self.seconds_left(search=self.journal.records[number].stage != FINAL) <= 0

    @property
    def best(self) -> list[Record]:
        """The best trial of the search; with several metrics, all trials that no other dominates.

        Where trials were repeated, the best by the mean over its seeds. Else finished trials count alone, if there are
        any: a score from halfway does not compare with one from the end.
        """
        repeated: list[tuple[Record, tuple[float, ...]]] = [
            (trial, (fmean(scores),)) for trial in self.searched if (scores := self.repeated_scores(trial))
        ]
        if repeated:
            return [self._first(repeated)]
        for status in (FINISHED, STOPPED):
            scored = self.scored(status)
            if scored and len(self.metrics) == 1:
                return [self._first(scored)]
            if scored:
                return [
                    trial for trial, mine in scored if not any(self.dominates(others, mine) for _, others in scored)
                ]
        return []

    def scored(self, status: str) -> list[tuple[Record, tuple[float, ...]]]:
        """Return the trials of the search with this status, each with its scores; those without any are left out."""
        trials = [trial for trial in self.searched if trial.status == status]
        return [(trial, scores) for trial in trials if (scores := self.scores(trial)) is not None]

    def _first(self, scored: list[tuple[Record, tuple[float, ...]]]) -> Record:
        """Return the trial with the best scores."""
        return (max if self.modes[0] == "max" else min)(scored, key=lambda pair: pair[1])[0]

    def repeated_scores(self, trial: Record) -> list[float]:
        """Return the trial's first score and those of all its repeats; [] unless every one of them has finished."""
        repeats = [other for other in self.trials if other.stage == REPEAT and other.of == trial.number]
        scores = [self.scores(one) for one in (trial, *repeats) if one.status == FINISHED]
        found = [values[0] for values in scores if values is not None]
        return found if len(found) == self.options.get("repeats", 1) > 1 else []

    def count(self, status: str) -> int:
        """Return the number of trials with this status."""
        return sum(trial.status == status for trial in self.trials)

    def most_trials(self, searched: int) -> int:
        """Return how many trials there are at most, with repeats and finals, where `searched` are of the search."""
        repeated = min(searched, self.options["repeated"] + self.options["defaults_first"])
        return searched + (self.options["repeats"] - 1) * repeated + len(self.options["finals"])

    @property
    def resume_hint(self) -> str:
        """How to resume the sweep, for a message."""
        return f"the same command with hydra.sweep.dir={self.folder} goes on"


class Observer(Protocol):
    """`hydra.sweeper.observer`: the driver calls it at a sweep's begin and end."""

    def begin(self, sweep: Sweep) -> Mapping[str, str]:
        """Prepare for the first trial of this attempt; return facts for `report.trial().facts`."""

    def end(self, sweep: Sweep, error: BaseException | None) -> list[str]:
        """Publish the results and return lines for the summary. `error` ended the sweep, if any; KeyboardInterrupt
        where a person did."""


def job_returns(sweep: Sweep, returned: Mapping[int, Any]) -> list[list[JobReturn]]:
    """Return the jobs in order, in batches of `max_batch_size`, as Hydra's tools take them.

    `returned` holds the jobs of this attempt by number. Raises `SweeperError` where all trials failed.
    """
    jobs = [returned.get(trial.number) or _recorded_job(sweep, trial) for trial in sweep.trials]
    if jobs and not sweep.count(FINISHED) and not sweep.count(STOPPED):
        first = sweep.trials[0]
        see = f"\nsee {first.folder}/trial.log" if first.folder else ""  # no folder where it did not compose
        raise SweeperError(
            f"all {len(jobs)} trials failed; trial {first.number}: {first.error}{see}\n"
            f"hydra.sweep.dir={sweep.folder} hydra.sweeper.resume=false tries them again"
        )
    size = sweep.options["max_batch_size"] or max(len(jobs), 1)
    return [jobs[i : i + size] for i in range(0, len(jobs), size)]


def _recorded_job(sweep: Sweep, trial: Record) -> JobReturn:
    """Return a job for a trial that did not return in this attempt: stopped, failed or finished earlier."""
    job = JobReturn()
    job.overrides, job.working_dir = trial.overrides, trial.folder
    scores = sweep.scores(trial)
    job.status = JobStatus.FAILED if trial.status in (FAILED, RUNNING) else JobStatus.COMPLETED
    if job.status is JobStatus.FAILED:
        job.return_value = RuntimeError(trial.error or "interrupted")
    else:
        job.return_value = scores[0] if scores and len(scores) == 1 else scores
    return job
