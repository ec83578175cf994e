"""A Hydra job in a thread of the process that the trial has: it runs until it reports, waits for the decision, goes on.

Tune's own function trials are ended by an exception inside their report, with two seconds to clean up where their
process is used again. Here a trial is told, and then waited for.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra_plugins.quartet_ray_sweeper._report import Stopped, Trial, connected


@dataclass(frozen=True)
class Report:
    metrics: dict[str, float]
    checkpoint: Path | None


@dataclass(frozen=True)
class Ended:
    """The job has returned `value`, or failed with `error`, whose traceback is `trace`."""

    value: Any = None
    error: BaseException | None = None
    trace: str = ""


class Job:
    """Runs `function` in a thread, its output in `log`."""

    def __init__(self, function: Callable[[], Any], *, trial: Trial, log: Path) -> None:
        self.function, self.trial, self.log = function, trial, log
        self.said: queue.Queue[Report | Ended] = queue.Queue()
        self.told: queue.Queue[bool] = queue.Queue()
        self.waiting = self.dismissed = False
        self.checkpoint: Path | None = None
        self.thread = threading.Thread(target=self._run, name="job", daemon=True)

    def _run(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with (
            self.log.open("a", buffering=1, encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
            connected(self, self.trial),
        ):
            ended = self._ended()
            if ended.trace:
                print(ended.trace, file=sys.stderr)
        self.said.put(ended)

    def _ended(self) -> Ended:
        try:
            return Ended(value=self.function())
        except Stopped:
            return Ended()
        except BaseException as error:  # SystemExit too: a thread would swallow it
            return Ended(error=error, trace=traceback.format_exc())

    # The job's side.

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        if self.dismissed:
            raise Stopped
        self.said.put(Report({name: float(value) for name, value in metrics.items()}, checkpoint))
        self.dismissed = self.told.get()
        return self.dismissed

    # The trial's side.

    def next(self) -> Report | Ended:
        """Let the job run until it reports or ends."""
        if self.waiting:
            self.waiting = False
            self.told.put(False)
        elif not self.thread.is_alive() and self.said.empty():
            self.thread.start()
        said = self.said.get()
        if isinstance(said, Report):
            self.waiting, self.checkpoint = True, said.checkpoint
        return said

    def end(self) -> Ended:
        """Tell the job to end at its report, and wait until it has; returns at once where it has ended already."""
        if not self.thread.is_alive() and self.said.empty():
            return Ended()
        if self.waiting:
            self.waiting = False
            self.told.put(True)
        while isinstance(said := self.said.get(), Report):  # it was between two reports, and came to the second
            self.told.put(True)
        self.thread.join()
        return said
