"""The wire between a task and the sweep that runs it. Imports nothing: training must not need Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Stopped(BaseException):
    """Ends a task that reports again after `report` has told it to end."""


class Channel(Protocol):
    """Where reports go: the actor of this process's trial, or another process's."""

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        """As `report` below."""


@dataclass(frozen=True)
class Trial:
    """What a task may know of the trial that it is.

    Attributes:
        number: from 0, the same when a sweep is gone on with.
        folder: the trial's own, `hydra.sweep.dir`/`hydra.sweep.subdir`.
        checkpoint: what to start from, where the scheduler paused this trial or gave it another's (PBT).
        facts: what the sweep's observer has for all trials, such as the id of a parent run.
        worker: CPUs and GPUs of each process that the task starts by Ray Train: `hydra.sweeper.worker_cpus`, `…_gpus`.
        retries: how often the task shall go on when such a process is lost, `hydra.sweeper.retries`.
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
    """The trial that this process runs; None outside a sweep."""
    return _trial


def report(metrics: Mapping[str, float], *, checkpoint: Path | None = None) -> bool:
    """Tell the sweep how the trial stands, and wait for its decision. False outside a sweep.

    Args:
        metrics: numbers by name: `hydra.sweeper.metric` and `hydra.sweeper.time` are those that decide.
        checkpoint: a file from which the task could go on; it is copied when the scheduler needs it.

    Returns whether the trial shall end: the task then cleans up, for as long as that takes, and returns.
    """
    return _channel.report(metrics, checkpoint) if _channel is not None else False


@contextmanager
def connected(wire: Channel, to: Trial | None) -> Iterator[None]:
    """Have this process report by `wire`, as the trial `to`."""
    global _channel, _trial
    before = _channel, _trial
    _channel, _trial = wire, to
    try:
        yield
    finally:
        _channel, _trial = before
