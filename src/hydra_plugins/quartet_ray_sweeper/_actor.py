"""A trial as Tune sees it: an actor that runs one job after another, each composed elsewhere."""

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

from hydra_plugins.quartet_ray_sweeper._job import Ended, Job
from hydra_plugins.quartet_ray_sweeper._report import Trial
from hydra_plugins.quartet_ray_sweeper._schedule import TICK, TICKS
from hydra_plugins.quartet_ray_sweeper._study import Study, for_schedulers, return_counts

CONFIG, CHECKPOINT, LOG = "config", "checkpoint", "trial.log"
RETURN, ERROR, REPORTED = "job_return", "job_error", "reported"


class TrialActor(tune.Trainable):
    """Runs the job of its configuration; the same process runs the next trial's when this one has ended."""

    def setup(self, config: dict[str, Any], sweep: bytes = b"") -> None:
        if not hasattr(self, "sweep"):
            self.sweep: dict[str, Any] = cloudpickle.loads(sweep)
            setup_globals()
            Singleton.set_state(self.sweep["singletons"])
            os.chdir(self.sweep["cwd"])
        self.job: Job | None = None
        self.start_from: Path | None = None
        # What schedulers look for in the result of a trial that ended before it reported.
        self.last: dict[str, Any] = {self.sweep["time"]: 0.0, **dict.fromkeys(self.sweep["sought"], nan)}
        self.hydra_config = cloudpickle.loads(config[CONFIG])

    def step(self) -> dict[str, Any]:
        if self.job is None:
            self.job = self.make_job()
        said = self.job.next()
        if isinstance(said, Ended):
            return {**self.last, **self.ended(said), "done": True}
        clock, end = said.metrics.get(self.sweep["time"]), self.sweep["max_time"]
        ticks = {TICK: round(TICKS * clock / end, 6)} if clock is not None and end else {}
        self.last = {**for_schedulers(said.metrics, self.sweep["sought"]), **ticks, REPORTED: dict(said.metrics)}
        return self.last

    def make_job(self) -> Job:
        config = self.hydra_config
        folder = Path(config.hydra.runtime.output_dir)
        trial = Trial(
            number=config.hydra.job.num,
            folder=folder,
            checkpoint=self.start_from,
            facts=self.sweep["facts"],
            worker=self.sweep["worker"],
            retries=self.sweep["retries"],
        )

        def function() -> JobReturn:
            return run_job(
                task_function=self.sweep["task_function"],
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
                hydra_context=self.sweep["hydra_context"],
                configure_logging=True,
            )

        return Job(function, trial=trial, log=folder / LOG)

    def ended(self, said: Ended) -> dict[str, Any]:
        """The result that ends the trial. A failure is told, not raised: Tune would take it for a lost process."""
        job, error = said.value, self.failure(said)
        if error is not None:
            return {ERROR: f"{type(error).__name__}: {error}"}
        value = job.return_value if isinstance(job, JobReturn) else None
        metrics = list(self.sweep["sought"])
        counts = return_counts(metrics, self.last.get(REPORTED, ()))
        number = {metrics[0]: float(value)} if counts and isinstance(value, Real) else {}
        try:
            returned = cloudpickle.dumps(job)
        except Exception:  # what a task returns need not travel
            returned = b""
        return {**number, RETURN: returned}

    def failure(self, said: Ended) -> BaseException | None:
        """What the job failed with, its traceback logged."""
        job = said.value
        if not (isinstance(job, JobReturn) and job.status is JobStatus.FAILED):
            return said.error
        error: BaseException = job._return_value
        with (Path(self.hydra_config.hydra.runtime.output_dir) / LOG).open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        return error

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        last = self.job.checkpoint if self.job is not None else None
        if last is not None and last.exists():
            shutil.copyfile(last, Path(checkpoint_dir) / CHECKPOINT)
        else:
            (Path(checkpoint_dir) / "none").touch()

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override]
        given = Path(checkpoint_dir) / CHECKPOINT
        if given.exists():
            folder = Path(self.hydra_config.hydra.runtime.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            self.start_from = folder / CHECKPOINT
            shutil.copyfile(given, self.start_from)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        if self.job is not None:
            self.failure(self.job.end())
            self.job = None


def pack(
    *, task_function: Any, hydra_context: Any, facts: dict[str, str], worker: dict[str, float], study: Study
) -> bytes:
    """What all trials of a sweep share."""
    return cloudpickle.dumps(
        {
            "task_function": task_function,
            "hydra_context": hydra_context,
            "singletons": Singleton.get_state(),
            "facts": facts,
            "worker": worker,
            "retries": study.options["retries"],
            "time": study.clock,
            "max_time": study.max_time,
            "sought": study.sought,
            "cwd": os.getcwd(),
        }
    )
