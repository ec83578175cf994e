"""Keep a score for each test example, so that a verdict can say what other test data would make of it.

Shapes: N examples, M numbers of one example, W weighted sets of examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from quartet.types import QuartetError

if TYPE_CHECKING:
    from quartet.tasks.task import Task

COUNTS, SCORE = "counts_", "score_"  # prefixes of the arrays in evidence.npz
EXAMPLES = "examples"  # the number of examples among the sums


def example_arrays(task: Task, counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays that an evaluation keeps of single examples, in the order of the split.

    Args:
        counts: what is known of each example, (N,) or (N, M), by the names that `task.metrics_of` takes. Sums of it
            over any examples give their metrics.
    Returns:
        `counts_<name>`: the same. `score_<metric>`, float32 (N,): the jackknife's pseudo-values (Tukey 1958), N times
        the metric of all examples less N - 1 times that without the one. For a mean these are the examples' own values;
        for any other metric their mean and variance stand for its value and its sampling variance.
    """
    sizes = {len(values) for values in counts.values()}
    if len(sizes) != 1:
        raise QuartetError(f"{type(task).__name__}: counts of {sorted(sizes)} examples; give one row for each example")
    (size,) = sizes
    kept = {f"{COUNTS}{name}": values for name, values in counts.items()}
    if size < 2:
        return kept
    whole = resampled(task, counts, np.ones((1, size)))
    without = task.metrics_of(
        {EXAMPLES: np.full(size, size - 1.0)}
        | {name: values.sum(0, dtype=np.float64) - values.astype(np.float64) for name, values in counts.items()}
    )
    pseudo = {name: size * whole[name] - (size - 1) * value for name, value in without.items()}
    return kept | {f"{SCORE}{name}": value.astype(np.float32) for name, value in pseudo.items()}


def resampled(task: Task, counts: Mapping[str, np.ndarray], weights_WN: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics (W,) of sets in which each example counts as often as its weight says, as in a bootstrap."""
    sums = {name: weights_WN @ values.astype(np.float64) for name, values in counts.items()}
    return task.metrics_of({EXAMPLES: weights_WN.sum(1), **sums})
