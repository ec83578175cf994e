"""Run a sweep's trials in Ray actors: Tune creates `TrialActor`s, each of which runs one job after another."""

from __future__ import annotations

import os
import shutil
import traceback
from math import nan
from numbers import Real
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from ray import cloudpickle, tune

from hydra_plugins.quartet_ray_sweeper._report import Job, JobOutcome, Trial
from hydra_plugins.quartet_ray_sweeper._schedule import TICK, TICKS
from hydra_plugins.quartet_ray_sweeper._state import Sweep, replace_non_finite, return_is_metric

CONFIG, CHECKPOINT, LOG = "config", "checkpoint", "trial.log"
RETURN, ERROR, REPORTED = "job_return", "job_error", "reported"


class TrialActor(tune.Trainable):
    """Run the job of a trial's configuration. Tune reuses the process for the next trial."""

    def setup(self, config: dict[str, Any], shared: bytes = b"") -> None:
        """Prepare the trial of `config`. `shared`, from `pack_shared`, is loaded once a process."""
        if not hasattr(self, "shared"):
            self.shared: dict[str, Any] = cloudpickle.loads(shared)
            setup_globals()
            Singleton.set_state(self.shared["singletons"])
            os.chdir(self.shared["cwd"])
        self.job: Job | None = None
        self.start_from: Path | None = None
        # Schedulers need these keys, even in the result of a trial that ended before its first report.
        self.last: dict[str, Any] = {self.shared["time"]: 0.0, **dict.fromkeys(self.shared["metric_modes"], nan)}
        self.hydra_config = cloudpickle.loads(config[CONFIG])

    def step(self) -> dict[str, Any]:
        """Run the job up to its next report or its end; return Tune's result."""
        if self.job is None:
            self.job = self.make_job()
        message = self.job.next()
        if isinstance(message, JobOutcome):
            return {**self.last, **self.final_result(message), "done": True}
        clock, end = message.metrics.get(self.shared["time"]), self.shared["max_time"]
        ticks = {TICK: round(TICKS * clock / end, 6)} if clock is not None and end else {}
        self.last = {
            **replace_non_finite(message.metrics, self.shared["metric_modes"]),
            **ticks,
            REPORTED: dict(message.metrics),
        }
        return self.last

    def make_job(self) -> Job:
        """Return the trial's job, which runs the task as Hydra does."""
        config = self.hydra_config
        folder = Path(config.hydra.runtime.output_dir)
        trial = Trial(
            number=config.hydra.job.num,
            folder=folder,
            checkpoint=self.start_from,
            facts=self.shared["facts"],
            worker=self.shared["worker"],
            retries=self.shared["retries"],
        )

        def function() -> JobReturn:
            return run_job(
                task_function=self.shared["task_function"],
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
                hydra_context=self.shared["hydra_context"],
                configure_logging=True,
            )

        return Job(function, trial=trial, log=folder / LOG)

    def final_result(self, outcome: JobOutcome) -> dict[str, Any]:
        """Return the result that ends the trial. It holds a failure as text: Tune would take an exception for a lost
        process."""
        job, error = outcome.value, self.log_failure(outcome)
        if error is not None:
            return {ERROR: f"{type(error).__name__}: {error}"}
        value = job.return_value if isinstance(job, JobReturn) else None
        metrics = list(self.shared["metric_modes"])
        counts = return_is_metric(metrics, self.last.get(REPORTED, ()))
        number = {metrics[0]: float(value)} if counts and isinstance(value, Real) else {}
        try:
            returned = cloudpickle.dumps(job)
        except Exception:  # a task may return a value that does not pickle
            returned = b""
        return {**number, RETURN: returned}

    def log_failure(self, outcome: JobOutcome) -> BaseException | None:
        """Return the job's error, None without one, and write its traceback to the trial's log."""
        job = outcome.value
        if not (isinstance(job, JobReturn) and job.status is JobStatus.FAILED):
            return outcome.error
        error: BaseException = job._return_value
        with (Path(self.hydra_config.hydra.runtime.output_dir) / LOG).open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        return error

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Copy the job's last checkpoint for Tune; leave the file `none` where there is no checkpoint."""
        last = self.job.checkpoint if self.job is not None else None
        if last is not None and last.exists():
            shutil.copyfile(last, Path(checkpoint_dir) / CHECKPOINT)
        else:
            (Path(checkpoint_dir) / "none").touch()

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override]
        """Copy Tune's checkpoint to the trial's folder, for the job to start from."""
        source = Path(checkpoint_dir) / CHECKPOINT
        if source.exists():
            folder = Path(self.hydra_config.hydra.runtime.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            self.start_from = folder / CHECKPOINT
            shutil.copyfile(source, self.start_from)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """End the current job and prepare another trial in this process."""
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """End the current job and wait for it."""
        if self.job is not None:
            self.log_failure(self.job.end())
            self.job = None


def pack_shared(
    *, task_function: Any, hydra_context: Any, facts: dict[str, str], worker: dict[str, float], sweep: Sweep
) -> bytes:
    """Return the pickled values that all trials of a sweep share."""
    return cloudpickle.dumps(
        {
            "task_function": task_function,
            "hydra_context": hydra_context,
            "singletons": Singleton.get_state(),
            "facts": facts,
            "worker": worker,
            "retries": sweep.options["retries"],
            "time": sweep.clock,
            "max_time": sweep.max_time,
            "metric_modes": sweep.metric_modes,
            "cwd": os.getcwd(),
        }
    )
