"""Fit falling laws to the scores of one net at a few costs, with all that the scores leave open.

A law is `z(x) = end + drop · falls(x)`: z is the score turned so that lower is better, x the cost in units of the
largest one. With four costs and two seeds no single fit is to be trusted, so none is taken: each shape of a form gets
its least squares solution, and draws of `end` and `drop` around it (Student's, as the seeds' variance is estimated).
A shape counts by its likelihood; a form by how well it forecasts the scores at the largest cost from those at the
smaller ones. Draws that rise, or that end beyond the best possible score, are thrown away.

Legend: S shapes, M draws of each, K costs, N draws kept.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import logsumexp

from quartet.report.extrapolating.curve import Curve
from quartet.report.extrapolating.laws import FORMS, falls, limits

FEWEST_COSTS = 3
TRIES, KEPT = 100, 4000  # draws for each shape, and those that a curve keeps
LEAST_NOISE = 3e-3  # of the scores' size: no law is truer, even where all seeds agree
RISING = 0.05  # a net whose scores improve with less than this probability follows none of the laws


@dataclass(frozen=True)
class Measured:
    """Scores at K costs, the smallest first, lower is better; the largest cost is 1.

    Attributes:
        x, mean, count: of each cost. within: the sum of squares about the means. floor: the best possible score.
    """

    x: Any
    mean: Any
    count: Any
    within: float
    floor: float

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the noise about a law with two linear parameters."""
        return int(self.count.sum()) - 2

    def without_largest(self) -> Measured:
        """Return the scores at all costs but the largest."""
        x, mean, count = self.x[:-1] / self.x[-2], self.mean[:-1], self.count[:-1]
        return Measured(x, mean, count, self.within, self.floor)


@dataclass(frozen=True)
class Draws:
    """Draws of one form: their shapes (N, 2), both linear parameters, noise and log weights (N,). `improving` is the
    probability that the scores improve at all."""

    shapes: Any
    end: Any
    drop: Any
    noise: Any
    weight: Any
    improving: float


def fit(points: Mapping[float, Sequence[float]], *, better: Literal["max", "min"]) -> Curve | None:
    """Return the curve of a net from its scores by cost, those of all seeds; None where they do not allow one.

    That is so with fewer than three costs, fewer than four scores, or scores that get worse. Costs and scores that are
    not finite are left out, as are costs that are not positive. Scores in [0, 1] of which more is better are taken for
    shares: 1 is the best possible. Scores of which less is better, if none is negative, cannot fall below 0.
    """
    measured, largest = measure(points, better=better)
    if measured is None:
        return None
    draw = np.random.default_rng(zlib.crc32(repr(sorted((x, list(y)) for x, y in points.items())).encode()))
    forms = {name: draws for name in FORMS if (draws := draws_of(name, measured, draw)) is not None}
    if max((draws.improving for draws in forms.values()), default=0.0) < RISING:
        return None
    weights = form_weights(list(forms), measured, draw)
    chosen = draw.choice(len(forms), KEPT, p=weights)
    parts = []
    for number, (name, draws) in enumerate(forms.items()):
        count = int((chosen == number).sum())
        rows = draw.choice(len(draws.end), count, p=np.exp(draws.weight))
        parts.append((name, draws.shapes[rows], draws.end[rows], draws.drop[rows], draws.noise[rows]))
    noise = np.concatenate([part[4] for part in parts])
    again = noise * draw.standard_normal(KEPT) / math.sqrt(measured.count[-1])
    order = draw.permutation(KEPT)  # so that the draws of two curves can be taken in pairs
    return Curve(
        form=list(forms)[int(np.argmax(weights))],
        weights={name: float(weight) for name, weight in zip(forms, weights, strict=True)},
        largest=largest,
        smallest=float(measured.x[0]) * largest,
        better=better,
        share=better == "max" and measured.floor == 0,
        floor=measured.floor,
        laws=tuple(part[:4] for part in parts if len(part[2])),
        again=again,
        order=order,
    )


