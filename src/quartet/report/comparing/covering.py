"""Say which sources of chance the intervals of a comparison cover: seeds, test examples, or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quartet.report.chance.chance import BOTH, EXAMPLES, SEEDS
from quartet.report.comparing.statistics import Difference, Estimate
from quartet.report.run import ExperimentRuns

if TYPE_CHECKING:
    import numpy as np

WHAT_FOR = {
    BOTH: "They say what other seeds would find on other test data of the same kind.",
    SEEDS: "They say what other seeds would find on the same test examples, not on others.",
    EXAMPLES: "They say what these very nets would reach on other test data of the same kind, not what other seeds "
    "would find.",
}


def comparable_scores(experiments: Sequence[ExperimentRuns], metric: str) -> dict[str, dict[int, np.ndarray]]:
    """Return the scores of single test examples by experiment and seed, where all runs saw the same data; else none."""
    if len({run["data_digest"] for experiment in experiments for run in experiment.runs}) > 1:
        return {}
    return {str(experiment.name): experiment.scores(metric) for experiment in experiments}


def coverage(found: Sequence[Difference | Estimate]) -> str:
    """Return what intervals cover, in words: "seeds and test examples"; several where they differ; "" for none."""
    counted = Counter(one.covers for one in found if one.covers)
    if len(counted) < 2:
        return next(iter(counted), "")
    return ", ".join(f"{covers} ({count} of {counted.total()})" for covers, count in counted.most_common())


def coverage_note(found: Sequence[Difference | Estimate]) -> str:
    """Return a sentence on what the intervals of verdicts cover, and what they say by that; "" without intervals."""
    covers = coverage(found)
    meaning = f" {WHAT_FOR[covers]}" if covers in WHAT_FOR else ""
    return f"The intervals cover {covers}.{meaning}" if covers else ""
