"""Weigh the two sources of chance in a mean over seeds: other seeds, and other test examples.

Seed s scores μ + a_s + b_i + c_si on example i. The mean of n seeds and N examples has the variance

    var(a) / n + var(b) / N + var(c) / (n N).

The values of the seeds vary by a and c, the examples' means over seeds by b and c. What both see of c is counted once:
the residual of the two-way table (seeds × examples) estimates it, and is taken off the examples' part.

The variance of few seeds is itself uncertain, that of many examples is not. An interval extends over √(c² variance),
where c² lies between the squared quantiles of Student's t for N - 1 and for n - 1 degrees of freedom, at the share of
the seeds in the variance to the power of `LEAN`. Satterthwaite's degrees of freedom find a difference between equal
nets in up to 8 % of cases with three seeds, the share itself (a power of one) makes intervals that cover up to 97.7 %.
`LEAN` keeps both in bounds: `tests/report/chance/test_coverage.py` simulates it, docs/fair-comparison.md has the table.

Shapes: S seeds, N test examples, P places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAN = 1.5
BOTH, SEEDS, EXAMPLES = "seeds and test examples", "seeds alone", "test examples alone"
SMALLEST_P = -100.0  # its logarithm


@dataclass(frozen=True)
class Chance:
    """The variance of a mean by its sources.

    `seeds` comes from a number of seeds, 0 for a single one. `examples` comes from a number of test examples; both are
    0 where no score an example is kept.
    """

    seeds: float
    seed_count: int
    examples: float
    example_count: int

    @property
    def variance(self) -> float:
        """The variance of the mean. At 0 no chance is seen, and nothing can be tested."""
        return self.seeds + self.examples

    @property
    def covers(self) -> str:
        """Which sources an interval covers, in words; "" for none."""
        seeds, examples = self.seeds > 0, self.example_count > 0
        if not self.variance > 0:
            return ""
        return BOTH if seeds and examples else SEEDS if seeds else EXAMPLES

    @property
    def lean(self) -> float:
        """How far the quantile lies towards that of the seeds, from 0 to 1."""
        return float((self.seeds / self.variance) ** LEAN) if self.seeds else 0.0

    def quantile(self, level: float) -> float:
        """Return how many standard errors a two-sided interval extends on either side."""
        return math.sqrt(self._squared((1 - level) / 2))

    def reach(self, level: float) -> float:
        """Return how far a two-sided interval extends on either side."""
        return self.quantile(level) * math.sqrt(self.variance)

    def p(self, mean: float) -> float:
        """Return the two-sided p of a true mean of zero, as the level of the interval that just reaches zero."""
        from scipy.stats import t

        far = mean**2 / self.variance
        if self.lean in (0.0, 1.0):
            freedom = (self.seed_count if self.lean else self.example_count) - 1
            return float(2 * t.sf(math.sqrt(far), freedom))
        low, high = SMALLEST_P, 0.0
        for _ in range(64):
            middle = (low + high) / 2
            low, high = (middle, high) if self._squared(10**middle / 2) > far else (low, middle)
        return float(10**high)

    def _squared(self, tail: float) -> float:
        """Return the squared quantile for the probability `tail` on either side."""
        from scipy.special import stdtrit

        lean = self.lean
        many = float(stdtrit(self.example_count - 1, tail)) if lean < 1 else 0.0
        few = float(stdtrit(self.seed_count - 1, tail)) if lean > 0 else 0.0
        return (1 - lean) * many * many + lean * few * few


def chance_of(values: Sequence[float], scores_SN: np.ndarray | None = None) -> Chance:
    """Return the chance in the mean of `values`, one for each seed; `scores_SN` are the examples' parts in these.

    Values that vary by rounding alone, and those of a single seed, have no variance of seeds.
    """
    count, mean = len(values), fmean(values) if values else math.nan
    seeds = variance(values) / count if count > 1 else 0.0
    if seeds * count <= (1e-12 * mean) ** 2:
        seeds = 0.0
    if scores_SN is None:
        return Chance(seeds, count, 0.0, 0)
    own, shared = example_covariance(scores_SN[:, :, None])
    # Where the seeds show no chance, they hold no share of c that could be counted twice.
    examples = max(0.0, float(own[0, 0] - shared[0, 0])) if seeds else float(own[0, 0])
    return Chance(seeds, count, examples, scores_SN.shape[1])


def example_covariance(scores_SNP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariances (P, P) of means over seeds and examples that come from the examples.

    The first is that of the examples' means over seeds, b and c together; the second the part of c in it.
    """
    import numpy as np

    seeds, examples = scores_SNP.shape[:2]
    of_example_NP = scores_SNP.mean(0) - scores_SNP.mean((0, 1))
    own_PP = of_example_NP.T @ of_example_NP / ((examples - 1) * examples)
    if seeds < 2:
        return own_PP, np.zeros_like(own_PP)
    rest = (scores_SNP - scores_SNP.mean(1, keepdims=True) - of_example_NP).reshape(-1, scores_SNP.shape[2])
    return own_PP, rest.T @ rest / ((seeds - 1) * (examples - 1) * seeds * examples)


def share_interval(mean: float, chance: Chance, *, level: float, between: tuple[float, float]) -> tuple[float, float]:
    """Return the interval of a mean that is bounded on both sides, such as an accuracy.

    The variance from examples shrinks towards the bounds. As in Wilson's interval (1927), it is taken at each value
    that the interval tries, not at the mean alone: a mean at a bound has an interval too. For one seed and right or
    wrong answers it is Wilson's, with Student's quantile.
    """
    low, width = between[0], between[1] - between[0]
    share = min(max((mean - low) / width, 0.0), 1.0)
    spread, squared = share * (1 - share), chance.quantile(level) ** 2
    examples = chance.examples / width**2
    ratio = squared * (examples / spread if spread > 0 and examples > 0 else 1 / chance.example_count)
    middle, factor = 2 * share + ratio, 2 * (1 + ratio)
    root = math.sqrt(max(0.0, middle**2 - 2 * factor * (share**2 - squared * chance.seeds / width**2)))
    bounds = ((middle - root) / factor, (middle + root) / factor)
    return low + width * max(bounds[0], 0.0), low + width * min(bounds[1], 1.0)
