"""What the report says of a task and its metrics: one file for each, found by the task's name.

A task without a file is shown all the same: in the words of its name, by the metric that its weights are chosen by.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from quartet.report.tasks.facts import About, Metric

__all__ = ["About", "Metric", "abbreviation", "about", "metric", "watched"]


@cache
def about(task: str) -> About | None:
    """Return what is said of a task, None where it has no file."""
    return dict(_files()).get(task)


@cache
def metric(name: str) -> Metric:
    """Return what is known of a metric, by its name without the split; of an unknown one, nothing."""
    return next((said.metrics[name] for _, said in _files() if name in said.metrics), Metric())


@cache
def abbreviation(word: str) -> str:
    """Return a word of a metric's name as it is written, as `bleu` is BLEU."""
    return next((said.abbreviations[word] for _, said in _files() if word in said.abbreviations), word)


@cache
def watched() -> frozenset[str]:
    """Return the metrics whose curves are drawn among the first."""
    return frozenset(name for _, said in _files() for name, known in said.metrics.items() if known.watched)


def _files() -> Iterator[tuple[str, About]]:
    for file in iter_modules(__path__):
        if (said := getattr(import_module(f"{__name__}.{file.name}"), "ABOUT", None)) is not None:
            yield file.name, said
