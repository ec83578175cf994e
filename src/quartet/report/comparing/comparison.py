"""Compare the nets of one task on one data set; nothing compares across tasks or data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from quartet.report.comparing.axes import axis_pairs, point_names
from quartet.report.comparing.caution import (
    guess_notes,
    mixed_devices_note,
    untuned_note,
)
from quartet.report.comparing.covering import comparable_scores, coverage, coverage_note
from quartet.report.comparing.matched import mixed, unmatched
from quartet.report.comparing.statistics import (
    UNBOUNDED,
    Difference,
    Estimate,
    differences,
    estimate,
    sampling_error,
    stacked,
)
from quartet.report.comparing.verdict import permutation_caveat, verdict
from quartet.report.drawing.numerals import spread
from quartet.report.run import (
    FAMILY_NAMES,
    ExperimentRuns,
    Run,
    arrow,
    comparable_experiments,
    direction,
    metric_name,
)
from quartet.report.tasks import about
from quartet.report.tasks import metric as known

FEW_EXAMPLES = 1000  # in a test split; with fewer, an accuracy of 0.9 has an error of two points or more


@dataclass(frozen=True)
class Comparison:
    """The experiments of one task and data set, in order; a single experiment has nothing to compare with.

    `metric` (without its split) decides the verdicts, on test data.
    """

    task: str
    data: str
    experiments: tuple[ExperimentRuns, ...]
    metric: str
    differences: tuple[Difference, ...]

    @property
    def contested(self) -> bool:
        """Whether there are several experiments."""
        return len(self.experiments) > 1

    @property
    def title(self) -> str:
        """Task, data and metric: `classify on mnist1d, test accuracy ↑`."""
        return f"{self.task} on {self.data}, test {metric_name(self.metric)} {self.arrow}".strip()

    @property
    def better(self) -> Literal["max", "min"] | None:
        """Whether more ("max") or less ("min") of the metric is better; None for neither."""
        return direction(self.metric, self.experiments[0])

    @property
    def arrow(self) -> str:
        """↑ where more of the metric is better, ↓ where less is, else ""."""
        return arrow(self.metric, self.experiments[0])

    @property
    def names(self) -> dict[str, str]:
        """The nets in words, by experiment: their families where these are unique, else the experiments' names."""
        if points := point_names(self.experiments):
            return points
        families = {str(experiment.name): FAMILY_NAMES.get(experiment.family) for experiment in self.experiments}
        distinct = None not in families.values() and len(set(families.values())) == len(families)
        return {name: f"the {family}" if distinct else name for name, family in families.items()}

    def estimate(self, experiment: ExperimentRuns, metric: str | None = None) -> Estimate | None:
        """Return mean and interval of an experiment's test metric, None without values."""
        name = metric or self.metric
        values = experiment.values(f"test/{name}")
        if not values:
            return None
        scores_SN = stacked(experiment.scores(name), list(values))
        return estimate(list(values.values()), between=known(name).between or UNBOUNDED, scores_SN=scores_SN)

    @property
    def nets_caption(self) -> str:
        """The caption of the table of nets, which says what its intervals cover."""
        covers = coverage([found for experiment in self.experiments if (found := self.estimate(experiment))])
        ending = f", which covers {covers}" if covers else ""
        return f"Mean ± standard deviation over seeds, and the interval of the mean{ending}."

    @property
    def scores(self) -> list[str]:
        """Each net with its test metric."""
        values = {str(experiment.name): experiment.values(f"test/{self.metric}") for experiment in self.experiments}
        return [
            f"{name.removeprefix('the ')} {spread(list(values[experiment].values()))}"
            for experiment, name in self.names.items()
        ]

    @property
    def verdicts(self) -> list[str]:
        """A sentence for each pair, shown differences first."""
        return [sentence(verdict(d, names=self.names, metric=self.metric, better=self.better)) for d in self.ordered]

    @property
    def ordered(self) -> list[Difference]:
        """The pairs, shown differences first."""
        return sorted(self.differences, key=lambda difference: not difference.shown)

    @property
    def caveats(self) -> list[str]:
        """Notes on the verdicts: unmatched conditions, excluded runs, the tests' limits. A single experiment has notes
        on its runs alone."""
        guesses = guess_notes(self.experiments)
        if not self.contested:
            return [note for note in (*guesses, mixed(self.experiments), *self._left_out()) if note]
        notes = [
            *guesses,
            untuned_note(self.experiments),
            unmatched(self.experiments),
            mixed_devices_note(self.experiments),
            *self._left_out(),
            coverage_note(self.differences),
            self._few_examples(),
            permutation_caveat(self.differences),
        ]
        return [note for note in notes if note]

    def _few_examples(self) -> str:
        """Return a note on a small test split that some interval does not cover, "" for a large or unknown one. For
        accuracy it gives the sampling error."""
        unit, sizes = self.experiments[0].shown.sizes
        count = sizes.get("test", FEW_EXAMPLES)
        covered = [d.examples > 0 for d in self.differences if d.covers]
        if unit != "examples" or count >= FEW_EXAMPLES or (covered and all(covered)):
            return ""
        opening = f"The test split has {count} examples"
        shares = [about.mean for experiment in self.experiments if (about := self.estimate(experiment))]
        if self.metric != "accuracy" or not shares:
            return f"{opening}; no interval here covers what others would say."
        points = max(sampling_error(share, count) for share in shares) * 100
        return (
            f"{opening}, by which an accuracy is known to ±{points:.2g} points at best; no interval here covers that."
        )

    def _left_out(self) -> list[str]:
        """Return notes on runs without a finite value, and on seeds with several runs."""
        absent = {
            str(experiment.name): [run.seed for run in experiment.runs if f"test/{self.metric}" not in run.metrics]
            for experiment in self.experiments
        }
        reason = f"no finite {metric_name(self.metric)} (not evaluated, or it diverged)"
        missing = [f"{name} has {reason} for {_seeds(seeds)}." for name, seeds in absent.items() if seeds]
        twice = [
            experiment
            for experiment in self.experiments
            if len({run.seed for run in experiment.runs}) < len(experiment.runs)
        ]
        return missing + [f"{experiment.name} has several runs of one seed; the last is taken." for experiment in twice]


