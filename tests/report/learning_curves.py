"""Make up learning curves of several true forms, with seeds' noise as real runs have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

RUNGS = (0.125, 0.25, 0.5, 1.0)
Better = Literal["max", "min"]

# What is left of a curve's fall at the cost x, from 1 down to 0, by a rate and an onset drawn at random.
TRUE: dict[str, Callable[[Any, float, float], Any]] = {
    "power law": lambda x, rate, onset: (1 + x / (0.03 * onset)) ** -rate,
    "exponential": lambda x, rate, onset: np.exp(-x * rate / onset),
    "stretched exponential": lambda x, rate, onset: np.exp(-((x / onset) ** (0.3 + 0.5 * rate))),
    "slow start": lambda x, rate, onset: 1 / (1 + (x / onset) ** (0.5 + rate)),
    "logarithm, bounded": lambda x, rate, onset: np.clip(0.6 - 0.15 * rate * np.log(x / onset), 0.02, 1),
    "broken power law": lambda x, rate, onset: (1 + x / 0.02) ** (-rate / 2) * (1 + (x / onset) ** 2) ** (-rate / 4),
}


class Net:
    """A made-up net: its true mean score at a cost, and runs of it.

    `kind` says what its scores are: "accuracy" in [0, 1], "loss" above 0, "BLEU" that rises without a known end.
    """

    def __init__(self, draw: np.random.Generator, kind: str, form: str | None = None) -> None:
        self.draw, self.kind = draw, kind
        self.form = form or str(draw.choice(list(TRUE)))
        self.rate, self.onset = draw.uniform(0.3, 1.5), float(np.exp(draw.uniform(np.log(0.15), np.log(3))))
        self.start, self.end = draw.uniform(0.5, 0.95), draw.uniform(0, 0.35)
        self.noise = float(np.exp(draw.uniform(np.log(0.004), np.log(0.03))))  # of one seed, as a part of the error
        self.wiggle = 0.003 * draw.standard_normal(64)  # what all seeds share, and no law has

    @property
    def better(self) -> Better:
        return "min" if self.kind == "loss" else "max"

    def error(self, x: float) -> float:
        """The true mean error in (0, 1)."""
        smooth = self.end + (self.start - self.end) * float(TRUE[self.form](np.float64(x), self.rate, self.onset))
        return smooth * (1 + self.wiggle[round(4 * np.log2(x)) % 64])

    def score(self, error: float) -> float:
        return {"accuracy": 1 - error, "loss": 4 * error, "BLEU": 45 * (1 - error)}[self.kind]

    def mean(self, x: float) -> float:
        """The true mean score at the cost x."""
        return self.score(self.error(x))

    def runs(self, x: float, seeds: int) -> list[float]:
        """Scores of runs at the cost x; seeds differ more at small costs."""
        error = self.error(x)
        deviation = self.noise * error * (1 + 0.5 * max(0.0, -np.log2(x) / 3))
        return [self.score(min(1.0, abs(error + deviation * self.draw.standard_normal()))) for _ in range(seeds)]

    def points(self, rungs: Sequence[float] = RUNGS, *, fewer: int = 2, seeds: int = 3) -> dict[float, list[float]]:
        """Scores by cost as `quartet choose` has them: `seeds` runs at the largest cost, `fewer` at smaller ones."""
        return {x: self.runs(x, seeds if x == max(rungs) else fewer) for x in rungs}