def measure(points: Mapping[float, Sequence[float]], *, better: str) -> tuple[Measured | None, float]:
    """Return the scores turned so that lower is better, and the largest cost; None where they are too few."""
    rungs = {
        float(x): finite for x, scores in points.items()
        if math.isfinite(x) and x > 0 and (finite := [float(y) for y in scores if y is not None and math.isfinite(y)])
    }  # fmt: skip
    everything = [score for scores in rungs.values() for score in scores]
    if len(rungs) < FEWEST_COSTS or len(everything) < FEWEST_COSTS + 1:
        return None, math.nan
    shares = better == "max" and min(everything) >= 0 and max(everything) <= 1
    floor = 0.0 if shares or (better == "min" and min(everything) >= 0) else -math.inf
    largest = max(rungs)
    turned = [np.array([1 - y if shares else -y if better == "max" else y for y in rungs[x]]) for x in sorted(rungs)]
    mean = np.array([scores.mean() for scores in turned])
    within = sum(float(((scores - scores.mean()) ** 2).sum()) for scores in turned)
    least = (LEAST_NOISE * float(np.abs(mean).max())) ** 2 * len(everything)
    count = np.array([len(scores) for scores in turned], float)
    x = np.array(sorted(rungs)) / largest
    return Measured(x, mean, count, max(within, least, 1e-24), floor), largest


def draws_of(form: str, measured: Measured, draw: np.random.Generator) -> Draws | None:
    """Return weighted draws of a form's parameters; None where not one is possible."""
    if measured.freedom < 1:
        return None
    shapes, first = FORMS[form][0], float(measured.x[0])
    h_SK, end_of = falls(form, shapes, measured.x, first=first), limits(form, shapes, first=first)
    w, m = measured.count, measured.mean
    # Weighted least squares of m on (1, h), about the weighted mean of h.
    total = w.sum()
    h_mean, m_mean = h_SK @ w / total, w @ m / total
    about = h_SK - h_mean[:, None]
    spread = (w * about**2).sum(1)
    drop_S = (w * about * (m - m_mean)).sum(1) / spread
    residual = measured.within + (w * (m - m_mean - drop_S[:, None] * about) ** 2).sum(1)
    likelihood = -measured.freedom / 2 * np.log(residual) - np.log(spread) / 2
    shape = (len(shapes), TRIES)
    noise = np.sqrt(residual[:, None] / draw.chisquare(measured.freedom, shape))
    drop = drop_S[:, None] + noise * draw.standard_normal(shape) / np.sqrt(spread)[:, None]
    middle = m_mean + noise * draw.standard_normal(shape) / math.sqrt(total)
    end = middle - drop * h_mean[:, None]
    weight = np.broadcast_to(likelihood[:, None], shape) - logsumexp(likelihood) - math.log(TRIES)
    improving = float(np.exp(weight)[drop >= 0].sum())
    possible = (drop >= 0) & (end + drop * end_of[:, None] >= measured.floor)
    if not possible.any():
        return None
    left = weight[possible] - logsumexp(weight[possible])
    rows = np.nonzero(possible)[0]
    return Draws(shapes[rows], end[possible], drop[possible], noise[possible], left, improving)


def form_weights(forms: Sequence[str], measured: Measured, draw: np.random.Generator) -> Any:
    """Return the weight of each form: how likely its forecast from the smaller costs makes the scores at the largest.

    All weigh the same where the smaller costs are too few to fit.
    """
    if len(measured.x) <= FEWEST_COSTS:
        return np.full(len(forms), 1 / len(forms))
    fewer = measured.without_largest()
    at, truth, count = 1 / measured.x[-2], measured.mean[-1], measured.count[-1]
    scores = [held_out(name, draws_of(name, fewer, draw), fewer, at, truth, count) for name in forms]
    if not np.isfinite(scores).any():
        return np.full(len(forms), 1 / len(forms))
    return np.exp(np.array(scores) - logsumexp(scores))


def held_out(form: str, draws: Draws | None, fewer: Measured, at: float, truth: float, count: float) -> float:
    """Return the log density of the mean score `truth` of `count` runs in a form's forecast for the cost `at`."""
    if draws is None:
        return -math.inf
    forecast = draws.end + draws.drop * falls(form, draws.shapes, [at], first=float(fewer.x[0]))[:, 0]
    deviation = draws.noise / math.sqrt(count)
    density = -(((truth - forecast) / deviation) ** 2) / 2 - np.log(deviation)
    return float(logsumexp(draws.weight + density))
