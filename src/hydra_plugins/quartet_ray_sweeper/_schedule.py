"""Build Tune's schedulers with times as fractions of `max_time`, at which a trial ends by itself.

No scheduler stops a trial that reaches `max_time`: the trial returns, and counts as finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from hydra.utils import instantiate
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    HyperBandForBOHB,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)
from ray.tune.search.bohb import TuneBOHB

from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, STOPPED, Journal
from hydra_plugins.quartet_ray_sweeper._space import Space, SweeperError, Value
from hydra_plugins.quartet_ray_sweeper._state import replace_non_finite

MARGIN = 1e-6  # Tune stops a trial at max_t; max_time plus a margin is never reached
TICKS = 81  # units of HyperBand's clock, from which it derives its numbers of trials
TICK = "ticks"


def asha(*, time: str, max_time: float | None, grace: float, eta: float) -> Any:
    """Return asynchronous successive halving (Li et al. 2018).

    Of the trials that reach `grace`, `grace * eta`, … of `max_time`, one in `eta` continues. Without `max_time` return
    None: every trial runs to its end.
    """
    if max_time is None:  # without an end no fraction of the clock is known
        return None
    top: Any = max_time * (1 + MARGIN)
    first: Any = max_time * grace  # Tune's annotations ask for int, its code takes float
    return ASHAScheduler(time_attr=time, max_t=top, grace_period=first, reduction_factor=eta)


def hyperband(*, time: str, max_time: float | None, eta: float) -> Any:
    """Return HyperBand (Li et al. 2016). It is synchronous: trials wait for one another."""
    _require(max_time)
    return HyperBandScheduler(time_attr=TICK, max_t=TICKS, reduction_factor=eta)


def bohb(*, time: str, max_time: float | None, eta: float) -> Any:
    """Return the HyperBand that reports its trials' results to BOHB (Falkner et al. 2018); the search must be
    BOHB's."""
    _require(max_time)
    return HyperBandForBOHB(time_attr=TICK, max_t=TICKS, reduction_factor=eta)


def median(*, time: str, max_time: float | None, grace: float, least: int) -> Any:
    """Return the median stopping rule (Golovin et al. 2017).

    It stops a trial that is worse than the median of the others' running means, once `least` trials are known.
    """
    never: Any = inf
    return MedianStoppingRule(
        time_attr=time,
        grace_period=_require(max_time) * grace,
        min_samples_required=least,
        min_time_slice=never,  # else one trial is paused for another
        hard_stop=True,
    )


def pbt(*, time: str, max_time: float | None, interval: float, quantile: float, resample: float) -> Any:
    """Return population-based training (Jaderberg et al. 2017); `hydra.sweeper.trials` is the population's size.

    The worst trials copy the weights of the best and change their values.
    """
    return RecomposingPBT(
        time_attr=time,
        perturbation_interval=_require(max_time) * interval,
        quantile_fraction=quantile,
        resample_probability=resample,
        custom_explore_fn=lambda config: config,  # Tune requires it; the sweep sets the mutations later
    )


def build(config: Any, *, metrics: Sequence[str], searcher: Any, space: Space) -> Any:
    """Return the scheduler that `config` names; None for Tune's own, which lets every trial run to its end.

    Raises `SweeperError` for a scheduler that does not fit the searcher, the space or the number of metrics.
    """
    try:
        scheduler = instantiate(config) if config and config.get("_target_") else None
    except SweeperError:
        raise
    except Exception as error:  # no such class, or an unknown option
        root = str(error.__cause__ or error).strip().splitlines()[0]
        raise SweeperError(f"hydra.sweeper.scheduler: {config.get('_target_')} cannot be made: {root}") from error
    kind = type(scheduler).__name__
    if isinstance(scheduler, PopulationBasedTraining) and not isinstance(scheduler, RecomposingPBT):
        raise SweeperError(
            f"hydra.sweeper.scheduler: {kind} changes values that would not be composed anew;"
            " take hydra/sweeper/scheduler=pbt"
        )
    conditional = next((parameter for parameter in space.parameters if parameter.when), None)
    if isinstance(scheduler, RecomposingPBT) and conditional is not None:
        raise SweeperError(
            f"hydra.sweeper.when: {conditional.key}: population-based training changes values under way, and would need"
            " one that is not there\ntake another scheduler, or give the parameter no condition"
        )
    if isinstance(searcher, TuneBOHB) != isinstance(scheduler, HyperBandForBOHB):  # each works with the other alone
        raise SweeperError(
            "hydra/sweeper/search=bohb and hydra/sweeper/scheduler=bohb go together; give both or neither"
        )
    if scheduler is not None and len(metrics) > 1 and kind != "FIFOScheduler":
        raise SweeperError(
            f"hydra.sweeper.metric: {', '.join(metrics)} are several, {kind} decides by one;"
            " take hydra/sweeper/scheduler=fifo"
        )
    return scheduler


