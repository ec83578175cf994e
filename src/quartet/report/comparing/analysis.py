"""Build statistics.json: the numbers behind each verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from quartet.report.comparing.axes import axes
from quartet.report.comparing.caution import UNTUNED, devices, guess, tuned
from quartet.report.comparing.comparison import Comparison, comparisons
from quartet.report.comparing.costs import costs_entry
from quartet.report.comparing.covering import coverage
from quartet.report.comparing.crossings import axis_entry
from quartet.report.comparing.matched import Condition, matched
from quartet.report.comparing.power import POWER
from quartet.report.comparing.statistics import LEVEL, known
from quartet.report.comparing.verdict import verdict
from quartet.report.run import Run
from quartet.report.tasks import metric as about_metric


def analysis(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the content of statistics.json: for each task and data set its experiments, pairs and matched conditions.

    NaN and infinities are None.
    """
    return [_entry(comparison) for comparison in comparisons(runs)]


def _entry(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison's entry in statistics.json."""
    metric, names = comparison.metric, comparison.names
    better = {"max": "higher", "min": "lower", None: None}[comparison.better]
    measured = [(experiment, comparison.estimate(experiment)) for experiment in comparison.experiments]
    return {
        "task": comparison.task,
        "data": comparison.data,
        "metric": f"test/{metric}",
        "better": better,
        "level": LEVEL,
        "covers": coverage(comparison.differences),
        "power": POWER,
        "smallest_effect": about_metric(metric).smallest,
        "cells": [
            {
                "experiment": experiment.name,
                "seeds": list(experiment.values(f"test/{metric}")),
                **_known(asdict(estimated) if estimated else {}),
                **({"guess": _known(asdict(found))} if (found := guess(experiment)) else {}),
            }
            for experiment, estimated in measured
        ],
        "pairs": [
            {**_known(asdict(d)), "verdict": verdict(d, names=names, metric=metric, better=comparison.better)}
            for d in comparison.differences
        ],
        "settings": "tuned with equally many trials" if tuned(comparison.experiments) else UNTUNED,
        "devices": devices(comparison.experiments),
        "axes": [axis_entry(axis, f"test/{metric}") for axis in axes(comparison.experiments)],
        "costs": costs_entry(comparison),
        "verdicts": comparison.verdicts,
        "caveats": comparison.caveats,
        "matched": [_condition(condition) for condition in matched(comparison.experiments)]
        if comparison.contested
        else [],
    }


def _condition(condition: Condition) -> dict[str, Any]:
    """Return a condition under the keys of statistics.json."""
    return {"what": condition.name, "same": condition.same, "said": condition.text}


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for JSON, None for what it has no number for."""
    return {key: known(value) for key, value in fields.items()}
