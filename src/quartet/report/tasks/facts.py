"""Define the facts about a task and about a metric, as words and numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The facts about a metric.

    Args:
        better: whether more ("max") or less ("min") is better, None for neither.
        between: the lowest and highest possible value: the interval of a mean stays within.
        smallest: the smallest difference that matters for the choice of a net: "seeds needed" refers to it.
        unit: the factor for differences, and the word that follows them.
        guess: the value that a guess would reach, drawn as a dashed line.
        watched: whether its curve is among the first.
    """

    better: Literal["max", "min"] | None = None
    between: tuple[float, float] | None = None
    smallest: float | None = None
    unit: tuple[float, str] | None = None
    guess: float | None = None
    watched: bool = False


@dataclass(frozen=True, kw_only=True)
class About:
    """The facts about a task.

    Args:
        headline: its main metric.
        question: the question that it asks, a heading.
        does: a sentence on what a `{net}` does.
        shows: a sentence on what the evidence shows, on `{data}`.
        metrics: the facts about each metric, by its name without the split.
        abbreviations: words of these names in their usual spelling.
    """

    headline: str
    question: str
    does: str
    shows: str
    metrics: Mapping[str, Metric]
    abbreviations: Mapping[str, str] = field(default_factory=dict)
