"""Put into words which net to take, how sure that is, and what tuning brought each net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from statistics import fmean, quantiles
from typing import Any, Literal

from quartet.report.comparing.comparison import Comparison, sentence
from quartet.report.comparing.statistics import known
from quartet.report.comparing.verdict import difference_unit, verdict
from quartet.report.drawing.numerals import compact, duration, plain, spread
from quartet.report.extrapolating.forecast import CAUTION, Outlook, clause, outlook, sentences
from quartet.report.run import ExperimentRuns, metric_name


@dataclass(frozen=True)
class Tuning:
    """What a search found for one net. All scores are of the validation metric `monitor`.

    Attributes:
        experiment: the experiment's name.
        trials: how many trials the search had, without repeats.
        default, tuned: the scores of the settings as they were, and of the winner, by seed. The winner was chosen by
            its scores, so that they flatter it a little.
        scores: of all trials that ran to their end. settings: the winner's, as overrides; empty for the defaults.
    """

    experiment: str
    trials: int
    default: tuple[float, ...]
    tuned: tuple[float, ...]
    scores: tuple[float, ...]
    settings: tuple[str, ...]

    @property
    def gain(self) -> float | None:
        """Return by how much tuning changed the mean score; None where one of both is not known."""
        return fmean(self.tuned) - fmean(self.default) if self.tuned and self.default else None

    @property
    def spread(self) -> float | None:
        """Return the distance between the quartiles of the trials' scores; None for fewer than four."""
        if len(self.scores) < 4:
            return None
        low, _, high = quantiles(self.scores, n=4)
        return high - low


@dataclass(frozen=True)
class Growth:
    """Scores of the winners along one cost: seconds of training, or the share of the training data.

    `lines` holds for each experiment the scores by the cost, those of all seeds.
    """

    title: str
    unit: str
    lines: Mapping[str, Mapping[float, Sequence[float]]]


@dataclass(frozen=True)
class Answer:
    """Which net to take.

    Attributes:
        winner: its experiment; None where no net is worth taking.
        headline: one sentence. certainty: how sure it is, and what would make it surer. notes: what else to know.
        monitor, better: the validation metric of all scores, and its better direction.
    """

    winner: str | None
    headline: str
    certainty: tuple[str, ...]
    notes: tuple[str, ...]
    tunings: tuple[Tuning, ...]
    growths: tuple[Growth, ...]
    monitor: str
    better: Literal["max", "min"]
    names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def outlooks(self) -> tuple[Outlook, ...]:
        """What more of each cost brings the nets that competed."""
        return tuple(
            outlook(
                {tuning.experiment: growth.lines.get(tuning.experiment, {}) for tuning in self.tunings},
                title=growth.title,
                unit=growth.unit,
                better=self.better,
            )
            for growth in self.growths
            if growth.lines
        )

    @property
    def forecasts(self) -> list[str]:
        """What more training and more data bring, in sentences; the last says what they rest on."""
        said = [text for of in self.outlooks for text in sentences(of, names=self.names, monitor=self.monitor)]
        return [*said, CAUTION] if any(of.forecasts for of in self.outlooks) else said

    @property
    def opening(self) -> str:
        """The headline, with the net that is likely to overtake the winner."""
        more = clause(self.outlooks, self.winner, names=self.names) if self.winner else ""
        return f"{self.headline.removesuffix('.')}; {more}." if more else self.headline

    def facts(self) -> dict[str, Any]:
        """Return the answer for JSON."""
        tunings = [
            {**{key: known(value) for key, value in asdict(one).items()}, "gain": one.gain, "spread": one.spread}
            for one in self.tunings
        ]
        growths = [
            {
                "along": growth.title,
                "unit": growth.unit,
                "lines": {
                    name: [{"at": at, "scores": list(scores)} for at, scores in line.items()]
                    for name, line in growth.lines.items()
                },
            }
            for growth in self.growths
        ]
        own = {"winner": self.winner, "headline": self.opening, "monitor": self.monitor, "better": self.better}
        return {
            **own, "certainty": list(self.certainty), "notes": list(self.notes), "tuning": tunings, "growth": growths,
            "outlook": [of.facts() for of in self.outlooks], "forecasts": self.forecasts,
        }  # fmt: skip


def headline(comparison: Comparison, winner: ExperimentRuns) -> str:
    """Return the sentence that says which net to take, what it reaches and what it costs."""
    name = comparison.names[str(winner.name)]
    values = list(winner.values(f"test/{comparison.metric}").values())
    seconds = list(winner.numbers("train_seconds").values())
    reached = f"test {metric_name(comparison.metric)} {spread(values)}" if values else "not evaluated"
    trained = f", {duration(fmean(seconds))} of training" if seconds else ""
    return f"Take {name} of {compact(winner['parameters'])} parameters: {reached}{trained}."


def certainty(comparison: Comparison, winner: ExperimentRuns) -> list[str]:
    """Return a sentence on the winner beside each other net, and first whether it stands alone."""
    own = [pair for pair in comparison.ordered if str(winner.name) in (pair.first, pair.second)]
    if not own:
        return ["No other net was tried beside it."]
    said = [
        sentence(verdict(pair, names=comparison.names, metric=comparison.metric, better=comparison.better))
        for pair in own
    ]
    if len(own) == 1:
        return said
    alone = "It is shown to be better than each of the others."
    tied = "It is the best on validation data, but not shown to be better than each of the others."
    return [alone if all(pair.shown for pair in own) else tied, *said]


def tuning_sentence(tuning: Tuning, name: str, monitor: str) -> str:
    """Return what tuning brought a net, and how much its settings matter."""
    factor, word = difference_unit(monitor.rpartition("/")[2])
    text = f"{name}: {tuning.trials} trials"
    if tuning.gain is not None:
        before, after = plain(fmean(tuning.default)), plain(fmean(tuning.tuned))
        seeds = f"mean of {len(tuning.tuned)} seeds" if len(tuning.tuned) > 1 else "one seed"
        if tuning.settings:
            text += f"; {before} with the settings as they were, {after} with {', '.join(tuning.settings)} ({seeds})"
        else:
            text += f"; none was better than the settings as they were, {after} ({seeds})"
    if tuning.spread is not None:
        text += f"; half of its trials lie within {tuning.spread * factor:.2g} {word}"
    return sentence(text)
