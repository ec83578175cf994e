"""Forecast which net is ahead with more training or more data, and put it into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from quartet.report.drawing.numerals import NARROW_SPACE, duration, plain
from quartet.report.extrapolating.curve import LEVEL, Curve, crossing, winner
from quartet.report.extrapolating.fitting import fit
from quartet.report.run import metric_name

FACTORS = (4, 10)  # times the largest cost that was measured
SECONDS = "seconds of training"
Names = Mapping[str, str]
CAUTION = (
    f"These are forecasts from a few short runs. Their {LEVEL:.0%} intervals are for the mean of as many runs, and "
    "were shown to hold on made-up learning curves only, not yet on withheld runs."
)


@dataclass(frozen=True)
class Forecast:
    """What nets reach at `factor` times the largest cost, which is `at`: by experiment `(low, middle, high)`.

    `winner` is None where it cannot be said which net is best.
    """

    factor: int
    at: float
    scores: Mapping[str, tuple[float, float, float]]
    winner: str | None


@dataclass(frozen=True)
class Overtaking:
    """At which cost `first`, which is ahead at the largest measured one, is overtaken by `second`."""

    first: str
    second: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """What more of a cost brings.

    Attributes:
        title, unit: of the cost. largest: that was measured. curves: of the nets whose scores allow one.
        left_out: the others.
    """

    title: str
    unit: str
    largest: float
    curves: Mapping[str, Curve]
    left_out: tuple[str, ...]
    forecasts: tuple[Forecast, ...]
    overtakings: tuple[Overtaking, ...]

    def facts(self) -> dict[str, Any]:
        """Return the outlook for JSON."""
        return {
            "along": self.title,
            "unit": self.unit,
            "level": LEVEL,
            "left_out": list(self.left_out),
            "laws": {name: curve.form for name, curve in self.curves.items()},
            "forecasts": [
                {
                    "factor": one.factor,
                    "at": one.at,
                    "winner": one.winner,
                    "scores": {
                        name: dict(zip(("low", "middle", "high"), scores, strict=True))
                        for name, scores in one.scores.items()
                    },
                }
                for one in self.forecasts
            ],
            "overtakings": [vars(one) for one in self.overtakings],
        }


def outlook(
    lines: Mapping[str, Mapping[float, Sequence[float]]], *, title: str, unit: str, better: Literal["max", "min"]
) -> Outlook:
    """Return what more of a cost brings the nets whose scores by cost are `lines`.

    No winner is named where a net's scores allow no forecast: it might be that net.
    """
    fitted = {name: fit(line, better=better) for name, line in lines.items()}
    curves = {name: curve for name, curve in fitted.items() if curve is not None}
    left_out = tuple(name for name, curve in fitted.items() if curve is None)
    largest = max((curve.largest for curve in curves.values()), default=0.0)
    forecasts = []
    for factor in FACTORS if curves else ():
        at = factor * largest
        scores = {name: curve.predict(at) for name, curve in curves.items()}
        best = None if left_out or len(curves) < 2 else winner(curves, at, better)
        forecasts.append(Forecast(factor, at, scores, best))
    return Outlook(title, unit, largest, curves, left_out, tuple(forecasts), tuple(overtakings(curves, largest)))


def overtakings(curves: Mapping[str, Curve], largest: float) -> list[Overtaking]:
    """Return which nets change places between the largest cost and the furthest forecast."""
    found = []
    for first, second in combinations(curves, 2):
        one, other = curves[first], curves[second]
        if places := crossing(one, other, until=FACTORS[-1] * largest):
            ahead = (one.predict(largest)[1] > other.predict(largest)[1]) == (one.better == "max")
            found.append(Overtaking(*((first, second) if ahead else (second, first)), *places))
    return found


def sentences(of: Outlook, *, names: Names, monitor: str) -> list[str]:
    """Return the outlook in sentences; `names`: the nets in words, by experiment. `monitor`: the metric of scores."""
    said = [_forecast(one, of, names, monitor) for one in of.forecasts]
    for one in of.overtakings:
        first, second = names.get(one.first, one.first), names.get(one.second, one.second)
        low, middle, high = (_place(at, of) for at in (one.low, one.middle, one.high))
        suffix = f" of {of.title}" if of.unit == SECONDS else ""
        where = f"{middle}{suffix} ({LEVEL:.0%} interval {low} to {high})"
        said.append(f"{_capital(second)} overtakes {first} at about {where}.")
    if of.left_out:
        nets = ", ".join(names.get(name, name) for name in of.left_out)
        said.append(
            f"No winner can be named with more {of.title}: the scores of {nets} allow no forecast, as they are fewer "
            "than three points or get worse."
        )
    return said


def _forecast(one: Forecast, of: Outlook, names: Names, monitor: str) -> str:
    """Return one forecast as a sentence: the winner if there is one, then what each net reaches."""
    order = sorted(one.scores, key=lambda name: one.scores[name][1])
    if next(iter(of.curves.values())).better == "max":
        order.reverse()
    reached = [
        f"{names.get(name, name)} {plain(middle)} ({plain(low)} to {plain(high)})"
        for name in order
        for low, middle, high in [one.scores[name]]
    ]
    where = f" ({duration(one.at)})" if of.unit == SECONDS else ""
    head = f"With {one.factor} times the {of.title}{where}"
    if len(one.scores) == 1:
        verdict = ""
    elif one.winner is None:
        verdict = " it cannot be said which net is best;"
    else:
        verdict = f" {names.get(one.winner, one.winner)} is likely to be the best;"
    return f"{head}{verdict or ','} validation {metric_name(monitor)} of {', '.join(reached)}."


def clause(outlooks: Sequence[Outlook], taken: str, *, names: Names) -> str:
    """Return for the headline which net is likely to overtake the one that is `taken`, and with what; "" for none."""
    for of in outlooks:
        for one in of.forecasts:
            if one.winner not in (None, taken):
                winner_name = names.get(str(one.winner), str(one.winner))
                return f"with {one.factor} times the {of.title} {winner_name} is likely to overtake it"
    return ""


def _place(at: float, of: Outlook) -> str:
    """Return a cost in words: as a time, or as a multiple of the largest one measured."""
    return duration(at) if of.unit == SECONDS else f"{at / of.largest:.2g}{NARROW_SPACE}times the {of.title}"


def _capital(text: str) -> str:
    """Return a text with a capital; an experiment's name keeps its spelling."""
    return "T" + text[1:] if text.startswith("the ") else text
