"""Run the trials of a sweep on Ray Tune."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn
from hydra.utils import get_method, instantiate

from hydra_plugins.quartet_ray_sweeper._cluster import (
    ConcurrencyLimit,
    ResourceRequest,
    dead_process,
    describe_nodes,
    live_nodes,
    ray_running,
    remove_orphans,
    set_ray_environment,
)
from hydra_plugins.quartet_ray_sweeper._display import Display, one_line
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import Sweep, job_returns

DEFAULT_TRIALS = 20  # where the space is infinite and `hydra.sweeper.trials` is not set
LOG = "sweep.log"  # in the sweep's folder: the traceback of an error that ended it
TUNE_FOLDER = ".tune-"  # prefix of the folder for Tune's own files, in the sweep's folder


@dataclass(frozen=True)
class Setup:
    """Everything that Tune needs to run a sweep's trials.

    Attributes:
        searcher, scheduler: Tune's. composer: composes each trial's configuration. resources: of each trial.
        total: number of trials of the search, with those of earlier attempts.
        facts: the observer's, for all trials.
    """

    sweep: Sweep
    ray: Any
    resources: ResourceRequest
    display: Display
    searcher: Any
    scheduler: Any
    composer: Any
    hydra_context: Any
    task_function: Any
    facts: dict[str, str]
    total: int


def run(sweep: Sweep, *, begin: Callable[[], None], hydra_context: Any, task_function: Any) -> list[list[JobReturn]]:
    """Run the sweep's remaining trials and return all its jobs. Call `begin` after the last check that may refuse."""
    options = sweep.options
    set_ray_environment(address=options["address"])
    for package in ("ray", "ray.tune", "ray.train", "optuna"):
        logging.getLogger(package).setLevel(logging.ERROR)
    composer = _composer(sweep, hydra_context.config_loader)
    if sweep.journal.records:
        importlib.import_module(f"{__package__}._trials._earlier").refuse_foreign(sweep)
    else:
        composer.refuse_impossible()
    searcher, scheduler, total = _searcher_and_scheduler(sweep)
    observer = instantiate(options["observer"]) if options["observer"] else None
    with ray_running(address=options["address"], dashboard=bool(options["dashboard"])) as ray:
        resources = ResourceRequest.from_options(dict(options), live_nodes(ray))
        if not resources.max_concurrent(live_nodes(ray)):
            raise SweeperError(
                f"a trial takes {resources.describe()}, Ray has {describe_nodes(live_nodes(ray))}: none would ever"
                " start\ntake fewer (hydra.sweeper.cpus, gpus, workers) or a larger cluster (hydra.sweeper.address)"
            )
        begin()
        display = Display(sweep, total=sweep.most_trials(total))
        with _observe(sweep, observer, display) as facts:
            setup = Setup(
                sweep, ray, resources, display, searcher, scheduler, composer,
                hydra_context, task_function, facts, total,
            )  # fmt: skip
            return job_returns(sweep, _run_trials(setup))


def _composer(sweep: Sweep, config_loader: Any) -> Any:
    """Return the composer of the trials' configurations."""
    composing = importlib.import_module(f"{__package__}._trials._composing")  # imports Ray
    check = get_method(sweep.options["check"]) if sweep.options["check"] else None
    return composing.Composer(
        config=sweep.config, config_loader=config_loader, space=sweep.space, folder=sweep.folder, check=check
    )


def _searcher_and_scheduler(sweep: Sweep) -> tuple[Any, Any, int]:
    """Return searcher and scheduler of the options, and the number of trials."""
    search, schedule = (importlib.import_module(f"{__package__}.{name}") for name in ("_search", "_schedule"))
    options, several = sweep.options, len(sweep.metrics) > 1
    searcher = search.build(
        options["search"],
        space=sweep.space,
        metric=list(sweep.metrics) if several else sweep.metrics[0],
        mode=list(sweep.modes) if several else sweep.modes[0],
        endless=options["trials"] is None,
        seed=options["seed"],
    )
    scheduler = schedule.build(options["scheduler"], metrics=sweep.metrics, searcher=searcher, space=sweep.space)
    schedule.refuse_unprotected(options, scheduler)
    grid = len(sweep.space.grid()) + options["defaults_first"] if isinstance(searcher, search.Grid) else None
    return searcher, scheduler, options["trials"] or grid or DEFAULT_TRIALS


