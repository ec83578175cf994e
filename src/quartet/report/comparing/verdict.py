"""Put a difference into words: the shown difference, or what would be needed to show one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from quartet.report.comparing.power import MAX_SEEDS, POWER, examples_needed, seeds_needed
from quartet.report.comparing.statistics import LEVEL, Difference, Estimate
from quartet.report.drawing.numerals import NARROW_SPACE, compact, percent, plain
from quartet.report.run import direction, metric_name
from quartet.report.tasks import metric as known

MINUS = "\u2212"
# The rule of `statistics` for a reader of the report.
RULE = (
    "Nets of one task and data set are compared by one metric, that of the task, on test data: each pair by Student's "
    "paired t test over the seeds that both have, with Holm's correction over all pairs. For each task and data set, "
    f"the chance that any two nets that are equal in truth are told apart is then at most {percent(1 - LEVEL)}.",
    "The test weighs a difference against two sources of chance: other seeds, and other test examples, by the scores "
    "of single examples that evaluations keep. Runs of older versions have none, nor have tasks whose metric is of a "
    "whole set (FID): their intervals cover seeds alone. With one seed each they cover test examples alone. Each "
    "verdict's interval says what it covers.",
    "± is how far a difference's interval reaches. It covers the true difference in at least "
    f"{percent(LEVEL)} of cases, and is wider where the correction asks for it.",
    "The t test takes differences for normally distributed. An exact permutation test does not, and has to agree where "
    "there are seeds enough for it to find anything after the same correction. With n seeds its p is never below "
    f"2^(1{NARROW_SPACE}{MINUS}{NARROW_SPACE}n), whatever was measured: with three it cannot decide, and verdicts rest "
    "on the t test alone. With one seed each and right or wrong answers it permutes the examples (McNemar's exact "
    "test), and has to agree.",
    "A pair in which nothing varies is not tested: there is no chance that its difference could be weighed against.",
    "Seeds needed are those with which a difference of the size named would be shown with a chance of "
    f"{percent(POWER)}, if seeds go on to vary as they did; with few seeds that is a rough guess.",
    "Intervals speak of other test data of the same kind and of the same training data and settings, not of others.",
)
PAIRS = (
    f"First less second, over the seeds that both have, with an interval of at least {percent(LEVEL)}, as wide as "
    "Holm's correction asks; p of the paired t test, and of the permutation test after the same correction."
)


def difference_unit(metric: str) -> tuple[float, str]:
    """Return the factor for a metric's differences and the word that follows them."""
    return known(metric).unit or (1.0, metric_name(metric))


def signed(difference: Difference, metric: str) -> str:
    """Return a difference in its unit, with its sign and the half width of its interval; – for nan."""
    if math.isnan(difference.mean):
        return "–"
    return (MINUS if difference.mean < 0 else "+") + _size(difference, metric)


def _size(difference: Difference, metric: str) -> str:
    """Return a difference's absolute value in its unit, with the half width of its interval."""
    factor, _ = difference_unit(metric)
    return plus_minus(abs(difference.mean) * factor, (difference.high - difference.low) / 2 * factor)


def interval(estimate: Estimate | None) -> str:
    """Return the bounds of a mean in words, – where there are none."""
    if estimate is None or math.isnan(estimate.low):
        return "–"
    return f"{plain(estimate.low)} to {plain(estimate.high)}"


def pair_head(metric: str) -> tuple[str, ...]:
    """Return the columns of a table of pairs."""
    return (
        "pair",
        f"difference, {difference_unit(metric)[1]}",
        "seeds",
        "interval covers",
        "p",
        "p after Holm",
        "p, permutation",
        "verdict",
    )


def pair_name(difference: Difference, *, names: Mapping[str, str]) -> str:
    """Return a pair as `first − second`, with the nets' names in words."""
    first, second = (names[name].removeprefix("the ") for name in (difference.first, difference.second))
    return f"{first} {MINUS} {second}"


def short(difference: Difference, *, names: Mapping[str, str], metric: str, better: str | None = None) -> str:
    """Return the verdict for a table's cell; the list of verdicts has the whole sentence. `better` as in `verdict`."""
    better = better or direction(metric)
    if math.isnan(difference.p):
        return "not tested"
    if not difference.shown:
        return "no difference shown"
    return f"{_order(difference, names, better)[0]} {'is better' if better else 'has more'}"


def _order(difference: Difference, names: Mapping[str, str], better: str | None) -> tuple[str, str]:
    """Return the pair's names, the better net first; for a metric without a better direction, the one with more
    first."""
    pair = names[difference.first], names[difference.second]
    return pair if (difference.mean > 0) != (better == "min") else pair[::-1]


def plus_minus(value: float, half: float) -> str:
    """Return `value ± half`, both with the decimals that leave two digits of `half`."""
    if not math.isfinite(half) or half <= 0:
        return f"{value:.3g}"
    decimals = max(0, 1 - math.floor(math.log10(half)))
    return f"{value:.{decimals}f} ± {half:.{decimals}f}"


