"""Keep the nets whose costs are within given limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quartet.report.comparing.costs import mean_of, milliseconds, size
from quartet.report.drawing.numerals import compact, duration, plain
from quartet.report.run import ExperimentRuns


@dataclass(frozen=True)
class Limit:
    """One kind of limit: the number of a run that it bounds, its name, how it is written, and from which side."""

    key: str
    name: str
    text: Callable[[object], str]
    floor: bool = False


LIMITS = {
    "latency_ms": Limit("latency_ms_1", "the time of one answer", milliseconds),
    "latency_ms_1": Limit("latency_ms_1", "the time of one answer", milliseconds),
    "latency_ms_64": Limit("latency_ms_64", "the time of a batch of 64", milliseconds),
    "throughput_64": Limit("throughput_64", "the answers a second", compact, floor=True),
    "bytes": Limit("bytes", "the size on disk", size),
    "parameters": Limit("parameters", "the number of parameters", compact),
    "flops": Limit("flops", "the FLOPs per sample", compact),
    "train_seconds": Limit("train_seconds", "the time of training", duration),
    "money": Limit("money", "the price of training", plain),
}


def satisfying(
    experiments: Sequence[ExperimentRuns], limits: Mapping[str, float], *, slack: float = 0.0
) -> tuple[list[ExperimentRuns], dict[str, str]]:
    """Return the experiments within all of the `limits`, and for each other one, by its name, a sentence why not.

    Args:
        limits: by the keys of LIMITS, in milliseconds, bytes, seconds or counts; means over seeds are compared. Each is
            the most that a net may cost, but for `throughput_64` the least that it must give.
        slack: the share by which a limit may be missed, as 0.02 where `match` sets a size within 2 %.

    A net whose cost is not known is left out: it may be within the limit, but nobody has measured. KeyError for a limit
    of an unknown kind.
    """
    kept, reasons = [], {}
    for experiment in experiments:
        missed = [text for key, most in limits.items() if (text := _missed(experiment, LIMITS[key], most, slack))]
        if missed:
            reasons[str(experiment.name)] = f"{experiment.name}: {'; '.join(missed)}."
        else:
            kept.append(experiment)
    return kept, reasons


def _missed(experiment: ExperimentRuns, limit: Limit, bound: float, slack: float) -> str:
    """Return how an experiment misses a limit, "" where it keeps it."""
    value = mean_of(experiment, limit.key)
    if value is None:
        reasons = dict.fromkeys((run["cost"] or {}).get("left_out") for run in experiment.runs)
        why = ", ".join(reason for reason in reasons if reason)
        return f"{limit.name} is not known" + (f" ({why})" if why else "")
    if limit.floor:
        return "" if value >= bound * (1 - slack) else f"{_verb(limit, value)}, fewer than {limit.text(bound)}"
    return "" if value <= bound * (1 + slack) else f"{_verb(limit, value)}, more than {limit.text(bound)}"


def _verb(limit: Limit, value: float) -> str:
    """Return a limited number with its value."""
    return f"{limit.name} {'are' if limit.name.split()[1] in ('answers', 'FLOPs') else 'is'} {limit.text(value)}"
