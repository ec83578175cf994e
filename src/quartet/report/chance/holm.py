"""Correct p values for several tests by Holm's step-down procedure (1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down procedure; nan counts as one and stays nan.

    Rejecting adjusted values up to α keeps the chance of any false alarm below α.
    """
    adjusted, largest = [math.nan] * len(ps), 0.0
    for rank, i in enumerate(_order(ps)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def holm_levels(ps: Sequence[float], level: float) -> list[float]:
    """Return the level at which Holm's procedure tests each p. It stops at the first p that it does not reject, whose
    level holds for all later ones."""
    levels, step = [level] * len(ps), 0
    for i in _order(ps):
        alpha = (1 - level) / (len(ps) - step)
        levels[i] = 1 - alpha
        step += ps[i] <= alpha
    return levels


def _order(ps: Sequence[float]) -> list[int]:
    """Return the indices of the p values without nan, smallest first."""
    return sorted((i for i, p in enumerate(ps) if not math.isnan(p)), key=lambda i: ps[i])
