"""Say what a verdict rests on besides the nets: tuning, processors, and whether a net is better than a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from quartet.report.comparing.statistics import LEVEL
from quartet.report.drawing.numerals import plain
from quartet.report.run import ExperimentRuns, Run

UNTUNED = "untuned settings"
UNTUNED_NOTE = (
    "These are verdicts on untuned settings, not on architectures: no sweep chose the settings of all these nets with "
    "equally many trials, and one change of a setting can matter more than the difference between two nets."
)


@dataclass(frozen=True)
class Guess:
    """A net's test accuracy beside that of a guess, which names the commonest class of the test split always.

    `low` is the lower bound of the mean accuracy by Wilson's interval over the test examples.
    """

    accuracy: float
    low: float
    commonest: float

    @property
    def better(self) -> bool:
        """Whether the net is shown to be better than the guess."""
        return self.low > self.commonest


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
    """Return a classifier's accuracy beside a guess; None for other tasks, and without a confusion matrix."""
    from scipy.stats import binomtest

    values = list(experiment.values("test/accuracy").values())
    confusion = next((run.arrays["confusion"] for run in experiment.runs if "confusion" in run.arrays), None)
    if not values or confusion is None:
        return None
    accuracy, count = fmean(values), int(confusion.sum())
    low = float(binomtest(round(accuracy * count), count).proportion_ci(LEVEL, method="wilson").low)
    return Guess(accuracy, low, float(confusion.sum(1).max() / count))


def guess_notes(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return a note on each classifier that is not shown to be better than a guess."""
    return [
        f"{experiment.name} is no better than guessing: naming the commonest class always is right for "
        f"{plain(found.commonest)} of the test split, and its accuracy of {plain(found.accuracy)} is not shown to be "
        f"more ({LEVEL:.0%} interval from {plain(found.low)})."
        for experiment in experiments
        if (found := guess(experiment)) and not found.better
    ]
