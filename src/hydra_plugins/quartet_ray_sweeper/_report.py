"""Connect a task with its trial: the task calls `report`, the trial runs the task as a `Job`.

The task runs in a thread: it reports, waits for the scheduler's decision, then goes on or ends. Tune's own function
trials end by an exception inside their report, with two seconds to clean up where the process is used again. A job is
asked to end instead, and the trial waits for it. This file imports the standard library alone: training needs no Ray.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class TrialStopped(BaseException):
    """End a task that reports again although `report` has asked it to end."""


class Channel(Protocol):
    """Receiver of a task's reports: the job of this process's trial, or an object that forwards them."""

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        """Receive metrics and checkpoint; return whether the trial shall end."""


@dataclass(frozen=True)
class Trial:
    """The current trial, as its task sees it.

    Attributes:
        number: counts from 0; a resumed sweep keeps it.
        folder: the trial's own, `hydra.sweep.dir`/`hydra.sweep.subdir`.
        checkpoint: the file to start from, where the scheduler paused this trial or copied another one (PBT).
        facts: what the sweep's observer shares with all trials, such as the id of a parent run.
        worker: CPUs and GPUs of each process that the task starts by Ray Train: `hydra.sweeper.worker_cpus`, `…_gpus`.
        retries: how often the task shall restart after such a process is lost, `hydra.sweeper.retries`.
    """

    number: int
    folder: Path
    checkpoint: Path | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    worker: Mapping[str, float] = field(default_factory=dict)
    retries: int = 0


_channel: Channel | None = None
_trial: Trial | None = None


def trial() -> Trial | None:
    """Return the trial that this process runs; None outside a sweep."""
    return _trial


def report(metrics: Mapping[str, float], *, checkpoint: Path | None = None) -> bool:
    """Send metrics to the sweep and wait for its decision. Return False outside a sweep.

    Args:
        metrics: numbers by name. The sweep decides by `hydra.sweeper.metric` and `hydra.sweeper.time`.
        checkpoint: a file from which the task can resume; the sweep copies it when the scheduler needs it.

    Returns whether the trial shall end: the task then cleans up, for as long as that takes, and returns.
    """
    return _channel.report(metrics, checkpoint) if _channel is not None else False


@contextlib.contextmanager
def use_channel(channel: Channel, current: Trial | None) -> Iterator[None]:
    """Send this process's reports to `channel` inside the block; `trial()` returns `current` there."""
    global _channel, _trial
    before = _channel, _trial
    _channel, _trial = channel, current
    try:
        yield
    finally:
        _channel, _trial = before


@dataclass(frozen=True)
class Report:
    """Metrics and checkpoint of one call of `report`."""

    metrics: dict[str, float]
    checkpoint: Path | None


@dataclass(frozen=True)
class JobOutcome:
    """Result of a job: it returned `value`, or failed with `error`, whose traceback is `trace`."""

    value: Any = None
    error: BaseException | None = None
    trace: str = ""


class Job:
    """Run `function` in a thread and write its output to the file `log`."""

    def __init__(self, function: Callable[[], Any], *, trial: Trial, log: Path) -> None:
        self.function, self.trial, self.log = function, trial, log
        self.messages: queue.Queue[Report | JobOutcome] = queue.Queue()
        self.decisions: queue.Queue[bool] = queue.Queue()
        self.waiting = self.asked_to_end = False
        self.checkpoint: Path | None = None
        self.thread = threading.Thread(target=self._run, name="job", daemon=True)

    def _run(self) -> None:
        """Run the function in the job's thread, with its output in the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with (
            self.log.open("a", buffering=1, encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            use_channel(self, self.trial),
        ):
            outcome = self._outcome()
            if outcome.trace:
                print(outcome.trace, file=sys.stderr)
        self.messages.put(outcome)

    def _outcome(self) -> JobOutcome:
        """Call the function and return its outcome."""
        try:
            return JobOutcome(value=self.function())
        except TrialStopped:
            return JobOutcome()
        except BaseException as error:  # SystemExit too: a thread would swallow it
            return JobOutcome(error=error, trace=traceback.format_exc())

    # The next method runs in the job's thread.

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        """Hand a report to the trial and wait for its decision. Raise `TrialStopped` after a decision to end."""
        if self.asked_to_end:
            raise TrialStopped
        self.messages.put(Report({name: float(value) for name, value in metrics.items()}, checkpoint))
        self.asked_to_end = self.decisions.get()
        return self.asked_to_end

    # The next methods run in the trial's thread.

    def next(self) -> Report | JobOutcome:
        """Let the job run until it reports or ends; return its report or outcome."""
        if self.waiting:
            self.waiting = False
            self.decisions.put(False)
        elif not self.thread.is_alive() and self.messages.empty():
            self.thread.start()
        message = self.messages.get()
        if isinstance(message, Report):
            self.waiting, self.checkpoint = True, message.checkpoint
        return message

    def end(self) -> JobOutcome:
        """Ask the job to end at its report and wait for it; return at once where it has ended already."""
        if not self.thread.is_alive() and self.messages.empty():
            return JobOutcome()
        if self.waiting:
            self.waiting = False
            self.decisions.put(True)
        while isinstance(message := self.messages.get(), Report):  # the job was between two reports
            self.decisions.put(True)
        self.thread.join()
        return message