class RecomposingPBT(PopulationBasedTraining):
    """Population-based training that composes each changed configuration anew."""

    recompose: Any = None  # (trial, configuration) → configuration

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return PBT's new configuration, composed; where its values do not compose, the copied trial's."""
        config, operations = super()._get_new_config(trial, trial_to_clone)
        try:
            return self.recompose(trial, config), operations
        except Exception:  # these values do not compose together; the other trial's do
            return self.recompose(trial, trial_to_clone.config), operations


def guard(scheduler: Any, *, over: Callable[[int], bool], protected: Callable[[int], bool]) -> Any:
    """Return the scheduler, Tune's own for None, which ends trials whose time is `over` at their next report.

    It stops no trial that is `protected`. Both take a trial's number.
    """
    guarded = scheduler or FIFOScheduler()
    usual = guarded.on_trial_result

    def on_trial_result(controller: Any, trial: Any, result: dict[str, Any]) -> str:
        number = int(trial.trial_id)
        if over(number):
            return TrialScheduler.STOP
        decision = usual(controller, trial, result)
        return TrialScheduler.CONTINUE if decision == TrialScheduler.STOP and protected(number) else str(decision)

    guarded.on_trial_result = on_trial_result  # type: ignore[method-assign]
    return guarded


ASYNC_SCHEDULERS = (ASHAScheduler, MedianStoppingRule)  # they decide on each trial by itself


def refuse_unprotected(options: Mapping[str, Any], scheduler: Any) -> None:
    """Refuse defaults, repeats or finals with a scheduler that cannot let single trials run to their end."""
    given = {
        "defaults_first": options["defaults_first"],
        "repeats": options["repeats"] > 1,
        "finals": options["finals"],
    }
    key = next((key for key, on in given.items() if on), None)
    if key and scheduler is not None and type(scheduler) not in (*ASYNC_SCHEDULERS, FIFOScheduler):
        raise SweeperError(
            f"hydra.sweeper.{key}: needs a scheduler that decides on each trial by itself, and "
            f"{type(scheduler).__name__} does not\ntake hydra/sweeper/scheduler=asha, median or fifo"
        )


def mutations(space: Space, domains: Mapping[str, Any]) -> dict[str, Any]:
    """Return PBT's mutations: a list of values, or a domain to draw from, for each parameter."""
    return {
        parameter.key: list(parameter.values) if parameter.values is not None else domains[parameter.name]
        for parameter in space.parameters
    }


def clip_to_intervals(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return `values` with numbers outside their interval set to its end, since PBT multiplies values."""
    intervals = {parameter.key: parameter for parameter in space.parameters if parameter.values is None}
    return {
        key: value
        if key not in intervals or isinstance(value, str)
        else min(max(value, intervals[key].low), intervals[key].high)
        for key, value in values.items()
    }


def _require(max_time: float | None) -> float:
    """Return `max_time`; raise `SweeperError` where it is not set."""
    if max_time is None:
        raise SweeperError(
            "hydra.sweeper.max_time: not given; this scheduler needs to know where the trials' clock ends"
        )
    return max_time


def replay(journal: Journal, scheduler: Any, *, metric_modes: Mapping[str, str]) -> None:
    """Replay the reports of earlier attempts to a new scheduler, so that it continues with the same rungs.

    This serves asynchronous schedulers. Synchronous ones start anew with the remaining trials.
    """
    for record in journal.records.values():
        trial = RecordedTrial(f"{record.number:05d}")
        reports = [replace_non_finite(metrics, metric_modes) for metrics in record.reports]
        results = [{**metrics, "training_iteration": i + 1} for i, metrics in enumerate(reports)]
        scheduler.on_trial_add(RecordedTrial, trial)
        for result in results:
            if scheduler.on_trial_result(RecordedTrial, trial, result) == TrialScheduler.STOP:
                break  # the order of reports differs from the first attempt's; a trial stops once
        if record.status in (FINISHED, STOPPED, FAILED) and results:
            scheduler.on_trial_complete(RecordedTrial, trial, results[-1])


@dataclass(eq=False)
class RecordedTrial:
    """A trial from the journal, for schedulers. The class also serves as their controller without live trials."""

    trial_id: str

    @staticmethod
    def get_live_trials() -> list[Any]:
        """Return none, as a controller."""
        return []
