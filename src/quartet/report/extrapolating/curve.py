"""Predict a net's score at larger costs from its fitted laws, and compare the predictions of nets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from quartet.report.extrapolating.laws import falls

LEVEL = 0.90
# By how much a forecast's spread is widened for each doubling beyond the largest cost. No law is quite true, and the
# further away, the less so. Found by tests/report/extrapolating/test_extrapolating.py, over made-up curves whose forms
# are mostly not among those that are fitted.
WIDENING = 0.18
STEPS = 80  # costs at which a crossing is looked for


@dataclass(frozen=True)
class Curve:
    """What a net's scores say about its score at other costs: many laws, each as likely as the next.

    Attributes:
        form: that which forecast the scores at the largest cost best from those at smaller ones.
        weights: of all forms. smallest, largest: the costs that were measured.
        better: the better direction of scores. share: whether scores are shares, of which 1 is the best possible.
        floor: the best possible score, turned so that lower is better.
        laws: for each form its name, shapes (N, 2), and the two linear parameters (N,).
        again: of each law, the deviation of the mean of as many further runs as the largest cost had.
        order: that of the laws, at random.
    """

    form: str
    weights: Mapping[str, float]
    smallest: float
    largest: float
    better: Literal["max", "min"]
    share: bool
    floor: float
    laws: tuple[tuple[str, Any, Any, Any], ...]
    again: Any
    order: Any

    def draws(self, x: float) -> Any:
        """Return the score at the cost `x` by each law (N,), in a random but fixed order."""
        at, first = x / self.largest, self.smallest / self.largest
        z = np.concatenate(
            [end + drop * falls(form, shapes, [at], first=first)[:, 0] for form, shapes, end, drop in self.laws]
        )
        z = np.maximum(z + self.again, self.floor)
        middle = np.median(z)
        z = np.maximum(middle + (z - middle) * (1 + WIDENING * max(0.0, math.log2(at))), self.floor)[self.order]
        return 1 - z if self.share else -z if self.better == "max" else z

    def predict(self, x: float, level: float = LEVEL) -> tuple[float, float, float]:
        """Return `(low, middle, high)` of the mean score at the cost `x`, of as many runs as the largest cost had."""
        tail = (1 - level) / 2
        low, middle, high = np.quantile(self.draws(x), [tail, 0.5, 1 - tail])
        return float(low), float(middle), float(high)


def winner(curves: Mapping[str, Curve], x: float, better: Literal["max", "min"], level: float = LEVEL) -> str | None:
    """Return the net that is best at the cost `x`; None where that cannot be said.

    It can where the interval of its lead over whichever other net comes nearest excludes zero. Each other
    net by itself would not do: among three, there are three chances to be wrong.
    """
    if not curves:
        return None
    sign = 1 if better == "max" else -1
    scores = {name: sign * curve.draws(x) for name, curve in curves.items()}
    best = max(scores, key=lambda name: float(np.median(scores[name])))
    others = [score for name, score in scores.items() if name != best]
    lead = scores[best] - np.max(others, axis=0) if others else np.ones(1)
    return best if np.quantile(lead, (1 - level) / 2) > 0 else None


def crossing(first: Curve, second: Curve, *, until: float, level: float = LEVEL) -> tuple[float, float, float] | None:
    """Return `(low, middle, high)` of the cost at which two nets change places between the largest cost measured and
    `until`; None where they do not, or it is not likely enough."""
    start = max(first.largest, second.largest)
    if not until > start:
        return None
    costs = np.geomspace(start, until, STEPS)
    ahead = np.stack([first.draws(x) - second.draws(x) for x in costs]) > 0  # STEPS × draws
    turned = ahead[0] != ahead[-1]
    most = ahead[0].mean() > 0.5  # who is ahead at the start, by most laws
    turned &= ahead[0] == most
    if turned.mean() < level:
        return None
    places = costs[np.argmax(ahead[:, turned] != most, axis=0)]
    tail = (1 - level) / 2
    low, middle, high = np.quantile(places, [tail, 0.5, 1 - tail])
    return float(low), float(middle), float(high)
