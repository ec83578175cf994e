"""Draw a comparison on the page: the verdicts, the matched conditions, a table of the nets and one of their pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from quartet.report.axis_section import axis_section
from quartet.report.comparing.caution import UNTUNED, tuned
from quartet.report.comparing.comparison import Comparison, common_caveats
from quartet.report.comparing.costs import cost_notes, cost_table
from quartet.report.comparing.matched import matched
from quartet.report.comparing.statistics import Difference
from quartet.report.comparing.verdict import PAIRS, RULE, interval, p_value, pair_head, pair_name, short, signed
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, duration
from quartet.report.fronts import fronts
from quartet.report.run import ExperimentRuns, metric_name
from quartet.report.table import exact, experiment_link, missing, number_cell, spread_with_values, table


def verdicts_title(contested: Sequence[Comparison]) -> str:
    """Return the heading of the verdicts, which says where no settings were tuned alike."""
    untuned = not any(tuned(comparison.experiments) for comparison in contested)
    return f"Verdicts on {UNTUNED}" if untuned else "Verdicts"


def verdicts(contested: Sequence[Comparison]) -> Markup:
    """Return the section of verdicts, one block for each task and data set."""
    common = common_caveats(contested)
    return tag(
        "section",
        tag("h2", verdicts_title(contested)),
        tag("p", "Nets are compared on one task and one data set, never across. Each heading leads to its evidence."),
        tag("div", [_verdict_list(comparison, common) for comparison in contested], class_="contests"),
        [tag("p", note, class_="note") for note in common],
        tag("details", tag("summary", "The rule, laid down before any result"), [tag("p", text) for text in RULE]),
    )


def _verdict_list(comparison: Comparison, common: Sequence[str]) -> Markup:
    """Return a comparison's title, scores, verdicts and own caveats."""
    pairs = zip(comparison.verdicts, comparison.ordered, strict=True)
    items = [tag("li", words, class_="shown" if difference.shown else None) for words, difference in pairs]
    return tag(
        "div",
        tag("h3", tag("a", comparison.title, href=f"#{anchor(comparison)}")),
        tag("ul", [tag("li", score) for score in comparison.scores], class_="scores"),
        tag("ul", items, class_="verdicts"),
        [tag("p", note, class_="note") for note in comparison.caveats if note not in common],
    )


def comparison_section(comparison: Comparison) -> Markup:
    """Return the matched conditions, the table of nets, the table of pairs, and the charts of quality against cost."""
    charts = fronts(comparison)
    return join(
        tag("h4", "What was matched, and what was not"),
        tag("ul", [_condition(c.name, c.text, c.same) for c in matched(comparison.experiments)], class_="matched"),
        _nets(comparison),
        _pairs(comparison),
        axis_section(comparison),
        tag("h4", "Quality against cost") if charts else None,
        tag("p", FRONTS, class_="note") if charts else None,
        tag("div", charts, class_="curves") if charts else None,
        costs(comparison.experiments),
    )


def costs(experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return the table of what serving costs, and of prices, with its notes; nothing where nothing was measured."""
    caption, head, rows = cost_table(experiments)
    cells = [[experiment_link(one), *(tag("td", text, class_="number") for text in row[1:])]
             for one, row in zip(experiments, rows, strict=bool(rows))]  # fmt: skip
    notes = [tag("p", note, class_="note") for note in cost_notes(experiments)]
    return join(table(cells, head=head, caption=caption, fits=True) if rows else None, notes)


FRONTS = (
    "Large dots are means over seeds, small ones single seeds. Filled ones are on the Pareto front: no other net is "
    "both as good and as cheap. The front goes by means alone; whether they differ is for the verdicts to say."
)


def _condition(name: str, text: str, same: bool) -> Markup:
    """Return a condition as an item of the list."""
    return tag("li", tag("strong", name), ": ", text, class_="same" if same else "differs")


def _nets(comparison: Comparison) -> Markup:
    """Return the table of nets: test metric with interval, and costs."""
    metric = f"{metric_name(comparison.metric)} {comparison.arrow}".strip()
    head = ("experiment", metric, "95 % interval", "parameters", "FLOPs / sample", "samples seen", "training", "seeds")
    rows = [_net(comparison, experiment) for experiment in comparison.experiments]
    return table(rows, head=head, caption=comparison.nets_caption)


def _net(comparison: Comparison, experiment: ExperimentRuns) -> list[Markup]:
    """Return the row of a net."""
    values = experiment.values(f"test/{comparison.metric}")
    return [
        experiment_link(experiment),
        tag("td", spread_with_values(values), class_="lead"),
        tag("td", interval(comparison.estimate(experiment)), class_="number"),
        number_cell(experiment.numbers("parameters"), compact),
        number_cell(experiment.numbers("flops"), compact),
        number_cell(experiment.numbers("samples_seen"), compact),
        number_cell(experiment.numbers("train_seconds"), duration),
        tag("td", ", ".join(map(str, values)) or "–"),
    ]


def _pairs(comparison: Comparison) -> Markup:
    """Return the table of pairs: difference, p values and verdict."""
    if not any(difference.seeds for difference in comparison.differences):
        return missing("No two nets have a seed in common.")
    rows = [_pair(comparison, difference) for difference in comparison.differences]
    return table(rows, head=pair_head(comparison.metric), caption=PAIRS)


def _pair(comparison: Comparison, difference: Difference) -> list[Markup]:
    """Return the row of a pair."""
    mean, low, high = (
        exact(value) if math.isfinite(value) else "–" for value in (difference.mean, difference.low, difference.high)
    )
    return [
        tag("th", pair_name(difference, names=comparison.names), scope="row"),
        tag("td", tag("data", signed(difference, comparison.metric), value=mean, title=f"{mean} from {low} to {high}")),
        tag("td", ", ".join(map(str, difference.seeds)) or "none"),
        tag("td", difference.covers or "–"),
        *(_p(p) for p in (difference.p, difference.holm, difference.flip_holm)),
        tag("td", short(difference, names=comparison.names, metric=comparison.metric, better=comparison.better)),
    ]


def _p(p: float) -> Markup:
    """Return a p value in a table's cell, – for nan."""
    return tag("td", "–" if math.isnan(p) else tag("data", p_value(p), value=exact(p)), class_="number")


def anchor(comparison: Comparison) -> str:
    """Return the id of a comparison's heading."""
    return "".join(c if c.isalnum() else "-" for c in f"compare-{comparison.task}-{comparison.data}")
