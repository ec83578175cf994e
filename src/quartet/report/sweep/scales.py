"""Map parameter values and scores to places from 0 to 1, for the axes of parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from quartet.report.drawing.chart import ticks
from quartet.report.run import finite
from quartet.report.sweep.trials import Mode, score_text, value_text, worst_shown

MIN_DISTANCE = 0.055  # between two labels of an axis
MAX_LABELS = 16
MAX_VALUES = 6  # numbers that each get a label; an axis of more numbers has round labels


@dataclass(frozen=True)
class Scale:
    """An axis from 0 to 1. `place` maps a value and its trial's share of the ranks to a place; `labels`: `(place,
    label)`."""

    place: Callable[[Any, float], float]
    labels: Sequence[tuple[float, str]]
    log: bool = False


def scale_of(values: Sequence[Any], *, log: bool) -> Scale:
    """Return an axis for a parameter: numbers by size, other values as categories at equal distances."""
    if all(finite(value) for value in values):
        return _numeric(values, log=log, written=value_text)
    numbers = [value_text(value) for value in sorted({value for value in values if finite(value)})]
    names = list(dict.fromkeys(numbers + sorted({value_text(value) for value in values if not finite(value)})))
    at = {name: i / (len(names) - 1) if len(names) > 1 else 0.5 for i, name in enumerate(names)}
    labelled = names[:: math.ceil(len(names) / MAX_LABELS)]
    return Scale(lambda value, share: at[value_text(value)] + offset(share), [(at[name], name) for name in labelled])


def _numeric(values: Sequence[float], *, log: bool, written: Callable[[float], str]) -> Scale:
    """Return an axis for numbers, with labels at both ends and at values or round numbers between."""
    low, high = min(values), max(values)
    log = log and low > 0
    warp = math.log if log else float
    start, length = warp(low), warp(high) - warp(low)

    def place(value: float, share: float = 0.0) -> float:
        return (warp(value) - start) / length if length else 0.5

    inner: Iterable[float] = sorted(set(values))
    if len(set(values)) > MAX_VALUES and log:
        inner = (10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1))
    elif len(set(values)) > MAX_VALUES:
        inner = (value for value in ticks(low, high, 4) if low <= value <= high)
    labelled = [low, high] if length else [low]
    for value in inner:
        if all(abs(place(value) - place(other)) >= MIN_DISTANCE for other in labelled):
            labelled.append(value)
    return Scale(place, [(place(value), written(value)) for value in labelled], log)


def objective_scale(scores: Sequence[float], mode: Mode, *, log: bool) -> Scale:
    """Return the axis of the scores. Scores worse than `worst_shown` lie at the axis' end, whose label says so."""
    if not scores:
        return Scale(lambda score, share: 0.5, [])
    worst = worst_shown(scores, mode)
    clip, beyond = (min, "≥ ") if mode == "min" else (max, "≤ ")
    scale = _numeric([clip(score, worst) for score in scores], log=log, written=score_text)
    end = scale.place(worst, 0.0) if any(clip(score, worst) != score for score in scores) else None
    labels = [(y, beyond + text if y == end else text) for y, text in scale.labels]
    return Scale(lambda score, share: scale.place(clip(score, worst), share), labels, scale.log)


def offset(share: float) -> float:
    """Return a small shift, higher for better trials, so that lines through one category lie side by side."""
    return 0.05 * (0.5 - share)