def verdict(difference: Difference, *, names: Mapping[str, str], metric: str, better: str | None = None) -> str:
    """Return one sentence without its full stop, by the rule in `statistics`. `names`: the nets in words, by
    experiment.

    `better`: "max" or "min", for a metric whose better direction only the runs know.
    """
    better = better or direction(metric)
    first, second = names[difference.first], names[difference.second]
    if len(difference.seeds) < 2 and not difference.covers:
        common = f"only seed {difference.seeds[0]}" if difference.seeds else "no seed"
        return f"no verdict on {first} and {second}: they have {common} in common, and two at least are needed"
    if math.isnan(difference.p):
        return f"no verdict on {first} and {second}: {_constant(difference, metric)}"
    if difference.shown:
        ahead, behind = _order(difference, names, better)
        how = "is better than" if better else "has more than"
        alone = f", by seed {difference.seeds[0]} alone" if len(difference.seeds) == 1 else ""
        return f"{ahead} {how} {behind} by {_size(difference, metric)} {difference_unit(metric)[1]}{alone}"
    return f"no difference shown between {first} and {second} {_why_not_shown(difference, metric)}"


def _constant(difference: Difference, metric: str) -> str:
    """Return why a pair is not tested: its difference is the same at every seed."""
    count, (factor, word) = len(difference.seeds), difference_unit(metric)
    if difference.mean == 0:
        return f"the same value at each of the {count} seeds"
    size = f"{abs(difference.mean) * factor:.3g} {word}"
    return f"they differ by {size} at each of the {count} seeds, so that no chance is seen to weigh it against"


def _why_not_shown(difference: Difference, metric: str) -> str:
    """Return why no difference is shown: the permutation test disagrees, or what would be needed."""
    factor, word = difference_unit(metric)
    measured = _measured(difference)
    if difference.holm <= 1 - LEVEL:
        return (
            f"{measured}: the t test finds one (p {p_value(difference.holm)}), "
            f"the permutation test does not (p {p_value(difference.flip_holm)})"
        )
    size = known(metric).smallest
    if size is None:
        return measured
    target = f"{size * factor:g} {word}"
    if max(abs(difference.low), abs(difference.high)) < size:
        return f"{measured}, nor is there room in the interval for one of {target}"
    if difference.seeds_error == 0:
        examples = compact(_examples_for(size, difference))
        return f"{measured}; about {examples} test examples would be needed to show {target}"
    needed = _seeds_for(size, difference)
    if needed == len(difference.seeds):
        return f"{measured}, with which one of {target} would be shown with a chance of {percent(POWER)} or more"
    if needed is None and _examples_for(size, difference) > difference.examples:
        examples = compact(_examples_for(size, difference))
        return f"{measured}; no number of seeds would show {target}: that takes about {examples} test examples"
    seen = abs(difference.mean)
    now = f", {_seeds_text(_seeds_for(seen, difference))} for the {seen * factor:.2g} {word} seen" if seen else ""
    return f"{measured}; {_seeds_text(needed)} would be needed to show {target}{now}"


def _measured(difference: Difference) -> str:
    """Return by how many seeds and test examples a difference was measured."""
    seeds = difference.seeds
    by_seeds = f"with {len(seeds)} seeds" if len(seeds) > 1 else f"by seed {seeds[0]} alone"
    if not difference.examples:
        return by_seeds
    return f"{by_seeds} {'and' if len(seeds) > 1 else 'with'} {compact(difference.examples)} test examples"


def _seeds_for(size: float, difference: Difference) -> int | None:
    """Return how many seeds would show a difference of `size` between a pair; None for more than anyone trains."""
    count, examples = len(difference.seeds), difference.examples_error**2 if difference.examples else 0.0
    about = {"deviation": difference.deviation, "pairs": difference.pairs, "least": count}
    return seeds_needed(size, **about, examples=examples, of=difference.examples)  # type: ignore[arg-type]


def _examples_for(size: float, difference: Difference) -> int:
    """Return how many test examples would show a difference of `size` between a pair, with seeds enough."""
    if not difference.examples:
        return 0
    return examples_needed(size, error=difference.examples_error, of=difference.examples, pairs=difference.pairs)


def _seeds_text(count: int | None) -> str:
    """Return a number of seeds in words."""
    return f"more than {compact(MAX_SEEDS)}" if count is None else f"about {count}"


def p_value(p: float) -> str:
    """Return a p value with two decimals, or three below 0.1; "<0.001" below that, – for nan."""
    if math.isnan(p):
        return "–"
    return "<" + NARROW_SPACE + "0.001" if p < 0.001 else f"{p:.2f}" if p >= 0.1 else f"{p:.3f}"


def permutation_caveat(differences: Sequence[Difference]) -> str:
    """Return a sentence on whether the permutation test had a vote, "" without such a test."""
    tested = [d for d in differences if not math.isnan(d.p) and (len(d.seeds) > 1 or d.votes)]
    mute = sorted({len(d.seeds) for d in tested if not d.votes})
    if not tested:
        return ""
    if not mute:
        return "The permutation test had a vote on each pair."
    enough = next(n for n in range(2, 64) if tested[0].pairs * 2.0 ** (1 - n) <= 1 - LEVEL)
    return (
        f"The permutation test had no vote where there are {' or '.join(map(str, mute))} seeds, with which its p is "
        f"never below {p_value(2.0 ** (1 - mute[-1]))}; from {enough} on it has one."
    )
