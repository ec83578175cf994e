"""Simulate how often intervals cover the truth: `python benchmarks/chance_table.py` prints the table of docs/.

Right and wrong answers of two nets with three seeds each. Whether a net is right follows from the example's difficulty,
which both nets share, what the net makes of this example with every seed, what it makes of it with this seed alone, and
the seed's luck on all examples. The luck is set so that seeds have a given share in the variance of the nets'
difference.

Shapes: S seeds, N test examples.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from statistics import fmean

import numpy as np
from scipy.stats import norm

from quartet.report.chance.chance import chance_of
from quartet.report.comparing.statistics import LEVEL, estimate

SEEDS, ACCURACY, BETTER = 3, 0.85, 0.88  # two nets are equal in truth, then one is better
OF_NET, OF_SEED = 0.5, 0.4  # what a net and a seed make of an example; its difficulty has the deviation 1
HARDLY = 0.05  # what a seed makes of an example where seeds hardly differ
SIZES = (100, 1_000, 10_000)
# The variance of the difference by seeds' luck, to that by examples: from seeds that hardly differ to nets that do not
# differ but by their seeds, which are as lucky as at a ratio of 1.
RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, math.inf)


@dataclass(frozen=True)
class Cell:
    """One row of the table: the setting, then rates over all repetitions."""

    examples: int
    ratio: float
    repetitions: int
    false_alarms: float
    difference: float
    mean: float
    seeds_alone: float


def cells(sizes: tuple[int, ...] = SIZES, ratios: tuple[float, ...] = RATIOS, *, repetitions: int) -> Iterator[Cell]:
    """Yield the simulated rates of each size of a test split and each ratio."""
    for size in sizes:
        for ratio in ratios:
            yield simulate(size, ratio, repetitions=repetitions)


def simulate(size: int, ratio: float, *, repetitions: int) -> Cell:
    """Return how often a difference of equal nets is shown, and how often intervals cover the truth."""
    draw = np.random.default_rng((size, RATIOS.index(ratio)))
    alarms, covered, means, alone = 0, 0, 0, 0
    for _ in range(repetitions):
        first, second = answers(draw, size, ratio, (ACCURACY, ACCURACY))
        alarms += not covers(first - second, 0.0)
        first, second = answers(draw, size, ratio, (ACCURACY, BETTER))
        covered += covers(first - second, ACCURACY - BETTER)
        about = estimate(first.mean(1).tolist(), between=(0.0, 1.0), scores_SN=first)
        means += about.low <= ACCURACY <= about.high
        seeds = estimate((first - second).mean(1).tolist())
        alone += seeds.low <= ACCURACY - BETTER <= seeds.high
    return Cell(size, ratio, repetitions, *(count / repetitions for count in (alarms, covered, means, alone)))


def covers(d_SN: np.ndarray, truth: float) -> bool:
    """Return whether the interval of a difference covers the truth."""
    values = d_SN.mean(1).tolist()
    return abs(fmean(values) - truth) <= chance_of(values, d_SN).reach(LEVEL)


def answers(
    draw: np.random.Generator, size: int, ratio: float, accuracies: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what two nets have right, 1 or 0, (S, N) each."""
    difficulty_N, bad_luck = draw.standard_normal(size, np.float32), luck(1.0 if math.isinf(ratio) else ratio, size)
    of_net, of_seed = OF_NET * (ratio < math.inf), OF_SEED if ratio else HARDLY
    total = math.sqrt(1 + of_net**2 + of_seed**2 + bad_luck**2)
    nets = []
    for accuracy in accuracies:
        of_net_N = of_net * draw.standard_normal(size, np.float32)
        of_seed_SN = of_seed * draw.standard_normal((SEEDS, size), np.float32)
        of_seed_SN += (bad_luck * draw.standard_normal((SEEDS, 1))).astype(np.float32)
        nets.append((difficulty_N + of_net_N + of_seed_SN < total * float(norm.ppf(accuracy))).astype(np.float64))
    return nets[0], nets[1]


@cache
def luck(ratio: float, size: int) -> float:
    """Return the deviation of a seed's luck at which seeds and examples have this ratio in the variance of the
    difference of two nets' means."""
    total = np.sqrt(1 + OF_NET**2 + OF_SEED**2)
    at = norm.ppf(ACCURACY)
    # Two answers of different seeds to one example have a normal copula: the variance of the examples' part is twice
    # the covariance within a net less that between nets.
    within, between = ((1 + part**2) / total**2 for part in (OF_NET, 0.0))
    examples = 2 * (_both(at, within) - _both(at, between)) / size
    of_accuracy = norm.pdf(at) / total  # how much accuracy a unit of luck is worth
    return float(np.sqrt(ratio * examples * SEEDS / 2) / of_accuracy)


def _both(at: float, correlation: float) -> float:
    """Return how often two standard normal numbers with this correlation both lie below `at`."""
    from scipy.stats import multivariate_normal

    return float(multivariate_normal.cdf([at, at], cov=[[1, correlation], [correlation, 1]]))


def main() -> None:
    parser = argparse.ArgumentParser(description="how often intervals cover the truth, simulated")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of the test split")
    parser.add_argument("--repetitions", type=int, default=4000, help="of each row (default: 4000, some minutes)")
    given = parser.parse_args()
    print("| test examples | variance, seeds : examples | false alarms | difference | one net's mean | seeds alone |")
    print("|---|---|---|---|---|---|", flush=True)
    for cell in cells(tuple(given.sizes), repetitions=given.repetitions):
        rates = (cell.false_alarms, cell.difference, cell.mean, cell.seeds_alone)
        shown = " | ".join(f"{rate * 100:.1f} %" for rate in rates)
        ratio = "1 : 0" if math.isinf(cell.ratio) else f"{cell.ratio:g} : 1"
        print(f"| {cell.examples} | {ratio} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
