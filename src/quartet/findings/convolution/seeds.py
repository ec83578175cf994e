"""Pair trained runs of one seed, and their scores.

Shapes: S seeds, N test examples, R runs of a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quartet.findings.finding import Trained
from quartet.types import QuartetError

Runs = Mapping[str, Sequence[Trained]]


def one_a_seed(runs: Runs, name: str) -> list[Trained]:
    """Return the runs of this name by ascending seed. Raises QuartetError unless there is exactly one a seed."""
    found = sorted(named(runs, name), key=lambda run: run.seed)
    if len({run.seed for run in found}) != len(found):
        raise QuartetError(f"runs.{name}: several runs of one seed; give it no axes")
    return found


def named(runs: Runs, name: str) -> Sequence[Trained]:
    """Return the runs of this name; QuartetError where there are none."""
    if not runs.get(name):
        raise QuartetError(f"runs.{name}: not given; the measurement needs it beside {', '.join(runs) or 'no others'}")
    return runs[name]


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


def accuracies(runs: Sequence[Trained]) -> np.ndarray:
    """Return the test accuracy of each run, (R,), as shares."""
    return np.array([run.metrics["test/accuracy"] for run in runs])


def gain(ours: Sequence[Trained], theirs: Sequence[Trained]) -> np.ndarray:
    """Return the test accuracy of `ours` less that of `theirs`, run by run: (S, N) of each example, else (S,)."""
    if [run.seed for run in ours] != [run.seed for run in theirs]:
        raise QuartetError(
            f"runs: seeds {[run.seed for run in ours]} and {[run.seed for run in theirs]} cannot be compared; "
            "train both with the same"
        )
    if all("accuracy" in run.scores for run in (*ours, *theirs)):
        pairs = zip(ours, theirs, strict=True)
        return np.stack([a.scores["accuracy"] - np.asarray(b.scores["accuracy"], np.float64) for a, b in pairs])
    return accuracies(ours) - accuracies(theirs)
