"""Compose each trial's configuration, in the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from ray import cloudpickle
from ray.tune.experiment import Trial

from hydra_plugins.quartet_ray_sweeper._actor import CONFIG
from hydra_plugins.quartet_ray_sweeper._schedule import clip_to_intervals
from hydra_plugins.quartet_ray_sweeper._space import Point, Space


@dataclass
class Composer:
    """Compose and resolve a trial's configuration, once, in the driver."""

    config: DictConfig
    config_loader: Any
    space: Space
    folder: Path
    check: Callable[[Any], Any] | None

    def compose(self, number: int, values: Point, more: Sequence[str] = ()) -> DictConfig:
        """Return the job configuration of a trial: its values, then the overrides `more`.

        Raises the errors of Hydra, OmegaConf and `check`.
        """
        job = self.config_loader.load_sweep_config(self.config, [*self.space.overrides(values), *more])
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


def recompose(composer: Composer, trial: Trial, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a trial after the scheduler changed its values (PBT)."""
    values = clip_to_intervals(composer.space, {key: value for key, value in config.items() if key != CONFIG})
    return pack_config(composer.compose(int(trial.trial_id), values), values)
