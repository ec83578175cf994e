"""The trials of a sweep under Ray Tune."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import get_method, instantiate

from hydra_plugins.quartet_ray_sweeper._cluster import (
    ResourceRequest,
    alive,
    ended,
    offered,
    ray_running,
    settle_environment,
)
from hydra_plugins.quartet_ray_sweeper._display import Display, in_a_line
from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, RUNNING, STOPPED, Record
from hydra_plugins.quartet_ray_sweeper._space import Refused
from hydra_plugins.quartet_ray_sweeper._study import Study

SECONDS_BETWEEN_LOOKS = 5.0
DRAWS = 20  # trials, where nobody says how many
PATIENCE = 120.0  # seconds that trials may take at the end of a sweep to clean up
LOG = "sweep.log"  # in the sweep's folder: the traceback of what broke it off
TUNE = ".tune-"  # Tune's own files in the sweep's folder, while it runs


def run(study: Study, *, begin: Callable[[], None], hydra_context: Any, task_function: Any) -> list[list[JobReturn]]:
    """Run what is left of the study; returns all its jobs. `begin` is called once nothing is left to be refused."""
    options = study.options
    settle_environment(address=options["address"])
    for package in ("ray", "ray.tune", "ray.train", "optuna"):
        logging.getLogger(package).setLevel(logging.ERROR)
    names = ("_search", "_schedule", "_trials")  # they import Ray
    search, schedule, trials = (importlib.import_module(f"{__package__}.{name}") for name in names)
    composer = trials.Composer(
        config=study.config,
        config_loader=hydra_context.config_loader,
        space=study.space,
        folder=study.folder,
        check=get_method(options["check"]) if options["check"] else None,
    )
    if not study.journal.records:
        composer.refuse_impossible()
    several = len(study.metrics) > 1
    searcher = search.build(
        options["search"],
        space=study.space,
        metric=list(study.metrics) if several else study.metrics[0],
        mode=list(study.modes) if several else study.modes[0],
        endless=options["trials"] is None,
        seed=options["seed"],
    )
    scheduler = schedule.build(options["scheduler"], metrics=study.metrics, searcher=searcher, space=study.space)
    observer = instantiate(options["observer"]) if options["observer"] else None
    total = options["trials"] or (len(study.space.grid()) if isinstance(searcher, search.Grid) else DRAWS)
    with ray_running(address=options["address"], dashboard=bool(options["dashboard"])) as ray:
        room = ResourceRequest.of(dict(options), alive(ray))
        if not room.at_once(alive(ray)):
            raise Refused(
                f"a trial takes {room.described()}, Ray has {offered(alive(ray))}: none would ever start\n"
                "take fewer (hydra.sweeper.cpus, gpus, workers) or a larger cluster (hydra.sweeper.address)"
            )
        begin()
        display = Display(study, total=total)
        with _observed(study, observer, display) as facts:
            returns = _fit(
                study, ray, room=room, display=display, searcher=searcher, scheduler=scheduler, composer=composer,
                hydra_context=hydra_context, task_function=task_function, facts=facts, total=total,
            )  # fmt: skip
            return _jobs(study, returns)


def again(study: Study) -> str:
    return f"the same command with hydra.sweep.dir={study.folder} goes on"


@contextmanager
def _observed(study: Study, observer: Any, display: Display) -> Iterator[dict[str, str]]:
    """The block is the sweep, shown by `display`; gives what the observer has for all trials. However the block ends,
    the observer hears of it and a summary is printed. Raises `Refused` for an error that is not a trial's."""
    error: BaseException | None = None
    facts = dict(observer.begin(study)) if observer is not None else {}
    try:
        with display:
            yield facts
    except BaseException as raised:
        error = raised
        if isinstance(raised, Refused) or not isinstance(raised, Exception):
            raise
        log = study.folder / LOG
        log.write_text("".join(traceback.format_exception(raised)), encoding="utf-8")
        what = in_a_line(f"{type(raised).__name__}: {raised}")
        raise Refused(f"the sweep broke off: {what}; see {log}\n{again(study)}") from raised
    finally:
        lines = list(observer.end(study, error)) if observer is not None else []
        if isinstance(error, KeyboardInterrupt | SystemExit):
            lines.append(f"interrupted; {again(study)}")
        display.summary(lines)


