"""Schedulers of Tune, in fractions of the clock: `max_time` is where a trial ends by itself.

None of them ends a trial that has come to `max_time`: it returns, and is finished and not stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from hydra.utils import instantiate
from ray.tune.schedulers import (
    ASHAScheduler,
    HyperBandForBOHB,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
)
from ray.tune.search.bohb import TuneBOHB

from hydra_plugins.quartet_ray_sweeper._space import Refused, Space, Value

BEYOND = 1e-6  # Tune ends what reaches max_t; a little more is never reached
TICKS = 81  # HyperBand's numbers of trials follow from how many units its clock has; it gets one of so many
TICK = "ticks"


def asha(*, time: str, max_time: float | None, grace: float, eta: float) -> Any:
    """Asynchronous successive halving (Li et al. 2018): of those that come to `grace`, `grace * eta`, … of the clock,
    one in `eta` goes on."""
    if max_time is None:  # nobody reports, or until someone does there is nothing to decide
        return None
    top: Any = max_time * (1 + BEYOND)
    first: Any = max_time * grace  # Tune's annotations ask for whole numbers, its code does not
    return ASHAScheduler(time_attr=time, max_t=top, grace_period=first, reduction_factor=eta)


def hyperband(*, time: str, max_time: float | None, eta: float) -> Any:
    """HyperBand (Li et al. 2016), synchronous: trials wait for one another."""
    _needed(max_time)
    return HyperBandScheduler(time_attr=TICK, max_t=TICKS, reduction_factor=eta)


def bohb(*, time: str, max_time: float | None, eta: float) -> Any:
    """HyperBand that tells BOHB what its trials reached by when (Falkner et al. 2018); the search must be BOHB's."""
    _needed(max_time)
    return HyperBandForBOHB(time_attr=TICK, max_t=TICKS, reduction_factor=eta)


def median(*, time: str, max_time: float | None, grace: float, least: int) -> Any:
    """Stop what is worse than the median of the others' running means (Golovin et al. 2017), once `least` are known."""
    never: Any = inf
    return MedianStoppingRule(
        time_attr=time,
        grace_period=_needed(max_time) * grace,
        min_samples_required=least,
        min_time_slice=never,  # after so long, one trial is paused for another
        hard_stop=True,
    )


def pbt(*, time: str, max_time: float | None, interval: float, quantile: float, resample: float) -> Any:
    """Population-based training (Jaderberg et al. 2017): the worst take over the best's weights and change their
    values. `hydra.sweeper.trials` is the population."""
    return Population(
        time_attr=time,
        perturbation_interval=_needed(max_time) * interval,
        quantile_fraction=quantile,
        resample_probability=resample,
        custom_explore_fn=lambda config: config,  # Tune wants something; the sweep fills in the space
    )


def build(config: Any, *, metrics: Sequence[str], searcher: Any, space: Space) -> Any:
    """The scheduler that `config` names; None for Tune's own, which lets every trial run to its end."""
    try:
        scheduler = instantiate(config) if config and config.get("_target_") else None
    except Refused:
        raise
    except Exception as error:  # no such class, an option that it does not know
        root = str(error.__cause__ or error).strip().splitlines()[0]
        raise Refused(f"hydra.sweeper.scheduler: {config.get('_target_')} cannot be made: {root}") from error
    kind = type(scheduler).__name__
    if isinstance(scheduler, PopulationBasedTraining) and not isinstance(scheduler, Population):
        raise Refused(
            f"hydra.sweeper.scheduler: {kind} changes values that would not be composed anew;"
            " take hydra/sweeper/scheduler=pbt"
        )
    conditional = next((one for one in space.parameters if one.when), None)
    if isinstance(scheduler, Population) and conditional is not None:
        raise Refused(
            f"hydra.sweeper.when: {conditional.key}: population-based training changes values under way, and would need"
            " one that is not there\ntake another scheduler, or give the parameter no condition"
        )
    if isinstance(searcher, TuneBOHB) != isinstance(scheduler, HyperBandForBOHB):  # each speaks to the other alone
        raise Refused("hydra/sweeper/search=bohb and hydra/sweeper/scheduler=bohb go together; give both or neither")
    if scheduler is not None and len(metrics) > 1 and kind != "FIFOScheduler":
        raise Refused(
            f"hydra.sweeper.metric: {', '.join(metrics)} are several, {kind} decides by one;"
            " take hydra/sweeper/scheduler=fifo"
        )
    return scheduler


class Population(PopulationBasedTraining):
    """Has each changed configuration composed for the trial that takes it over."""

    recompose: Any = None  # (trial, configuration) → configuration

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        config, operations = super()._get_new_config(trial, trial_to_clone)
        try:
            return self.recompose(trial, config), operations
        except Exception:  # these values do not go together; those of the other do
            return self.recompose(trial, trial_to_clone.config), operations


ASYNC_SCHEDULERS = (ASHAScheduler, MedianStoppingRule)  # they look at each trial by itself


def mutations(space: Space, domains: Mapping[str, Any]) -> dict[str, Any]:
    """How PBT may change a trial's values: what has an order to its neighbours, the rest to any other."""
    return {one.key: list(one.values) if one.values is not None else domains[one.name] for one in space.parameters}


def within(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """`values` with those that PBT multiplied out of their interval set to its end."""
    ends = {one.key: one for one in space.parameters if one.values is None}
    return {
        key: min(max(value, ends[key].low), ends[key].high) if key in ends and not isinstance(value, str) else value
        for key, value in values.items()
    }


def _needed(max_time: float | None) -> float:
    if max_time is None:
        raise Refused("hydra.sweeper.max_time: not given; this scheduler needs to know where the trials' clock ends")
    return max_time
