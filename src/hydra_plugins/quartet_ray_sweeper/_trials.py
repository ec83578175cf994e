"""The trials of a sweep, as Tune asks for them: those that an earlier attempt left, then what the searcher draws, each
composed here, in the driver."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from ray import cloudpickle
from ray.tune.experiment import Trial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.search_algorithm import SearchAlgorithm

from hydra_plugins.quartet_ray_sweeper._actor import CONFIG, ERROR
from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, STOPPED, Journal
from hydra_plugins.quartet_ray_sweeper._schedule import within
from hydra_plugins.quartet_ray_sweeper._search import Grid, point
from hydra_plugins.quartet_ray_sweeper._space import Point, Space
from hydra_plugins.quartet_ray_sweeper._study import for_schedulers

SEARCHER = "searcher.pkl"


def name(number: int) -> str:
    """Tune's id of a trial; as text they sort as the numbers do."""
    return f"{number:05d}"


@dataclass
class Composer:
    """Composes a trial's configuration and resolves it, once, in the driver."""

    config: DictConfig
    config_loader: Any
    space: Space
    folder: Path
    check: Callable[[Any], Any] | None

    def compose(self, number: int, values: Point) -> DictConfig:
        """Raises what Hydra, OmegaConf or `check` raise for what cannot be."""
        job = self.config_loader.load_sweep_config(self.config, self.space.overrides(values))
        before = HydraConfig.instance().cfg
        try:
            with read_write(job), open_dict(job):
                job.hydra.job.num, job.hydra.job.id = number, f"{job.hydra.job.name}_{number}"
                job.hydra.sweep.dir = str(self.folder)
                HydraConfig.instance().set_config(job)
                with read_write(job.hydra.runtime):
                    job.hydra.runtime.output_dir = str(self.folder / str(job.hydra.sweep.subdir))
                HydraConfig.instance().set_config(job)
                _resolve(job)
            if self.check is not None:
                self.check(job)
        finally:
            HydraConfig.instance().cfg = before
        return job

    def refuse_impossible(self) -> None:
        """Compose values once before anything is started. One that fails beside the others' first values may still do
        beside their last."""
        for one, other in self.space.probes():
            try:
                self.compose(0, one)
            except Exception:
                if other == one:
                    raise
                self.compose(0, other)


def _resolve(job: DictConfig) -> None:
    """Replace the interpolations of everything but Hydra's own node, which is read-only."""
    for key in map(str, job):
        if key == "hydra" or OmegaConf.is_missing(job, key):
            continue
        if OmegaConf.is_config(job[key]):
            OmegaConf.resolve(job[key])
        if OmegaConf.is_interpolation(job, key):
            job[key] = job[key]


def packed(job: DictConfig, values: Point) -> dict[str, Any]:
    """Tune's configuration of a trial: its values, and the job as data."""
    return {**values, CONFIG: cloudpickle.dumps(job)}


def folder_of(job: DictConfig) -> str:
    return str(job.hydra.runtime.output_dir)


