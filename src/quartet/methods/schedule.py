"""Learning-rate schedules: from the used fraction of the budget, in 0..1, to a factor of the base rate.

A schedule of the fraction is the same for every unit of the budget and every number of devices.
"""

from __future__ import annotations

import math


def _warmed(fraction: float, warmup: float) -> float:
    """Return the warm-up's factor: it rises linearly from 0 to 1."""
    return min(1.0, fraction / warmup) if warmup > 0 else 1.0


def _decayed(fraction: float, warmup: float) -> float:
    """Return the fraction, in 0..1, of the time after the warm-up that has passed."""
    return min(1.0, max(0.0, (fraction - warmup) / (1.0 - warmup)))


def constant(fraction: float, *, warmup: float) -> float:
    """Return the factor of a linear warm-up, then 1."""
    return _warmed(fraction, warmup)


def linear(fraction: float, *, warmup: float, min_lr_ratio: float) -> float:
    """Return the factor of a linear warm-up, then a straight line down to `min_lr_ratio`."""
    return _warmed(fraction, warmup) * (1.0 - (1.0 - min_lr_ratio) * _decayed(fraction, warmup))


def cosine(fraction: float, *, warmup: float, min_lr_ratio: float) -> float:
    """Return the factor of a linear warm-up, then half a cosine down to `min_lr_ratio` (Loshchilov and Hutter 2017)."""
    wave = 0.5 * (1.0 + math.cos(math.pi * _decayed(fraction, warmup)))
    return _warmed(fraction, warmup) * (min_lr_ratio + (1.0 - min_lr_ratio) * wave)


def trapezoid(fraction: float, *, warmup: float, cooldown: float, min_lr_ratio: float) -> float:
    """Return the factor of a linear warm-up, a plateau, and a linear cool-down at the end (Zhai et al. 2022)."""
    left = min(1.0, max(0.0, (1.0 - fraction) / cooldown)) if cooldown > 0 else 1.0
    return _warmed(fraction, warmup) * (min_lr_ratio + (1.0 - min_lr_ratio) * left)
