"""Describe tasks and their metrics for the report: one file for each task, found by its name.

The report shows a task without a file too: by its name and by the metric that chose which checkpoint to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from quartet.report.tasks.facts import About, Metric

__all__ = ["About", "Metric", "abbreviation", "about", "headlines", "metric", "watched"]


@cache
def about(task: str) -> About | None:
    """Return the facts about a task, None for one without a file."""
    return dict(_files()).get(task)


@cache
def metric(name: str) -> Metric:
    """Return the facts about a metric, by its name without the split; an empty `Metric` for an unknown one."""
    return next((facts.metrics[name] for _, facts in _files() if name in facts.metrics), Metric())


@cache
def abbreviation(word: str) -> str:
    """Return a word of a metric's name in its usual spelling: `bleu` → BLEU."""
    return next((facts.abbreviations[word] for _, facts in _files() if word in facts.abbreviations), word)


@cache
def watched() -> frozenset[str]:
    """Return the metrics whose curves come first."""
    return frozenset(name for _, facts in _files() for name, known in facts.metrics.items() if known.watched)


def headlines() -> list[str]:
    """Return the main metric of each task that has a file."""
    return [facts.headline for _, facts in _files()]


def _files() -> Iterator[tuple[str, About]]:
    """Yield each task with its facts."""
    for file in iter_modules(__path__):
        if (facts := getattr(import_module(f"{__name__}.{file.name}"), "ABOUT", None)) is not None:
            yield file.name, facts
