"""Follow the trials in the driver: write the journal, update the display, and end the sweep when nothing can run."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from numbers import Real
from typing import Any

from ray import cloudpickle, tune
from ray.tune.error import TuneError

from hydra_plugins.quartet_ray_sweeper._actor import CONFIG, ERROR, LOG, REPORTED, RETURN
from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, STOPPED, Record
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import OBJECTIVE, Sweep

MAX_WAIT_SECONDS = 60.0  # without resources for any trial
OVERTIME = 0.03  # share of the time given, for trials under way to report and end
SECONDS_BETWEEN_CHECKS = 1.0  # of the machines, while trials run
CLEANUP_SECONDS = 120.0  # for trials to clean up at the end of a sweep
END_SECONDS = 3.0  # for those that have not ended long after the time given was over


class SweepCallback(tune.Callback):
    """Tune's callback in the driver.

    Args:
        shortage: returns why no trial fits on the remaining machines, "" where one fits.
        dead_process: returns which process of Ray has ended, "" for none.
        workers: whether trials start workers. Tune then shows a trial as running while Ray Train waits for resources.
    """

    def __init__(
        self,
        sweep: Sweep,
        display: Any,
        *,
        shortage: Callable[[], str],
        dead_process: Callable[[], str],
        workers: bool,
    ) -> None:
        self.sweep, self.journal, self.display = sweep, sweep.journal, display
        self.shortage, self.dead_process, self.workers = shortage, dead_process, workers
        self.returns: dict[int, Any] = {}
        self.started: dict[int, float] = {}
        self.stuck: float | None = None  # since when no remaining machine can hold a trial
        self.idle: float | None = None  # since when no trial runs, though one waits
        self.last_check = -inf
        self.controller: Any = None  # Tune's own loop, which `patient` notes here
        self.failure = self.unreported = ""

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record a trial's start, and its values where the scheduler changed them."""
        number = int(trial.trial_id)
        self.started.setdefault(number, time.monotonic())
        values = {key: value for key, value in trial.config.items() if key != CONFIG}
        record = self.journal.records[number]
        if values != record.values:
            job = cloudpickle.loads(trial.config[CONFIG])
            self.journal.change(number, values=values, overrides=list(job.hydra.overrides.task))
        self.display.tick(now=True)

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
        """Record a report, or the end of a trial that returned or failed."""
        number = int(trial.trial_id)
        if ERROR in result or RETURN in result:
            self.record_end(number, result)
            return
        self.journal.report(number, result[REPORTED])
        self.display.on_report(self.journal.records[number])

    def record_end(self, number: int, result: dict[str, Any]) -> None:
        """Record a trial that returned or failed."""
        if ERROR in result:
            self.record_failure(number, result[ERROR])
            return
        returned = cloudpickle.loads(result.pop(RETURN)) if result.get(RETURN) else None
        self.returns[number] = returned
        value = getattr(returned, "_return_value", None)
        result_value = float(value) if isinstance(value, Real) else None
        self.journal.end(number, FINISHED, result=result_value, seconds=self.seconds(number))
        self.show_end(self.journal.records[number])

    def record_failure(self, number: int, error: str) -> None:
        """Record a failed trial, also one that never started since its values do not compose."""
        record = self.journal.records[number]
        self.journal.end(number, FAILED, result=None, error=error, seconds=self.seconds(number))
        see = f"; see {record.folder}/{LOG}" if record.folder else ""
        self.failure = self.failure or f"trial {number} failed: {error}{see}"
        self.display.on_end(record)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record a trial that the scheduler ended. One that it ended at the end of the clock counts as finished.

        Tune also calls this for trials that returned: they are recorded already.
        """
        number = int(trial.trial_id)
        record = self.journal.records[number]
        if record.status in (FINISHED, FAILED):
            return
        reached = record.reports[-1].get(self.sweep.clock, 0.0) if record.reports else 0.0
        end = self.sweep.max_time
        status = FINISHED if end is not None and reached >= end else STOPPED
        self.journal.end(number, status, result=None, seconds=self.seconds(number))
        self.show_end(record)

    def show_end(self, record: Record) -> None:
        """Show a trial's end, and note metrics that its reports lack."""
        self.display.on_end(record)
        reported = list(dict.fromkeys(name for metrics in record.reports for name in metrics))
        missing = [name for name in self.sweep.metrics if name not in reported and name != OBJECTIVE]
        if reported and missing:
            self.unreported = (
                f"hydra.sweeper.metric: {', '.join(missing)}: trial {record.number} never reported it\n"
                f"it reports {', '.join(reported)}"
            )

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record a trial whose process was lost more often than `retries`."""
        lines = str(trial.get_error() or "").strip().splitlines() or ["nothing is known of it"]
        self.record_failure(int(trial.trial_id), f"its process was lost: {lines[-1]}")

    def seconds(self, number: int) -> float:
        """Return the seconds since the trial started, in this attempt."""
        return time.monotonic() - self.started.get(number, time.monotonic())

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        """End the sweep by an exception where it cannot continue; else check the resources."""
        self.display.tick()
        if process := self.dead_process():
            raise RayLost(process)
        if self.unreported:
            raise MetricNotReported(self.unreported)
        if self.sweep.options["fail_fast"] and self.failure:
            raise TrialFailed(self.failure)
        if self.sweep.seconds_left() < -OVERTIME * 3600 * (self.sweep.options.get("hours") or 0.0):
            self.end_now()
        running = any(trial.status == "RUNNING" for trial in trials)
        waiting = any(trial.status == "PENDING" for trial in trials)
        self.warn_if_busy(idle=waiting and not running)
        placed, over = running and not self.workers, not running and not waiting
        if placed or over:
            self.stuck = None
        elif time.monotonic() - self.last_check > SECONDS_BETWEEN_CHECKS:
            self.last_check = time.monotonic()
            self.check_resources()

    def end_now(self) -> None:
        """Let Tune end all trials, also those that do not report: these are killed after `END_SECONDS`."""
        self.controller._should_stop_experiment = True
        self.controller._actor_force_cleanup_timeout = END_SECONDS

    def end_left(self) -> None:
        """Record trials as stopped that had not ended when the time given was over."""
        if self.sweep.seconds_left() > 0:
            return
        left = self.journal.unfinished
        for record in left:
            self.journal.end(record.number, STOPPED, result=None, seconds=self.seconds(record.number))
        cut = f"; ended before a report: trial {', '.join(str(one.number) for one in left)}" if left else ""
        minutes = f"{self.sweep.options['hours'] * 60:.3g} minutes"
        self.display.print_line(f"the {minutes} given to the sweep are over{cut}")

    def warn_if_busy(self, *, idle: bool) -> None:
        """Print once that others use the machines: a cluster has many users."""
        if not idle:
            self.idle = None
        elif self.idle is None:
            self.idle = time.monotonic()
        elif time.monotonic() - self.idle > MAX_WAIT_SECONDS:
            self.idle = inf
            self.display.print_line(f"no trial could start for {MAX_WAIT_SECONDS:g} s: the machines are taken; waiting")

    def check_resources(self) -> None:
        """Warn when no trial fits on the remaining machines, and raise `ResourcesLost` after `MAX_WAIT_SECONDS`."""
        shortage = self.shortage()
        if not shortage:
            self.stuck = None
        elif self.stuck is None:
            self.stuck = time.monotonic()
            self.display.print_line(f"{shortage}; waiting {MAX_WAIT_SECONDS:g} s for more")
        elif time.monotonic() - self.stuck > MAX_WAIT_SECONDS:
            raise ResourcesLost(shortage)


class MetricNotReported(Exception):
    """A trial ended without a report of one of the sweep's metrics."""