class Trials(SearchAlgorithm):
    """Tune's search algorithm, which asks the searcher and keeps the count. Not one of Tune's `SearchGenerator`s, with
    which it would refuse PBT.

    Args:
        total: of the whole sweep, trials of earlier attempts included.
        at_once: how many may be drawn and not ended.
        failed: told of a trial that does not compose, and why.
        scheduler: the one to be told of earlier attempts. sought: the metrics, each with its mode.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        journal: Journal,
        composer: Composer,
        total: int,
        at_once: Callable[[], int],
        failed: Callable[[int, str], None],
        scheduler: Any,
        sought: Mapping[str, str],
    ) -> None:
        self.sought = sought
        self.searcher = searcher
        self.journal, self.composer, self.total, self.at_once = journal, composer, total, at_once
        self.failed = failed
        self.left, self.scheduler = list(journal.unfinished), scheduler
        self.live: dict[str, Trial] = {}
        self.path = composer.folder / SEARCHER
        if journal.records and self.path.exists():
            searcher.restore(str(self.path))
        if isinstance(searcher, Grid):  # its memory is one point ahead where the driver was killed between the two
            tried = {tuple(record.values.items()) for record in journal.records.values()}
            searcher.points = deque(one for one in composer.space.grid() if tuple(one.items()) not in tried)

    def add_configurations(self, experiments: Any) -> None:
        (experiment,) = experiments
        self.spec = experiment.spec

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        return True  # the searcher was told when it was made

    def is_finished(self) -> bool:
        return not self.left and (self._finished or len(self.journal.records) >= self.total)

    def next_trial(self) -> Trial | None:
        if self.scheduler is not None:  # only now has Tune told it what is sought
            replay(self.journal, self.scheduler, sought=self.sought)
            self.scheduler = None
        under_way = sum(trial.status in (Trial.PENDING, Trial.RUNNING) for trial in self.live.values())  # none paused
        if self.is_finished() or under_way >= self.at_once():
            return None
        if self.left:
            record = self.left.pop(0)
            return self.make(record.number, record.values)
        return self.draw()

    def draw(self) -> Trial | None:
        number = len(self.journal.records)
        suggested = self.searcher.suggest(name(number))
        if suggested is None:  # it waits for results
            return None
        if suggested == Searcher.FINISHED:
            self._finished = True
            return None
        self.save()
        return self.make(number, point(self.composer.space, suggested))

    def make(self, number: int, values: Point) -> Trial | None:
        """None where the values do not compose: that is a failed trial, and no reason to end the rest."""
        error, folder = "", ""
        try:
            job = self.composer.compose(number, values)
            folder = folder_of(job)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        if number not in self.journal.records:
            self.journal.start(number, values=values, overrides=self.composer.space.overrides(values), folder=folder)
        if error:
            self.searcher.on_trial_complete(name(number), error=True)
            self.failed(number, error)
            return None
        spec = {**self.spec, "config": packed(job, values)}
        trial = _create_trial_from_spec(
            spec, _make_parser(), evaluated_params=dict(values), experiment_tag=name(number), trial_id=name(number)
        )
        self.live[trial.trial_id] = trial
        return trial

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.live.pop(trial_id, None)
        record = self.journal.records[int(trial_id)]
        reported = record.reports[-1] if record.reports else {}
        known = {**for_schedulers(reported, self.sought), **(result or {})}
        failed = error or ERROR in known
        self.searcher.on_trial_complete(trial_id, result=None if failed else known, error=failed)
        self.save()

    def save(self) -> None:
        """The searcher's memory, whole or not at all."""
        part = self.path.with_suffix(f".{os.getpid()}")
        self.searcher.save(str(part))
        part.replace(self.path)


def changed(composer: Composer, trial: Trial, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a trial to which the scheduler gives other values (PBT)."""
    values = within(composer.space, {key: value for key, value in config.items() if key != CONFIG})
    return packed(composer.compose(int(trial.trial_id), values), values)


def replay(journal: Journal, scheduler: Any, *, sought: Mapping[str, str]) -> None:
    """Tell a new scheduler what the trials of earlier attempts reported, so that it goes on with the same rungs.

    For schedulers that look at each trial by itself; those that move trials in step start anew with what is left.
    """
    for record in journal.records.values():
        trial = KVCache(name(record.number))
        told = [for_schedulers(metrics, sought) for metrics in record.reports]
        results = [{**metrics, "training_iteration": i + 1} for i, metrics in enumerate(told)]
        scheduler.on_trial_add(KVCache, trial)
        for result in results:
            if scheduler.on_trial_result(KVCache, trial, result) == TrialScheduler.STOP:
                break  # what it knows is another order than it was then; a trial is stopped once
        if record.status in (FINISHED, STOPPED, FAILED) and results:
            scheduler.on_trial_complete(KVCache, trial, results[-1])


@dataclass(eq=False)
class KVCache:
    """A trial that is over, and a controller that has no others."""

    trial_id: str

    @staticmethod
    def get_live_trials() -> list[Trial]:
        return []
