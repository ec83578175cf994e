"""Compare what nets cost: to train, in time, operations and money, and to serve, in time and bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from quartet.report.comparing.comparison import Comparison
from quartet.report.comparing.matched import CLOCK_TOLERANCE, TOLERANCE, label
from quartet.report.drawing.numerals import NARROW_SPACE, compact, duration, plain
from quartet.report.run import ExperimentRuns, finite


@dataclass(frozen=True)
class Cost:
    """One cost: its name, the relative difference up to which nets count as matched, and how it is written."""

    name: str
    tolerance: float
    text: Callable[[object], str]


@dataclass(frozen=True)
class Point:
    """One net: its mean cost and quality, and both of each seed."""

    name: str
    family: str
    cost: float
    quality: float
    seeds: tuple[tuple[float, float], ...]


def milliseconds(value: object) -> str:
    """Return milliseconds with three digits and their unit: 870 µs, 5.2 ms, 1.4 s."""
    if not isinstance(value, int | float) or not finite(value):
        return "–"
    if value >= 1000:
        return duration(value / 1000)
    return f"{compact(1000 * value)}{NARROW_SPACE}µs" if value < 1 else f"{compact(value)}{NARROW_SPACE}ms"


def size(value: object) -> str:
    """Return bytes with three digits and their unit: 628 kB."""
    if not isinstance(value, int | float) or not finite(value):
        return "–"
    return f"{compact(value)}B" if value >= 999.5 else f"{compact(value)}{NARROW_SPACE}B"


# By their keys in a run's record; for each, less is better.
COSTS = {
    "parameters": Cost("parameters", TOLERANCE, compact),
    "flops": Cost("FLOPs per sample", TOLERANCE, compact),
    "train_seconds": Cost("seconds of training", CLOCK_TOLERANCE, duration),
    "latency_ms_1": Cost("milliseconds an answer", CLOCK_TOLERANCE, milliseconds),
    "latency_ms_64": Cost("milliseconds for a batch of 64", CLOCK_TOLERANCE, milliseconds),
    "bytes": Cost("bytes on disk", TOLERANCE, size),
}
SERVING = ("latency_ms_1", "latency_ms_64", "throughput_64", "bytes")
HEAD = ("experiment", "one answer", "a batch of 64", "answers / s", "on disk")
MONEY = "money"
SERVED = "What serving costs: medians over repeated requests to the exported model, means over seeds."
PRICED = "The money is the mean time of training at that price, without trials, data and evaluation."


def measured_points(comparison: Comparison, cost: str) -> list[Point]:
    """Return the nets that have both the cost and the test metric, over the seeds that have both."""
    points = []
    for experiment in comparison.experiments:
        qualities, costs = experiment.values(f"test/{comparison.metric}"), experiment.numbers(cost)
        seeds = tuple((costs[seed], qualities[seed]) for seed in qualities if seed in costs)
        if seeds:
            mean_cost, quality = (fmean(values) for values in zip(*seeds, strict=True))
            points.append(
                Point(label(experiment, comparison.experiments), experiment.family, mean_cost, quality, seeds)
            )
    return points


def front(points: Sequence[Point], *, rising: bool) -> list[Point]:
    """Return the points that no other point dominates, by their means, the cheapest first. `rising`: higher is
    better."""
    sign = 1 if rising else -1

    def dominated(point: Point) -> bool:
        return any(
            other.cost <= point.cost
            and sign * other.quality >= sign * point.quality
            and (other.cost, other.quality) != (point.cost, point.quality)
            for other in points
        )

    return sorted((point for point in points if not dominated(point)), key=lambda point: point.cost)


def cost_table(experiments: Sequence[ExperimentRuns]) -> tuple[str, tuple[str, ...], list[list[str]]]:
    """Return caption, head and rows of the table of costs, no rows where none was measured and no price given."""
    prices = dict.fromkeys(f"{run['price']:g}" for one in experiments for run in one.runs if finite(run["price"]))
    known = any(experiment.numbers(key) for experiment in experiments for key in SERVING)
    head = (HEAD if known else HEAD[:1]) + ((f"training at {', '.join(prices)} an hour",) if prices else ())
    caption = " ".join([*([SERVED] if known else []), *([PRICED] if prices else [])])
    rows = [_row(experiment, known=known, priced=bool(prices)) for experiment in experiments]
    return caption, head, rows if known or prices else []


def _row(experiment: ExperimentRuns, *, known: bool, priced: bool) -> list[str]:
    """Return an experiment's row in the table of costs."""
    texts = (milliseconds, milliseconds, compact, size)
    found = {key: mean_of(experiment, key) for key in (*SERVING, MONEY)}
    served = [text(found[key]) for key, text in zip(SERVING, texts, strict=True)] if known else []
    return [str(experiment.name), *served, *([plain(found[MONEY])] if priced else [])]


def mean_of(experiment: ExperimentRuns, key: str) -> float | None:
    """Return the mean over seeds of a number of the record, None where no seed has it."""
    values = list(experiment.numbers(key).values())
    return fmean(values) if values else None


def cost_notes(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return sentences on the costs of serving: the machine, a load on it, and what was not measured.

    Return none where nothing was measured and nobody tried.
    """
    about = {str(experiment.name): [run["cost"] or {} for run in experiment.runs] for experiment in experiments}
    measured = [one for costs in about.values() for one in costs if "processor" in one]
    notes = _machines(measured)
    busy = [name for name, costs in about.items() if any(one.get("busy") for one in costs)]
    if busy:
        notes.append(
            f"The machine was busy while {', '.join(busy)} {'was' if len(busy) == 1 else 'were'} timed, so that these "
            "times are too long: evaluate again when nothing else runs."
        )
    reckoned = [name for name, costs in about.items() if any(one.get("latency_ms_64_of", 64) < 64 for one in costs)]
    if reckoned:
        notes.append(f"A batch of 64 is a multiple of a smaller one, which took long, of {', '.join(reckoned)}.")
    for name, costs in about.items():
        reasons = dict.fromkeys(one["left_out"] for one in costs if "left_out" in one)
        if measured or any(reason != "not asked for" for reason in reasons):
            notes += [f"What serving {name} costs was not measured: {reason}." for reason in reasons]
    return notes


def _machines(measured: Sequence[dict[str, Any]]) -> list[str]:
    """Return a sentence on the machines of the measurements, none without any."""
    machines = dict.fromkeys(f"{one['processor']}, {_threads(one['threads'])}" for one in measured)
    if len(machines) < 2:
        return [f"Serving was timed on {machine}: other machines have other times." for machine in machines]
    return [f"Serving was timed on different machines, whose times do not compare: {'; '.join(machines)}."]


def _threads(count: object) -> str:
    """Return a number of threads in words."""
    return "1 thread" if count == 1 else f"{count} threads"


def costs_entry(comparison: Comparison) -> dict[str, Any]:
    """Return the costs for statistics.json: each experiment's means, the nets on each front, and the notes."""
    keys = (*COSTS, "throughput_64", MONEY)
    rising = comparison.better == "max"
    fronts = {
        key: [point.name for point in front(points, rising=rising)]
        for key in COSTS
        if comparison.better is not None and len(points := measured_points(comparison, key)) > 1
    }
    means = [
        {"experiment": experiment.name, **{key: mean_of(experiment, key) for key in keys}}
        for experiment in comparison.experiments
    ]
    return {"means": means, "fronts": fronts, "notes": cost_notes(comparison.experiments)}
