"""Test the results that schedulers get, and the values that PBT may set."""

from __future__ import annotations

from types import SimpleNamespace as Namespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from hydra_plugins.quartet_ray_sweeper._overrides import parse
from hydra_plugins.quartet_ray_sweeper._schedule import RecomposingPBT, RecordedTrial, asha, build, mutations, pbt
from hydra_plugins.quartet_ray_sweeper._search import tune_domains
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import replace_non_finite

NAN = float("nan")


@pytest.mark.parametrize(("mode", "good"), [("max", [0.5, 0.6, 0.7]), ("min", [0.7, 0.6, 0.5])])
@pytest.mark.parametrize("bad", [NAN, float("inf"), float("-inf")])
def test_a_trial_that_diverges_is_stopped(mode: str, good: list[float], bad: float) -> None:
    scheduler = asha(time="time", max_time=9.0, grace=1 / 9, eta=3.0)
    scheduler.set_search_properties("score", mode)

    def decision(number: int, score: float) -> str:
        trial = RecordedTrial(str(number))
        scheduler.on_trial_add(RecordedTrial, trial)
        result = replace_non_finite({"score": score, "time": 1.0}, {"score": mode})
        return str(scheduler.on_trial_result(RecordedTrial, trial, {**result, "training_iteration": 1}))

    for number, score in enumerate(good):
        assert decision(number, score) == TrialScheduler.CONTINUE
    assert decision(3, bad) == TrialScheduler.STOP
    assert decision(4, good[-1]) == TrialScheduler.CONTINUE


def test_other_metrics_stay_as_they_are() -> None:
    decision = replace_non_finite({"score": 1.0, "loss": NAN}, {"score": "max"})
    assert decision["score"] == 1.0
    assert decision["loss"] != decision["loss"]


def test_values_that_do_not_compose_are_replaced_by_the_better_trials() -> None:
    space = parse(["lr=interval(0, 1)", "db/net=a,b"], params={}, when={}, config_loader=None)
    scheduler = pbt(time="time", max_time=9.0, interval=0.2, quantile=0.25, resample=0.25)
    scheduler._hyperparam_mutations = mutations(space, tune_domains(space))
    assert list(scheduler._hyperparam_mutations) == ["lr", "db/net"]
    better = {"lr": 0.5, "db/net": "a"}
    composed: list[dict[str, Any]] = []

    def recompose(trial: Any, config: dict[str, Any]) -> dict[str, Any]:
        composed.append(config)
        if config != better:
            raise ValueError("these do not go together")
        return {"composed": config}

    scheduler.recompose = recompose
    config, _ = scheduler._get_new_config(Namespace(config={}), Namespace(config=better))
    assert config == {"composed": better}
    assert len(composed) == 2


def test_population_based_training_refuses_conditions() -> None:
    space = parse(["net=a,b"], params={}, when={"net=b": {"heads": "1,2"}}, config_loader=None)
    config = {"_target_": f"{RecomposingPBT.__module__}.pbt", "time": "time", "max_time": 9.0, "interval": 0.2,
              "quantile": 0.25, "resample": 0.25}  # fmt: skip
    with pytest.raises(SweeperError, match=r"hydra\.sweeper\.when: heads: population-based training"):
        build(config, metrics=["score"], searcher=None, space=space)
