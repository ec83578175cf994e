"""Build searchers: a grid and random search, which Tune lacks in this form, and Tune's own with the search space."""

from __future__ import annotations

import random
from collections import deque
from math import exp, floor, log
from typing import Any

from hydra.utils import instantiate
from ray import tune
from ray.tune.search import Searcher

from hydra_plugins.quartet_ray_sweeper._space import SLASH, Parameter, Point, Space, SweeperError, Value


class NonAdaptiveSearcher(Searcher):
    """A searcher that ignores results."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Ignore the result."""


class Grid(NonAdaptiveSearcher):
    """Every point of a finite space once, in Hydra's order."""

    def __init__(self, *, space: Space, metric: Any = None, mode: Any = None) -> None:
        super().__init__(metric=metric, mode=mode)
        intervals = [parameter for parameter in space.parameters if parameter.values is None]
        if intervals:
            raise SweeperError(
                f"{intervals[0].key}={intervals[0].text}: a grid has no end here; take a list or range(…),"
                " or hydra/sweeper/search=random with hydra.sweeper.trials"
            )
        self.points = deque(space.grid())

    def suggest(self, trial_id: str) -> Any:
        """Return the next point, or Tune's end mark."""
        return {} | self.points.popleft() if self.points else Searcher.FINISHED


class Random(NonAdaptiveSearcher):
    """Independent random draws of all parameters."""

    def __init__(self, *, space: Space, seed: int, metric: Any = None, mode: Any = None) -> None:
        super().__init__(metric=metric, mode=mode)
        self.space, self.random = space, random.Random(seed)

    def suggest(self, trial_id: str) -> Point:
        """Return a new point."""
        return {parameter.key: self.draw(parameter) for parameter in self.space.parameters}

    def draw(self, parameter: Parameter) -> Value:
        """Draw a value: uniform over a list or interval, log-uniform on a logarithmic scale."""
        if parameter.values is not None and not parameter.log:
            return self.random.choice(parameter.values)
        low, high = parameter.low, parameter.high + parameter.whole
        if parameter.log:
            low, high = log(low), log(high)
        number = self.random.uniform(low, high)
        value = exp(number) if parameter.log else number
        return min(floor(value), int(parameter.high)) if parameter.whole else value


class OptunaSpace:
    """The space as Optuna's define-by-run function, which draws only active parameters."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, trial: Any) -> None:
        """Draw the active parameters from an Optuna trial."""
        values: Point = {}
        for parameter in self.space.parameters:
            if not self.space.active(parameter, values):
                continue
            if parameter.values is not None and not parameter.whole:
                values[parameter.key] = trial.suggest_categorical(parameter.name, parameter.values)
            elif parameter.whole:
                values[parameter.key] = trial.suggest_int(
                    parameter.name, int(parameter.low), int(parameter.high), log=parameter.log
                )
            else:
                values[parameter.key] = trial.suggest_float(
                    parameter.name, parameter.low, parameter.high, log=parameter.log
                )


def tune_domains(space: Space) -> dict[str, Any]:
    """Return the space as Tune's domains. They know no conditions, so that a searcher draws every parameter."""
    domains: dict[str, Any] = {}
    for parameter in space.parameters:
        if parameter.values is not None and not parameter.whole:
            domains[parameter.name] = tune.choice(list(parameter.values))
        elif parameter.whole:
            draw = tune.lograndint if parameter.log else tune.randint
            domains[parameter.name] = draw(int(parameter.low), int(parameter.high) + 1)
        else:
            domains[parameter.name] = (tune.loguniform if parameter.log else tune.uniform)(
                parameter.low, parameter.high
            )
    return domains


def build(config: Any, *, space: Space, metric: Any, mode: Any, endless: bool, seed: int) -> Searcher:
    """Return the searcher that `config` names, else a grid of a finite space if `endless`, else Optuna's.

    Args:
        endless: whether no number of trials is set; then a finite space is searched as a grid by default.
        seed: of Optuna, the default.
    """
    target = str((config or {}).get("_target_") or "")
    if not target and space.finite and endless:
        return Grid(space=space)
    if not target:
        target = "ray.tune.search.optuna.OptunaSearch"
        config = {"_target_": target, "seed": seed}
    try:
        if target.startswith(__name__.rpartition(".")[0]):
            return instantiate(config, _partial_=True)(space=space, metric=metric, mode=mode)
        if target.endswith(".OptunaSearch"):
            import optuna

            optuna.logging.set_verbosity(optuna.logging.WARNING)
            return instantiate(config, _partial_=True)(space=OptunaSpace(space), metric=metric, mode=mode)
        searcher = instantiate(config)
        if not searcher.set_search_properties(metric, mode, tune_domains(space)):
            raise SweeperError(f"hydra.sweeper.search: {target} has metric, mode or space already; leave them out")
    except SweeperError:
        raise
    except Exception as error:  # a package that is not installed, or an unknown option
        root = error.__cause__ or error
        raise SweeperError(
            f"hydra.sweeper.search: {target} cannot be made: {str(root).strip().splitlines()[0]}"
        ) from error
    return searcher


def to_point(space: Space, suggested: dict[str, Any]) -> Point:
    """Return a trial's values from a suggestion: without inactive parameters, with / in keys again."""
    values = {key.replace(SLASH, "/"): value for key, value in suggested.items()}
    return space.point(
        {parameter.key: _as_python(values[parameter.key]) for parameter in space.parameters if parameter.key in values}
    )


def _as_python(value: Any) -> Value:
    """Return a numpy number as a Python number."""
    return value.item() if hasattr(value, "item") else value
