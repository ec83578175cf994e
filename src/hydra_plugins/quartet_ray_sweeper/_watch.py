"""What the driver sees of its trials: it writes the journal, shows a table, and says when nothing can go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import inf
from numbers import Real
from typing import Any

from ray import cloudpickle, tune

from hydra_plugins.quartet_ray_sweeper._actor import CONFIG, ERROR, LOG, REPORTED, RETURN
from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, STOPPED, Journal, Record
from hydra_plugins.quartet_ray_sweeper._study import OBJECTIVE

PATIENCE = 60.0  # seconds without room for any trial
SECONDS_BETWEEN_LOOKS = 1.0  # for room, while trials run


class Watch(tune.Callback):
    """Tune's callback in the driver.

    Args:
        clock, max_time: the metric that is the clock, and where it ends: who is told to end there has finished.
        lacking: what keeps a trial from being placed on the machines that are left, "" where one fits.
        ended: which process of Ray has ended, "" for none.
        workers: whether trials start processes by themselves. Ray Train then waits for their room, and Tune takes the
            trial for one that runs.
        metrics: what is sought, and must be reported where anything is.
    """

    def __init__(
        self,
        journal: Journal,
        display: Any,
        *,
        clock: str,
        max_time: float | None,
        lacking: Callable[[], str],
        ended: Callable[[], str],
        workers: bool,
        fail_fast: bool,
        metrics: Sequence[str],
    ) -> None:
        self.journal, self.display, self.clock, self.max_time = journal, display, clock, max_time
        self.lacking, self.ended, self.workers, self.fail_fast = lacking, ended, workers, fail_fast
        self.metrics = metrics
        self.returns: dict[int, Any] = {}
        self.began: dict[int, float] = {}
        self.stuck: float | None = None  # since when no machine that is left could hold a trial
        self.idle: float | None = None  # since when none runs, though one waits
        self.looked = -inf
        self.failure = self.unheard = ""

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        number = int(trial.trial_id)
        self.began.setdefault(number, time.monotonic())
        values = {key: value for key, value in trial.config.items() if key != CONFIG}
        record = self.journal.records[number]
        if values != record.values:
            job = cloudpickle.loads(trial.config[CONFIG])
            self.journal.change(number, values=values, overrides=list(job.hydra.overrides.task))
        self.display.tick(now=True)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
        number = int(trial.trial_id)
        if ERROR in result or RETURN in result:
            self.end(number, result)
            return
        self.journal.report(number, result[REPORTED])
        self.display.reported(self.journal.records[number])

    def end(self, number: int, result: dict[str, Any]) -> None:
        if ERROR in result:
            self.failed(number, result[ERROR])
            return
        returned = cloudpickle.loads(result.pop(RETURN)) if result.get(RETURN) else None
        self.returns[number] = returned
        value = getattr(returned, "_return_value", None)
        number_returned = float(value) if isinstance(value, Real) else None
        self.journal.end(number, FINISHED, result=number_returned, seconds=self.seconds(number))
        self.ended_well(self.journal.records[number])

    def failed(self, number: int, error: str) -> None:
        """Also of a trial that never began, since its values do not compose."""
        record = self.journal.records[number]
        self.journal.end(number, FAILED, result=None, error=error, seconds=self.seconds(number))
        see = f"; see {record.folder}/{LOG}" if record.folder else ""
        self.failure = self.failure or f"trial {number} failed: {error}{see}"
        self.display.ended(record)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Every trial that ends without an error comes here: those that returned have been written down already."""
        number = int(trial.trial_id)
        record = self.journal.records[number]
        if record.status in (FINISHED, FAILED):
            return
        reached = record.reports[-1].get(self.clock, 0.0) if record.reports else 0.0
        status = FINISHED if self.max_time is not None and reached >= self.max_time else STOPPED
        self.journal.end(number, status, result=None, seconds=self.seconds(number))
        self.ended_well(record)

    def ended_well(self, record: Record) -> None:
        self.display.ended(record)
        said = list(dict.fromkeys(name for metrics in record.reports for name in metrics))
        unheard = [name for name in self.metrics if name not in said and name != OBJECTIVE]
        if said and unheard:
            self.unheard = (
                f"hydra.sweeper.metric: {', '.join(unheard)}: trial {record.number} never reported it\n"
                f"it reports {', '.join(said)}"
            )

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Its process was lost, more often than `retries`."""
        said = str(trial.get_error() or "").strip().splitlines() or ["nothing is known of it"]
        self.failed(int(trial.trial_id), f"its process was lost: {said[-1]}")

    def seconds(self, number: int) -> float:
        """Since the trial began, in this attempt."""
        return time.monotonic() - self.began.get(number, time.monotonic())

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        self.display.tick()
        if process := self.ended():
            raise RayLost(process)
        if self.unheard:
            raise NeverReported(self.unheard)
        if self.fail_fast and self.failure:
            raise TrialFailed(self.failure)
        running = any(trial.status == "RUNNING" for trial in trials)
        waiting = any(trial.status == "PENDING" for trial in trials)
        self.say_if_busy(idle=waiting and not running)
        placed, over = running and not self.workers, not running and not waiting
        if placed or over:
            self.stuck = None
        elif time.monotonic() - self.looked > SECONDS_BETWEEN_LOOKS:
            self.looked = time.monotonic()
            self.look_for_room()

    def say_if_busy(self, *, idle: bool) -> None:
        """Once, that there would be room, had others not taken it: a cluster is for many."""
        if not idle:
            self.idle = None
        elif self.idle is None:
            self.idle = time.monotonic()
        elif time.monotonic() - self.idle > PATIENCE:
            self.idle = inf
            self.display.say(f"no trial could start for {PATIENCE:g} s: the machines are taken; waiting")

    def look_for_room(self) -> None:
        lacking = self.lacking()
        if not lacking:
            self.stuck = None
        elif self.stuck is None:
            self.stuck = time.monotonic()
            self.display.say(f"{lacking}; waiting {PATIENCE:g} s for more")
        elif time.monotonic() - self.stuck > PATIENCE:
            raise NoRoom(lacking)


class NeverReported(Exception):
    """No trial says what is sought."""


class TrialFailed(Exception):
    """The first trial failed, and that was to end the sweep."""


class NoTrialCanEnd(BaseException):
    """Not an `Exception`, at which Tune would wait until its trials have cleaned up."""


class NoRoom(NoTrialCanEnd):
    """No machine is left that could hold a trial."""


class RayLost(NoTrialCanEnd):
    """Ray itself has ended."""
