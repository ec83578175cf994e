"""Join runs of several nets seed by seed.

Shapes: S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from quartet.findings.finding import Trained


def by_seed(runs: Sequence[Trained], measure: Callable[[Trained], Any]) -> np.ndarray:
    """Return what is measured of each run, stacked in the order of their seeds: (S, …)."""
    return np.stack([np.asarray(measure(run)) for run in sorted(runs, key=lambda run: run.seed)])


def of_each(
    runs: Mapping[str, Sequence[Trained]], measure: Callable[[Trained], Any], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return what is measured of the runs of each name, (S, …) each."""
    return {name: by_seed(runs[name], measure) for name in names}