def _fit(
    study: Study, ray: Any, *, room: ResourceRequest, display: Display, searcher: Any, scheduler: Any, composer: Any,
    hydra_context: Any, task_function: Any, facts: dict[str, str], total: int,
) -> dict[int, Any]:  # fmt: skip
    """Run the trials; returns what each returned, by number. Raises KeyboardInterrupt where a person ended it."""
    from ray import tune
    from ray.tune.error import TuneError

    from hydra_plugins.quartet_ray_sweeper import _actor, _schedule, _search, _trials, _watch

    options = study.options
    at_once = ConcurrencyLimit(ray, room, limit=options["max_batch_size"])
    # Tune's default is one, whose start it waits for before it asks for the next.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(at_once())
    watch = _watch.Watch(
        study.journal,
        display,
        clock=study.clock,
        max_time=study.max_time,
        lacking=partial(_lacking, ray, room),
        ended=partial(ended, ray),
        workers=room.workers > 0,
        fail_fast=bool(options["fail_fast"]),
        metrics=study.metrics,
    )
    generator = _trials.Trials(
        searcher,
        journal=study.journal,
        composer=composer,
        total=total,
        at_once=at_once,
        failed=watch.failed,
        scheduler=scheduler if isinstance(scheduler, _schedule.ASYNC_SCHEDULERS) else None,
        sought=study.sought,
    )
    if generator.is_finished():
        return watch.returns
    for left in study.folder.glob(f"{TUNE}*"):
        shutil.rmtree(left, ignore_errors=True)
    if isinstance(scheduler, _schedule.Population):
        scheduler._hyperparam_mutations = _schedule.mutations(study.space, _search.domains(study.space))
        scheduler.recompose = lambda trial, config: _trials.changed(composer, trial, config)
    shared = _actor.pack(
        task_function=task_function,
        hydra_context=hydra_context,
        facts=facts,
        worker=room.worker,
        study=study,
    )
    with (
        tempfile.TemporaryDirectory(prefix=TUNE, dir=study.folder, ignore_cleanup_errors=True) as storage,
        warnings.catch_warnings(),
        ExitStack() as stack,
    ):
        warnings.simplefilter("ignore")
        try:
            stack.enter_context(longer_cleanup())
            # Not Tuner, which would pickle all of this for its own way to resume.
            tune.run(
                tune.with_resources(tune.with_parameters(_actor.TrialActor, sweep=shared), room.own),
                name="tune",
                storage_path=storage,
                search_alg=generator,
                scheduler=scheduler,
                metric=study.metrics[0],
                mode=study.modes[0],
                num_samples=total,
                callbacks=[watch],
                verbose=0,
                reuse_actors=True,
                max_failures=options["retries"],
                raise_on_failed_trial=False,
                trial_name_creator=lambda trial: trial.trial_id,
                trial_dirname_creator=lambda trial: trial.trial_id,
            )
        except TuneError as error:  # its text is a traceback
            raise error.__context__ or error from None
        except _watch.NeverReported as unheard:
            raise Refused(str(unheard)) from None
        except _watch.TrialFailed as failure:
            raise Refused(f"{failure}\nhydra.sweeper.fail_fast ends the sweep with it") from None
        except _watch.NoRoom as lacking:
            raise Refused(f"{lacking}\n{again(study)}") from None
        except _watch.RayLost as process:
            raise Refused(f"Ray was lost: its process {process} has ended\n{again(study)}") from None
    if study.journal.unfinished or not generator.is_finished():  # Tune takes Ctrl-C for itself and returns
        raise KeyboardInterrupt
    return watch.returns


def _lacking(ray: Any, room: ResourceRequest) -> str:
    """What keeps a trial from being placed on the machines that are left, "" where one fits."""
    nodes = alive(ray)
    return "" if room.at_once(nodes) else f"a trial takes {room.described()}, Ray has only {offered(nodes)} left"


@contextmanager
def longer_cleanup() -> Iterator[None]:
    """Have Tune wait at the end of a sweep: it kills after ten seconds what has not ended, and has no option for it."""
    module = importlib.import_module("ray.tune.tune")
    usual = module.TuneController

    class Patient(usual):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._actor_force_cleanup_timeout = PATIENCE

    module.TuneController = Patient  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.TuneController = usual  # type: ignore[attr-defined]


class ConcurrencyLimit:
    """How many trials may be drawn and not ended: as many as there is room for, and one to come, so that a searcher
    knows as much as can be known and no machine waits for a composition. One to come would start at once where Tune
    does not see what a trial takes (its workers), or where fewer are wanted."""

    def __init__(self, ray: Any, room: ResourceRequest, *, limit: int | None) -> None:
        self.ray, self.room, self.limit = ray, room, limit
        self.looked, self.held = -inf, 1

    def __call__(self) -> int:
        if time.monotonic() - self.looked > SECONDS_BETWEEN_LOOKS:  # a cluster may grow
            self.looked, self.held = time.monotonic(), max(1, self.room.at_once(alive(self.ray)))
        waiting = 0 if self.room.workers else 1
        return min(self.held + waiting, self.limit or self.held + waiting)


def _jobs(study: Study, returns: dict[int, Any]) -> list[list[JobReturn]]:
    """What Hydra's own tools take: the jobs in order, in batches."""
    jobs = [returns.get(trial.number) or _past(study, trial) for trial in study.trials]
    if jobs and not study.count(FINISHED) and not study.count(STOPPED):
        first = study.trials[0]
        see = f"\nsee {first.folder}/trial.log" if first.folder else ""  # what did not compose has none
        raise Refused(
            f"all {len(jobs)} trials failed; trial {first.number}: {first.error}{see}\n"
            f"hydra.sweep.dir={study.folder} hydra.sweeper.resume=false tries them again"
        )
    size = study.options["max_batch_size"] or max(len(jobs), 1)
    return [jobs[i : i + size] for i in range(0, len(jobs), size)]


def _past(study: Study, trial: Record) -> JobReturn:
    """A job that did not return in this attempt: stopped, failed, or finished before."""
    job = JobReturn()
    job.overrides, job.working_dir = trial.overrides, trial.folder
    scores = study.scores(trial)
    job.status = JobStatus.FAILED if trial.status in (FAILED, RUNNING) else JobStatus.COMPLETED
    if job.status is JobStatus.FAILED:
        job.return_value = RuntimeError(trial.error or "interrupted")
    else:
        job.return_value = scores[0] if scores and len(scores) == 1 else scores
    return job
