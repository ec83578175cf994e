"""Say what a verdict rests on besides the nets: tuning, processors, and whether a net is better than a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from quartet.report.comparing.statistics import LEVEL
from quartet.report.drawing.numerals import plain
from quartet.report.run import ExperimentRuns, Run, direction, metric_name

UNTUNED = "untuned settings"
UNTUNED_NOTE = (
    "These are verdicts on untuned settings, not on architectures: no sweep chose the settings of all these nets with "
    "equally many trials, and one change of a setting can matter more than the difference between two nets."
)


@dataclass(frozen=True)
class Guess:
    """A net's test metric beside that of a guess, which needs no training.

    Attributes:
        metric: its name, without the split.
        score: the net's, as the mean over seeds; value: the guess's.
        by: the guess, in words.
        low: for an accuracy, the lower bound of the score by Wilson's interval over the test examples; else None.
        better: whether the net is better than the guess, for an accuracy beyond that interval.
    """

    metric: str
    score: float
    value: float
    by: str
    low: float | None
    better: bool


def tuned(experiments: Sequence[ExperimentRuns]) -> bool:
    """Tell whether sweeps chose the settings of all runs, with equally many trials."""
    trials = {run["tuning_trials"] for experiment in experiments for run in experiment.runs}
    return len(trials) == 1 and all(trials)


def untuned_note(experiments: Sequence[ExperimentRuns]) -> str:
    """Return the note on settings that nobody tuned, "" where all were tuned alike."""
    return "" if tuned(experiments) else UNTUNED_NOTE


def device_text(run: Run) -> str | None:
    """Return the processor that trained a run, its vector instructions and threads; None where it is not recorded."""
    facts = run["trained_on"] or {}
    device = facts.get("device") or run["device"]
    if not device:
        return None
    threads = facts.get("threads")
    parts = [device, facts.get("cpu_capability"), threads and f"{threads} thread{'s' * (threads > 1)}"]
    return ", ".join(str(part) for part in parts if part)


def devices(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return the processors of all runs in order of first appearance; "not recorded" for runs that do not say."""
    return list(dict.fromkeys(device_text(run) or "not recorded" for e in experiments for run in e.runs))


def mixed_devices_note(experiments: Sequence[ExperimentRuns]) -> str:
    """Return a warning where the runs come from several processors, else ""."""
    found = devices(experiments)
    if len(found) < 2:
        return ""
    return f"The runs come from several processors ({'; '.join(found)}): times do not compare, and last digits differ."


def guess(experiment: ExperimentRuns) -> Guess | None:
    """Return a net's test metric beside that of its task's guess; None for a run without one."""
    told = next((run.texts["guess"] for run in experiment.runs if "guess" in run.texts), None)
    if told is None:
        return _commonest_class(experiment)
    values = list(experiment.values(f"test/{told['metric']}").values())
    if not values:
        return None
    score, value = fmean(values), float(told["value"])
    better = score > value if direction(told["metric"], experiment) == "max" else score < value
    return Guess(told["metric"], score, value, told["by"], None, better)


def _commonest_class(experiment: ExperimentRuns) -> Guess | None:
    """Return a classifier's accuracy beside that of the commonest class; None without a confusion matrix."""
    from scipy.stats import binomtest

    values = list(experiment.values("test/accuracy").values())
    confusion = next((run.arrays["confusion"] for run in experiment.runs if "confusion" in run.arrays), None)
    if not values or confusion is None:
        return None
    accuracy, count = fmean(values), int(confusion.sum())
    low = float(binomtest(round(accuracy * count), count).proportion_ci(LEVEL, method="wilson").low)
    commonest = float(confusion.sum(1).max() / count)
    return Guess("accuracy", accuracy, commonest, "the commonest class, named always", low, low > commonest)


def guess_notes(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return a note on each net that is not shown to be better than a guess."""
    return [
        f"{experiment.name} is no better than guessing: {found.by} has a test {metric_name(found.metric)} of "
        f"{plain(found.value)}, and its own of {plain(found.score)} is {_not_better(found)}."
        for experiment in experiments
        if (found := guess(experiment)) and not found.better
    ]


def _not_better(found: Guess) -> str:
    """Return in which way a score is no better than the guess."""
    if found.low is None:
        return "no better"
    return f"not shown to be more ({LEVEL:.0%} interval from {plain(found.low)})"
