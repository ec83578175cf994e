"""Take runs by their names, join those of one seed, and read what was recorded of them.

Shapes: S seeds, N test examples, R runs, V validations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from quartet.findings.finding import Trained
from quartet.types import QuartetError

Runs = Mapping[str, Sequence[Trained]]


def named(runs: Runs, name: str) -> Sequence[Trained]:
    """Return the runs of this name; QuartetError where there are none."""
    if not runs.get(name):
        raise QuartetError(f"runs.{name}: not given; the measurement needs it beside {', '.join(runs) or 'no others'}")
    return runs[name]


def one_a_seed(runs: Runs, name: str) -> list[Trained]:
    """Return the runs of this name by ascending seed. Raises QuartetError unless there is exactly one a seed."""
    found = sorted(named(runs, name), key=lambda run: run.seed)
    if len({run.seed for run in found}) != len(found):
        raise QuartetError(f"runs.{name}: several runs of one seed; give it no axes")
    return found


def side_by_side(runs: Runs, *names: str) -> dict[str, list[Trained]]:
    """Return the runs of these names, one a seed each, by ascending seed, so that they can be compared one by one.

    Raises QuartetError where a name has other seeds than the first.
    """
    found = {name: one_a_seed(runs, name) for name in names}
    first = _seeds(found[names[0]])
    for name, of_name in found.items():
        if _seeds(of_name) != first:
            raise QuartetError(f"runs: {name} and {names[0]} have other seeds; train both with the same")
    return found


def of_each_seed(runs: Runs, *names: str) -> dict[int, list[Trained]]:
    """Return all runs of these names by ascending seed, in each by the number of their parameters.

    Raises QuartetError unless all seeds have equally many.
    """
    found: dict[int, list[Trained]] = {}
    for name in names:
        for run in named(runs, name):
            found.setdefault(run.seed, []).append(run)
    if len({len(of_seed) for of_seed in found.values()}) > 1:
        raise QuartetError(f"runs: {', '.join(names)} have not been trained with the same seeds")
    return {seed: sorted(found[seed], key=lambda run: run.parameters) for seed in sorted(found)}


def by_seed(runs: Sequence[Trained], measure: Callable[[Trained], Any]) -> np.ndarray:
    """Return what is measured of each run, stacked in the order of their seeds: (S, …)."""
    return np.stack([np.asarray(measure(run)) for run in sorted(runs, key=lambda run: run.seed)])


def of_each(runs: Runs, measure: Callable[[Trained], Any], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what is measured of the runs of each name, (S, …) each, seed by seed.

    Raises QuartetError where a name has other seeds than the first.
    """
    return {name: by_seed(of_name, measure) for name, of_name in side_by_side(runs, *names).items()}


def values_of(runs: Sequence[Trained], metric: str) -> np.ndarray:
    """Return a metric of each run, (R,), in their order."""
    return np.array([run.metrics[metric] for run in runs])


def column(run: Trained, metric: str) -> np.ndarray:
    """Return a metric at each validation through training, (V,)."""
    return np.array([row[metric] for row in run.curve])


def curve(run: Trained, metric: str, *, unit: float = 1000.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the training samples seen, in thousands or another `unit`, and a metric, where validations have it."""
    rows = [row for row in run.curve if metric in row]
    return np.array([row["samples"] for row in rows]) / unit, np.array([row[metric] for row in rows])


def gain(ours: Sequence[Trained], theirs: Sequence[Trained], score: str = "accuracy") -> np.ndarray:
    """Return a test score of `ours` less that of `theirs`, run by run: (S, N) of each example, else (S,)."""
    if _seeds(ours) != _seeds(theirs):
        raise QuartetError(
            f"runs: seeds {_seeds(ours)} and {_seeds(theirs)} cannot be compared; train both with the same"
        )
    if all(score in run.scores for run in (*ours, *theirs)):
        pairs = zip(ours, theirs, strict=True)
        return np.stack([a.scores[score] - np.asarray(b.scores[score], np.float64) for a, b in pairs])
    return values_of(ours, f"test/{score}") - values_of(theirs, f"test/{score}")


def _seeds(runs: Sequence[Trained]) -> list[int]:
    return [run.seed for run in runs]
