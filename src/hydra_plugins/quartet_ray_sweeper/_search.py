"""Where trials come from: searchers that Tune has not, and how any of them is given the space."""

from __future__ import annotations

import pickle
import random
from collections import deque
from math import exp, floor, log
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from ray import tune
from ray.tune.search import Searcher

from hydra_plugins.quartet_ray_sweeper._space import SLASH, Parameter, Point, Refused, Space, Value


class Remembering(Searcher):
    """A searcher that learns nothing from results, and whose attributes are all that it has to remember."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(pickle.dumps(self.__dict__))

    def restore(self, checkpoint_path: str) -> None:
        self.__dict__ = pickle.loads(Path(checkpoint_path).read_bytes())


class Grid(Remembering):
    """Every point of a finite space once, in Hydra's order."""

    def __init__(self, *, space: Space, metric: Any = None, mode: Any = None) -> None:
        super().__init__(metric=metric, mode=mode)
        endless = [one for one in space.parameters if one.values is None]
        if endless:
            raise Refused(
                f"{endless[0].key}={endless[0].text}: a grid has no end here; take a list or range(…),"
                " or hydra/sweeper/search=random with hydra.sweeper.trials"
            )
        self.points = deque(space.grid())

    def suggest(self, trial_id: str) -> Any:
        return {} | self.points.popleft() if self.points else Searcher.FINISHED


class Random(Remembering):
    """Independent draws."""

    def __init__(self, *, space: Space, seed: int, metric: Any = None, mode: Any = None) -> None:
        super().__init__(metric=metric, mode=mode)
        self.space, self.random = space, random.Random(seed)

    def suggest(self, trial_id: str) -> Point:
        return {one.key: self.draw(one) for one in self.space.parameters}

    def draw(self, one: Parameter) -> Value:
        if one.values is not None and not one.log:
            return self.random.choice(one.values)
        low, high = (log(one.low), log(one.high + one.whole)) if one.log else (one.low, one.high + one.whole)
        drawn = self.random.uniform(low, high)
        value = exp(drawn) if one.log else drawn
        return min(floor(value), int(one.high)) if one.whole else value


class Define:
    """The space as Optuna draws from it: a parameter is asked for only where it exists. Pickled with the rest."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, trial: Any) -> None:
        values: Point = {}
        for one in self.space.parameters:
            if not self.space.active(one, values):
                continue
            if one.values is not None and not one.whole:
                values[one.key] = trial.suggest_categorical(one.name, one.values)
            elif one.whole:
                values[one.key] = trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
            else:
                values[one.key] = trial.suggest_float(one.name, one.low, one.high, log=one.log)


def domains(space: Space) -> dict[str, Any]:
    """The space in Tune's words; conditions are not among them, so that every parameter is drawn always."""
    found: dict[str, Any] = {}
    for one in space.parameters:
        if one.values is not None and not one.whole:
            found[one.name] = tune.choice(list(one.values))
        elif one.whole:
            draw = tune.lograndint if one.log else tune.randint
            found[one.name] = draw(int(one.low), int(one.high) + 1)
        else:
            found[one.name] = (tune.loguniform if one.log else tune.uniform)(one.low, one.high)
    return found


def build(config: Any, *, space: Space, metric: Any, mode: Any, endless: bool, seed: int) -> Searcher:
    """The searcher that `config` names, knowing the space and what is sought.

    `endless`: whether no number of trials was given; then what is finite is tried whole. `seed`: of the default search.
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
            return instantiate(config, _partial_=True)(space=Define(space), metric=metric, mode=mode)
        searcher = instantiate(config)
        if not searcher.set_search_properties(metric, mode, domains(space)):
            raise Refused(f"hydra.sweeper.search: {target} has metric, mode or space already; leave them out")
    except Refused:
        raise
    except Exception as error:  # a package that is not installed, an option that it does not know
        root = error.__cause__ or error
        raise Refused(f"hydra.sweeper.search: {target} cannot be made: {str(root).strip().splitlines()[0]}") from error
    return searcher


def point(space: Space, suggested: dict[str, Any]) -> Point:
    """What a searcher suggested, as values of a trial."""
    values = {key.replace(SLASH, "/"): value for key, value in suggested.items()}
    return space.point({one.key: _as_python(values[one.key]) for one in space.parameters if one.key in values})


def _as_python(value: Any) -> Value:
    return value.item() if hasattr(value, "item") else value  # numpy's numbers