@contextmanager
def _observe(sweep: Sweep, observer: Any, display: Display) -> Iterator[dict[str, str]]:
    """Run the block as the sweep, shown by `display`; yield the observer's facts for all trials.

    However the block ends, call the observer's `end` and print a summary. Raises `SweeperError` for an unexpected
    error, after its traceback is written to `LOG`.
    """
    error: BaseException | None = None
    facts = dict(observer.begin(sweep)) if observer is not None else {}
    try:
        with display:
            yield facts
    except BaseException as raised:
        error = raised
        if isinstance(raised, SweeperError) or not isinstance(raised, Exception):
            raise
        log = sweep.folder / LOG
        log.write_text("".join(traceback.format_exception(raised)), encoding="utf-8")
        text = one_line(f"{type(raised).__name__}: {raised}")
        raise SweeperError(f"the sweep broke off: {text}; see {log}\n{sweep.resume_hint}") from raised
    finally:
        lines = list(observer.end(sweep, error)) if observer is not None else []
        if isinstance(error, KeyboardInterrupt | SystemExit):
            lines.append(f"interrupted; {sweep.resume_hint}")
        display.summary(lines)


def _run_trials(setup: Setup) -> dict[int, Any]:
    """Run the trials; return their jobs by number. Raise KeyboardInterrupt where a person ended the sweep."""
    from hydra_plugins.quartet_ray_sweeper import _schedule, _watch
    from hydra_plugins.quartet_ray_sweeper._trials._supply import Trials

    sweep, ray = setup.sweep, setup.ray
    max_concurrent = ConcurrencyLimit(ray, setup.resources, limit=sweep.options["max_batch_size"])
    # By default Tune starts one trial and waits until it runs before it asks for the next.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max_concurrent())
    callback = _watch.SweepCallback(
        sweep,
        setup.display,
        shortage=partial(_shortage, ray, setup.resources),
        dead_process=partial(dead_process, ray),
        workers=setup.resources.workers > 0,
    )
    generator = Trials(
        setup.searcher,
        sweep=sweep,
        composer=setup.composer,
        total=setup.total,
        max_concurrent=max_concurrent,
        on_failure=callback.record_failure,
        scheduler=setup.scheduler if isinstance(setup.scheduler, _schedule.ASYNC_SCHEDULERS) else None,
    )
    if generator.is_finished():
        return callback.returns
    for left in sweep.folder.glob(f"{TUNE_FOLDER}*"):  # of a driver that was killed
        shutil.rmtree(left, ignore_errors=True)
    _prepare_pbt(setup)
    with _watch.refuse_tune_errors(sweep.resume_hint):
        _tune(setup, generator, callback)
    callback.end_left()
    if sweep.journal.unfinished or not generator.is_finished():  # Tune catches Ctrl-C itself and returns
        raise KeyboardInterrupt
    if sweep.seconds_left() > 0:  # fewer may be repeated than could have been
        setup.display.total = len(sweep.trials)
    return callback.returns


def _prepare_pbt(setup: Setup) -> None:
    """Give population-based training its mutations and the composer; leave other schedulers alone."""
    from hydra_plugins.quartet_ray_sweeper import _schedule, _search
    from hydra_plugins.quartet_ray_sweeper._trials._composing import recompose

    if isinstance(setup.scheduler, _schedule.RecomposingPBT):
        space = setup.sweep.space
        setup.scheduler._hyperparam_mutations = _schedule.mutations(space, _search.tune_domains(space))
        setup.scheduler.recompose = partial(recompose, setup.composer)


def _tune(setup: Setup, generator: Any, callback: Any) -> None:
    """Run Tune until it has no more trials. Its files lie in a temporary folder inside the sweep's folder."""
    from ray import tune

    from hydra_plugins.quartet_ray_sweeper import _actor, _schedule, _watch
    from hydra_plugins.quartet_ray_sweeper._trials._again import never_stopped

    sweep = setup.sweep
    shared = _actor.pack_shared(
        task_function=setup.task_function, hydra_context=setup.hydra_context, facts=setup.facts,
        worker=setup.resources.per_worker, sweep=sweep,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix=TUNE_FOLDER, dir=sweep.folder, ignore_cleanup_errors=True) as storage,
        warnings.catch_warnings(),
        _watch.patient(callback),
    ):
        warnings.simplefilter("ignore")
        # Not Tuner, which would pickle all arguments for its own way to resume.
        tune.run(
            tune.with_resources(tune.with_parameters(_actor.TrialActor, shared=shared), setup.resources.per_trial),
            name="tune",
            storage_path=storage,
            search_alg=generator,
            scheduler=_schedule.guard(setup.scheduler, over=sweep.is_over, protected=partial(never_stopped, sweep)),
            metric=sweep.metrics[0],
            mode=sweep.modes[0],
            num_samples=setup.display.total,
            callbacks=[callback],
            verbose=0,
            reuse_actors=True,
            max_failures=sweep.options["retries"],
            raise_on_failed_trial=False,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        )


def _shortage(ray: Any, resources: ResourceRequest) -> str:
    """Return why no trial can start on the remaining machines, "" where one can. Free what ended jobs hold of them."""
    remove_orphans(ray)
    nodes = live_nodes(ray)
    left = f"a trial takes {resources.describe()}, Ray has only {describe_nodes(nodes)} left"
    return "" if resources.max_concurrent(nodes) else left