def comparisons(runs: Sequence[Run]) -> list[Comparison]:
    """Return a comparison for each task and data set, in order of first appearance."""
    return [_comparison(task, data, tuple(group)) for (task, data), group in comparable_experiments(runs).items()]


def common_caveats(contested: Sequence[Comparison]) -> list[str]:
    """Return the caveats that all of several comparisons share; the report prints them once."""
    first, *others = [comparison.caveats for comparison in contested] or [[]]
    return [caveat for caveat in first if others and all(caveat in caveats for caveats in others)]


def _comparison(task: str, data: str, group: tuple[ExperimentRuns, ...]) -> Comparison:
    """Return the comparison of a group by its task's main metric, or else by one that an experiment has."""
    found = [experiment.headline for experiment in group if experiment.values(f"test/{experiment.headline}")]
    facts = about(task)
    headline = facts.headline if facts else ""
    metric = headline if headline in found or not found else found[0]
    values = {str(experiment.name): experiment.values(f"test/{metric}") for experiment in group}
    scores = comparable_scores(group, metric)
    tested = differences(values, pairs=axis_pairs(group), scores=scores) if len(group) > 1 else []
    return Comparison(task, data, group, metric, tuple(tested))


def sentence(text: str) -> str:
    """Return the text with a capital and a full stop; an experiment's name keeps its spelling."""
    return (text[0].upper() + text[1:] if text.startswith(("the ", "no ")) else text) + "."


def _seeds(seeds: Sequence[int]) -> str:
    """Return the seeds in words."""
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
