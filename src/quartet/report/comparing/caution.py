"""Say what a verdict rests on besides the nets: tuning, processors, and whether a net is better than a guess."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from quartet.report.comparing.statistics import LEVEL, UNBOUNDED, estimate, stacked
from quartet.report.drawing.numerals import plain
from quartet.report.run import ExperimentRuns, Run, direction, finite, metric_name
from quartet.report.tasks import metric as known

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
        score: the net's, as the mean over seeds, nan where a seed has none that is finite; value: the guess's.
        by: the guess, in words.
        low, high: the score's interval over the test examples; None where no score of each is kept, as of a FID.
        better: whether the net is better than the guess: beyond that interval, and without one in each seed.
        mode: "max" where more of the metric is better, "min" where less is.
    """

    metric: str
    score: float
    value: float
    by: str
    low: float | None
    high: float | None
    better: bool
    mode: Literal["max", "min"] = "max"

    @property
    def doubt(self) -> str:
        """In which way the score is no better than the guess, in words."""
        bound, ending, word = (self.low, "from", "more") if self.mode == "max" else (self.high, "up to", "less")
        if not finite(self.score):
            return "not a number"
        if bound is None:
            return "no better"
        return f"not shown to be {word} ({LEVEL:.0%} interval {ending} {plain(bound)})"


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
    """Return a net's test metric beside that of its task's guess; None for a run without one.

    The weights of each seed are there to be used as they are: what counts is chance in the test examples alone.
    """
    told = {run.seed: run.texts["guess"] for run in experiment.runs if "guess" in run.texts}
    if not told:
        return _commonest_class(experiment)
    metric, by = (next(iter(told.values()))[key] for key in ("metric", "by"))
    mode, values = direction(metric, experiment), experiment.values(f"test/{metric}")
    guessed = {seed: one["value"] for seed, one in told.items() if finite(one["value"])}
    if not guessed or mode is None:
        return None
    value, sign = fmean(guessed.values()), 1 if mode == "max" else -1
    if guessed.keys() - values.keys():
        return Guess(metric, math.nan, value, by, None, None, better=False, mode=mode)
    low, high = _interval(experiment, metric, values)
    if low is None or high is None:
        better = all(sign * values[seed] > sign * one for seed, one in guessed.items())
    else:
        better = low > value if mode == "max" else high < value
    return Guess(metric, fmean(values.values()), value, by, low, high, better, mode)


def _interval(
    experiment: ExperimentRuns, metric: str, values: Mapping[int, float]
) -> tuple[float, float] | tuple[None, None]:
    """Return the interval, over test examples, of the mean of the seeds' `values`; None without scores of these."""
    scores_SN = stacked(experiment.scores(metric), list(values))
    if scores_SN is None:
        return None, None
    between = known(metric).between or UNBOUNDED
    found = estimate([fmean(values.values())], between=between, scores_SN=scores_SN.mean(0, keepdims=True))
    return (found.low, found.high) if finite(found.low) else (None, None)


def _commonest_class(experiment: ExperimentRuns) -> Guess | None:
    """Return a classifier's accuracy beside that of the commonest class; None without a confusion matrix."""
    from scipy.stats import binomtest

    values = list(experiment.values("test/accuracy").values())
    confusion = next((run.arrays["confusion"] for run in experiment.runs if "confusion" in run.arrays), None)
    if not values or confusion is None:
        return None
    accuracy, count = fmean(values), int(confusion.sum())
    interval = binomtest(round(accuracy * count), count).proportion_ci(LEVEL, method="wilson")
    commonest, (low, high) = float(confusion.sum(1).max() / count), map(float, interval)
    return Guess("accuracy", accuracy, commonest, "the commonest class, named always", low, high, low > commonest)


def guess_notes(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return a note on each net that is not shown to be better than a guess."""
    return [
        f"{experiment.name} is no better than guessing: {found.by} has a test {metric_name(found.metric)} of "
        f"{plain(found.value)}, and its own of {plain(found.score)} is {found.doubt}."
        for experiment in experiments
        if (found := guess(experiment)) and not found.better
    ]
