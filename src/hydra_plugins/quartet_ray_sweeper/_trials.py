"""Supply Tune with trials: first those that an earlier attempt left unfinished, then new draws of the searcher.

The driver composes each trial's configuration here.
"""

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
from ray.tune.search import Searcher
from ray.tune.search.search_algorithm import SearchAlgorithm

from hydra_plugins.quartet_ray_sweeper._actor import CONFIG, ERROR
from hydra_plugins.quartet_ray_sweeper._journal import Journal
from hydra_plugins.quartet_ray_sweeper._schedule import clip_to_intervals, replay
from hydra_plugins.quartet_ray_sweeper._search import Grid, to_point
from hydra_plugins.quartet_ray_sweeper._space import Point, Space
from hydra_plugins.quartet_ray_sweeper._state import replace_non_finite

SEARCHER = "searcher.pkl"


def trial_id(number: int) -> str:
    """Return Tune's id of a trial, padded so that ids sort as numbers do."""
    return f"{number:05d}"


@dataclass
class Composer:
    """Compose and resolve a trial's configuration, once, in the driver."""

    config: DictConfig
    config_loader: Any
    space: Space
    folder: Path
    check: Callable[[Any], Any] | None

    def compose(self, number: int, values: Point) -> DictConfig:
        """Return the job configuration of a trial. Raises the errors of Hydra, OmegaConf and `check`."""
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
        """Compose each value once before the sweep starts, and raise the error of a value that never composes.

        A value that fails with the first values of the other parameters gets a second chance with their last values.
        """
        for first, last in self.space.probes():
            try:
                self.compose(0, first)
            except Exception:
                if last == first:
                    raise
                self.compose(0, last)


def _resolve(job: DictConfig) -> None:
    """Replace all interpolations outside Hydra's own node, which is read-only."""
    for key in map(str, job):
        if key == "hydra" or OmegaConf.is_missing(job, key):
            continue
        if OmegaConf.is_config(job[key]):
            OmegaConf.resolve(job[key])
        if OmegaConf.is_interpolation(job, key):
            job[key] = job[key]


def pack_config(job: DictConfig, values: Point) -> dict[str, Any]:
    """Return Tune's configuration of a trial: its values, and the pickled job configuration."""
    return {**values, CONFIG: cloudpickle.dumps(job)}


def output_folder(job: DictConfig) -> str:
    """Return the trial's folder."""
    return str(job.hydra.runtime.output_dir)


class Trials(SearchAlgorithm):
    """Tune's search algorithm: it asks the searcher for values and counts the trials.

    Tune's own `SearchGenerator` would refuse PBT.

    Args:
        total: number of trials of the whole sweep, with earlier attempts.
        max_concurrent: returns how many trials may exist and not have ended.
        on_failure: called with number and error of a trial that does not compose.
        scheduler: gets the reports of earlier attempts, if given. metric_modes: the mode of each metric.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        journal: Journal,
        composer: Composer,
        total: int,
        max_concurrent: Callable[[], int],
        on_failure: Callable[[int, str], None],
        scheduler: Any,
        metric_modes: Mapping[str, str],
    ) -> None:
        self.metric_modes = metric_modes
        self.searcher = searcher
        self.journal, self.composer, self.total, self.max_concurrent = journal, composer, total, max_concurrent
        self.on_failure = on_failure
        self.interrupted, self.scheduler = list(journal.unfinished), scheduler
        self.live: dict[str, Trial] = {}
        self.path = composer.folder / SEARCHER
        if journal.records and self.path.exists():
            searcher.restore(str(self.path))
        if isinstance(searcher, Grid):  # its file may be one point ahead of the journal, after a killed driver
            tried = {tuple(record.values.items()) for record in journal.records.values()}
            searcher.points = deque(point for point in composer.space.grid() if tuple(point.items()) not in tried)

    def add_configurations(self, experiments: Any) -> None:
        """Take the experiment from Tune."""
        (experiment,) = experiments
        self.spec = experiment.spec

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Accept Tune's call; metric and mode are set already."""
        return True  # the searcher got them in its constructor

    def is_finished(self) -> bool:
        """Return whether no trial is left to start."""
        return not self.interrupted and (self._finished or len(self.journal.records) >= self.total)

    def next_trial(self) -> Trial | None:
        """Return the next trial for Tune; None while enough trials run or none is left."""
        if self.scheduler is not None:  # here at the earliest, since Tune sets its metric after the constructor
            replay(self.journal, self.scheduler, metric_modes=self.metric_modes)
            self.scheduler = None
        # A paused trial takes no resources.
        running = sum(trial.status in (Trial.PENDING, Trial.RUNNING) for trial in self.live.values())
        if self.is_finished() or running >= self.max_concurrent():
            return None
        if self.interrupted:
            record = self.interrupted.pop(0)
            return self.create(record.number, record.values)
        return self.draw()

    def draw(self) -> Trial | None:
        """Ask the searcher for a new trial; None where it waits or has ended."""
        number = len(self.journal.records)
        suggested = self.searcher.suggest(trial_id(number))
        if suggested is None:  # the searcher waits for results
            return None
        if suggested == Searcher.FINISHED:
            self._finished = True
            return None
        self.save()
        return self.create(number, to_point(self.composer.space, suggested))

    def create(self, number: int, values: Point) -> Trial | None:
        """Compose a trial and record its start. Return None where it does not compose, after recording a failed
        trial."""
        error, folder = "", ""
        try:
            job = self.composer.compose(number, values)
            folder = output_folder(job)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        if number not in self.journal.records:
            self.journal.start(number, values=values, overrides=self.composer.space.overrides(values), folder=folder)
        if error:
            self.searcher.on_trial_complete(trial_id(number), error=True)
            self.on_failure(number, error)
            return None
        spec = {**self.spec, "config": pack_config(job, values)}
        trial = _create_trial_from_spec(
            spec,
            _make_parser(),
            evaluated_params=dict(values),
            experiment_tag=trial_id(number),
            trial_id=trial_id(number),
        )
        self.live[trial.trial_id] = trial
        return trial

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a report to the searcher."""
        self.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Pass a trial's end to the searcher."""
        self.live.pop(trial_id, None)
        record = self.journal.records[int(trial_id)]
        reported = record.reports[-1] if record.reports else {}
        known = {**replace_non_finite(reported, self.metric_modes), **(result or {})}
        failed = error or ERROR in known
        self.searcher.on_trial_complete(trial_id, result=None if failed else known, error=failed)
        self.save()

    def save(self) -> None:
        """Write the searcher's state, by an atomic replacement of the file."""
        part = self.path.with_suffix(f".{os.getpid()}")
        self.searcher.save(str(part))
        part.replace(self.path)


def recompose(composer: Composer, trial: Trial, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a trial after the scheduler changed its values (PBT)."""
    values = clip_to_intervals(composer.space, {key: value for key, value in config.items() if key != CONFIG})
    return pack_config(composer.compose(int(trial.trial_id), values), values)