class TrialFailed(Exception):
    """The first trial failed, and `fail_fast` ends the sweep."""


class NoTrialCanEnd(BaseException):
    """Ends Tune at once: after an `Exception` it would wait until its trials have cleaned up."""


class ResourcesLost(NoTrialCanEnd):
    """No remaining machine can hold a trial."""


class RayLost(NoTrialCanEnd):
    """A process of Ray itself has ended."""


@contextmanager
def refuse_tune_errors(resume_hint: str) -> Iterator[None]:
    """Raise `SweeperError` where the callback ended Tune, with `resume_hint` where the sweep can resume.

    A `TuneError` is replaced by its cause, since its text is a traceback.
    """
    try:
        yield
    except TuneError as error:
        raise error.__context__ or error from None
    except MetricNotReported as error:
        raise SweeperError(str(error)) from None
    except TrialFailed as error:
        raise SweeperError(f"{error}\nhydra.sweeper.fail_fast ends the sweep with it") from None
    except ResourcesLost as error:
        raise SweeperError(f"{error}\n{resume_hint}") from None
    except RayLost as process:
        raise SweeperError(f"Ray was lost: its process {process} has ended\n{resume_hint}") from None


@contextmanager
def patient(callback: SweepCallback) -> Iterator[None]:
    """Give trials `CLEANUP_SECONDS` at the end of a sweep. Tune kills them after ten seconds and has no option."""
    module = importlib.import_module("ray.tune.tune")
    usual = module.TuneController

    class PatientController(usual):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._actor_force_cleanup_timeout = CLEANUP_SECONDS
            callback.controller = self

    module.TuneController = PatientController  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.TuneController = usual  # type: ignore[attr-defined]
