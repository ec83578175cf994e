"""What can be said of a task and of a metric: words and numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is known of a metric.

    Args:
        better: which way it is better, None where neither is.
        between: the least and the most that it can be: the interval of a mean goes no further.
        smallest: the smallest difference that would matter to someone who chooses a net.
        unit: what a difference is multiplied by before it is read, and the word that follows it.
        guess: what a guess would come to, drawn as a dashed line.
        watched: whether its curve is drawn among the first.
    """

    better: Literal["max", "min"] | None = None
    between: tuple[float, float] | None = None
    smallest: float | None = None
    unit: tuple[float, str] | None = None
    guess: float | None = None
    watched: bool = False


@dataclass(frozen=True, kw_only=True)
class About:
    """What the report says of a task.

    Args:
        headline: the metric by which it is spoken of.
        question: what it asks.
        does: what a `{net}` does.
        shows: what is shown of it, on `{data}`.
        metrics: by their names without the split.
        abbreviations: words of these names as they are written.
    """

    headline: str
    question: str
    does: str
    shows: str
    metrics: Mapping[str, Metric]
    abbreviations: Mapping[str, str] = field(default_factory=dict)
