"""Sum up several lines: mean ranks and probabilities of improvement with bootstrap intervals, and performance profiles.

As rliable does (Agarwal et al. 2021), seeds are drawn anew within each line and net (a stratified bootstrap). Profiles
are those of Dolan and Moré (2002): the share of runs whose loss is at most so many times the least of their line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from typing import Any

from quartet.report.comparing.comparison import Comparison
from quartet.report.comparing.statistics import LEVEL
from quartet.report.run import FAMILY_NAMES
from quartet.report.tasks import metric as about_metric

DRAWS = 2000
FEWEST_LINES = 3
FARTHEST = 4.0  # the ratio at which profiles end


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Several lines together.

    Attributes:
        lines: their titles. nets: the names of the families that all of them hold.
        ranks: each net's mean rank over the lines, 1 for the best.
        improvement: for two nets, the probability that a run of the first is better than one of the second, averaged
            over the lines.
        profiles: for each net, (ratio, share of runs whose loss is at most so many times the least mean of the line);
            empty where no line has a metric with a known best value.
        seeds: the fewest of a net in a line.
    """

    lines: tuple[str, ...]
    nets: tuple[str, ...]
    ranks: Mapping[str, Interval]
    improvement: Mapping[tuple[str, str], Interval]
    profiles: Mapping[str, Sequence[tuple[float, float]]]
    seeds: int


Scores = dict[str, list[float]]  # the values of each net's runs in one line, more is better


def over_lines(comparisons: Sequence[Comparison]) -> Summary | None:
    """Return the summary of the comparisons that hold the same families; None for fewer than FEWEST_LINES."""
    tables = {one.title: scores for one in comparisons if one.better and not one_is_varied(one) and (scores := of(one))}
    counts = Counter(net for scores in tables.values() for net in scores)
    nets = tuple(name for name in FAMILY_NAMES.values() if counts[name] >= FEWEST_LINES)
    chosen = {title: scores for title, scores in tables.items() if set(nets) <= set(scores)}
    if len(nets) < 2 or len(chosen) < FEWEST_LINES:
        return None
    losses = [loss for one in comparisons if one.title in chosen and (loss := losses_of(one, chosen[one.title]))]
    return Summary(
        lines=tuple(chosen),
        nets=nets,
        ranks=mean_ranks(list(chosen.values()), nets),
        improvement={pair: improvement(list(chosen.values()), *pair) for pair in combinations(nets, 2)},
        profiles={net: profile(losses, net) for net in nets} if losses else {},
        seeds=min(len(scores[net]) for scores in chosen.values() for net in nets),
    )


def one_is_varied(comparison: Comparison) -> bool:
    """Return whether a comparison holds a family several times, as along an axis."""
    families = [experiment.family for experiment in comparison.experiments]
    return len(set(families)) < len(families)


def of(comparison: Comparison) -> Scores:
    """Return the test values of each net's runs, with the sign by which more is better."""
    sign = 1.0 if comparison.better == "max" else -1.0
    found = {}
    for experiment in comparison.experiments:
        values = [sign * value for value in experiment.values(f"test/{comparison.metric}").values()]
        if values and experiment.family in FAMILY_NAMES:
            found[FAMILY_NAMES[experiment.family]] = values
    return found


def losses_of(comparison: Comparison, scores: Scores) -> Scores:
    """Return how far each run is from the best possible value; {} where that is not known or was reached."""
    low, high = about_metric(comparison.metric).between or (0.0, float("inf"))
    best = high if comparison.better == "max" else -low
    losses = {net: [best - value for value in values] for net, values in scores.items()}
    known = isfinite(best) and all(loss > 0 for values in losses.values() for loss in values)
    return losses if known else {}


def drawn_means(values: Sequence[float], draw: Any) -> Any:
    """Return the means of DRAWS samples of `values` with replacement (DRAWS,)."""
    import numpy as np

    return np.asarray(values)[draw.integers(0, len(values), (DRAWS, len(values)))].mean(1)


def interval(value: float, drawn: Any) -> Interval:
    """Return a value with the interval of its bootstrap samples (DRAWS,)."""
    import numpy as np

    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def mean_ranks(lines: Sequence[Scores], nets: Sequence[str]) -> dict[str, Interval]:
    """Return each net's mean rank over the lines; equal means share a rank."""
    import numpy as np
    from scipy.stats import rankdata

    draw = np.random.default_rng(0)
    seen, drawn = np.zeros(len(nets)), np.zeros((DRAWS, len(nets)))
    for scores in lines:
        seen += rankdata([-np.mean(scores[net]) for net in nets]) / len(lines)
        drawn += rankdata(np.stack([-drawn_means(scores[net], draw) for net in nets], 1), axis=1) / len(lines)
    return {net: interval(seen[i], drawn[:, i]) for i, net in enumerate(nets)}


def improvement(lines: Sequence[Scores], first: str, second: str) -> Interval:
    """Return the probability that a run of `first` is better than one of `second`; equal runs count half."""
    import numpy as np

    draw = np.random.default_rng(0)
    seen, drawn = 0.0, np.zeros(DRAWS)
    for scores in lines:
        a, b = np.asarray(scores[first]), np.asarray(scores[second])
        better = (a[:, None] > b) + 0.5 * (a[:, None] == b)  # (seeds of first, seeds of second)
        rows = draw.integers(0, len(a), (DRAWS, len(a)))
        columns = draw.integers(0, len(b), (DRAWS, len(b)))
        seen += better.mean() / len(lines)
        drawn += better[rows[:, :, None], columns[:, None, :]].mean((1, 2)) / len(lines)
    return interval(seen, drawn)


def profile(lines: Sequence[Scores], net: str) -> list[tuple[float, float]]:
    """Return the net's performance profile over lines of losses: the share of runs within each ratio of the best."""
    import numpy as np

    ratios = []
    for losses in lines:
        least = min(np.mean(values) for values in losses.values())
        ratios.append(np.asarray(losses[net]) / least)
    return [
        (float(at), float(np.mean([np.mean(each <= at + 1e-12) for each in ratios])))
        for at in np.geomspace(0.9, FARTHEST, 60)
    ]
