"""The nets of one task on one data set beside each other: the only ones that may be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from quartet.report.comparing.matched import matched, mixed, unmatched
from quartet.report.comparing.statistics import (
    ANY,
    LEVEL,
    POWER,
    Difference,
    Estimate,
    differences,
    estimate,
    sampling_reach,
)
from quartet.report.comparing.verdict import permutation_caveat, verdict
from quartet.report.drawing.numerals import spread
from quartet.report.run import FAMILY_NAMES, Cell, Run, arrow, comparable, direction, metric_name
from quartet.report.tasks import about
from quartet.report.tasks import metric as known

FEW = 1000  # test examples; with fewer, an accuracy of 0.9 is known to two points at best


@dataclass(frozen=True)
class Comparison:
    """The cells of one (task, data), in the order in which they come; one cell alone has nothing to be compared with.

    `metric` (without its split) is the one that the verdicts go by, on test data.
    """

    task: str
    data: str
    cells: tuple[Cell, ...]
    metric: str
    differences: tuple[Difference, ...]

    @property
    def contested(self) -> bool:
        return len(self.cells) > 1

    @property
    def title(self) -> str:
        """What is compared by what: `classify on mnist1d, test accuracy ↑`."""
        return f"{self.task} on {self.data}, test {metric_name(self.metric)} {self.arrow}".strip()

    @property
    def better(self) -> Literal["max", "min"] | None:
        """Which way the metric is better."""
        return direction(self.metric, self.cells[0])

    @property
    def arrow(self) -> str:
        return arrow(self.metric, self.cells[0])

    @property
    def names(self) -> dict[str, str]:
        """The nets in words, by experiment: by their families where these tell them apart."""
        families = {str(cell["experiment"]): FAMILY_NAMES.get(cell.family) for cell in self.cells}
        distinct = None not in families.values() and len(set(families.values())) == len(families)
        return {name: f"the {family}" if distinct else name for name, family in families.items()}

    def estimate(self, cell: Cell, metric: str | None = None) -> Estimate | None:
        """A test metric of a cell over its seeds, None where it has none."""
        name = metric or self.metric
        values = list(cell.values(f"test/{name}").values())
        return estimate(values, between=known(name).between or ANY) if values else None

    @property
    def scores(self) -> list[str]:
        """What the verdicts are about: each net with its test metric."""
        values = {str(cell["experiment"]): cell.values(f"test/{self.metric}") for cell in self.cells}
        return [
            f"{name.removeprefix('the ')} {spread(list(values[experiment].values()))}"
            for experiment, name in self.names.items()
        ]

    @property
    def verdicts(self) -> list[str]:
        """A sentence a pair, those that show a difference first."""
        return [sentence(verdict(d, names=self.names, metric=self.metric, better=self.better)) for d in self.ordered]

    @property
    def ordered(self) -> list[Difference]:
        """The pairs as their verdicts are."""
        return sorted(self.differences, key=lambda difference: not difference.shown)

    @property
    def caveats(self) -> list[str]:
        """What belongs beside the verdicts: what was not matched, which runs are left out, what the tests rest on. Of a
        cell alone, only what is wrong with its runs."""
        if not self.contested:
            return [note for note in (mixed(self.cells), *self._left_out()) if note]
        notes = [unmatched(self.cells), *self._left_out(), self._few_examples(), permutation_caveat(self.differences)]
        return [note for note in notes if note]

    def _few_examples(self) -> str:
        """In words, that so few test examples say little of others, and how little where the metric is a share of them;
        '' where there are many, or nobody knows."""
        unit, sizes = self.cells[0].shown.sizes
        count = sizes.get("test", FEW)
        if unit != "examples" or count >= FEW:
            return ""
        told = f"The test split has {count} examples"
        shares = [about.mean for cell in self.cells if (about := self.estimate(cell))]
        if self.metric != "accuracy" or not shares:
            return f"{told}; no interval here covers what others would say."
        points = max(sampling_reach(share, count) for share in shares) * 100
        return f"{told}, by which an accuracy is known to ±{points:.2g} points at best; no interval here covers that."

    def _left_out(self) -> list[str]:
        """In words, the runs that could not take part: those without a finite value."""
        absent = {
            str(cell["experiment"]): [run.seed for run in cell.runs if f"test/{self.metric}" not in run.metrics]
            for cell in self.cells
        }
        what = f"no finite {metric_name(self.metric)} (not evaluated, or it diverged)"
        missing = [f"{name} has {what} for {_seeds(seeds)}." for name, seeds in absent.items() if seeds]
        twice = [cell for cell in self.cells if len({run.seed for run in cell.runs}) < len(cell.runs)]
        return missing + [f"{cell['experiment']} has several runs of one seed; the last is taken." for cell in twice]


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """The runs by (task, data), in the order in which these first come."""
    return [_comparison(task, data, tuple(group)) for (task, data), group in comparable(runs).items()]


def common_caveats(contested: Sequence[Comparison]) -> list[str]:
    """The caveats that several comparisons share, all of them: said once, for all."""
    first, *others = [comparison.caveats for comparison in contested] or [[]]
    return [said for said in first if others and all(said in caveats for caveats in others)]


def _comparison(task: str, data: str, group: tuple[Cell, ...]) -> Comparison:
    found = [cell.headline for cell in group if cell.values(f"test/{cell.headline}")]
    said = about(task)
    spoken_of = said.headline if said else ""
    metric = spoken_of if spoken_of in found or not found else found[0]
    values = {str(cell["experiment"]): cell.values(f"test/{metric}") for cell in group}
    return Comparison(task, data, group, metric, tuple(differences(values)) if len(group) > 1 else ())


def analysis(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The content of statistics.json: an entry a (task, data), with its cells, its pairs and what was matched; what is
    not known is None."""
    return [_entry(comparison) for comparison in comparisons(runs)]


def _entry(comparison: Comparison) -> dict[str, Any]:
    metric, names = comparison.metric, comparison.names
    better = {"max": "higher", "min": "lower", None: None}[comparison.better]
    measured = [(cell, comparison.estimate(cell)) for cell in comparison.cells]
    return {
        "task": comparison.task,
        "data": comparison.data,
        "metric": f"test/{metric}",
        "better": better,
        "level": LEVEL,
        "power": POWER,
        "smallest_effect": known(metric).smallest,
        "cells": [
            {
                "experiment": cell["experiment"],
                "seeds": list(cell.values(f"test/{metric}")),
                **_known(asdict(estimated) if estimated else {}),
            }
            for cell, estimated in measured
        ],
        "pairs": [
            {**_known(asdict(d)), "verdict": verdict(d, names=names, metric=metric, better=comparison.better)}
            for d in comparison.differences
        ],
        "verdicts": comparison.verdicts,
        "caveats": comparison.caveats,
        "matched": [asdict(condition) for condition in matched(comparison.cells)] if comparison.contested else [],
    }


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for nan."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in fields.items()
    }


def sentence(said: str) -> str:
    """With a capital and a full stop; an experiment's name keeps its own spelling."""
    return (said[0].upper() + said[1:] if said.startswith(("the ", "no ")) else said) + "."


def _seeds(seeds: Sequence[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
