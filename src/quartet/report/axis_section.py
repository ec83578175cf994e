"""Draw a table's axes: quality against each setting that the table varies, a line for each net with its band."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from quartet.report.comparing.axes import Axis, Line, axes, net_names, settings_text
from quartet.report.comparing.axis_words import crossing_sentences
from quartet.report.comparing.comparison import Comparison
from quartet.report.drawing import chart
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.run import metric_name

MAX_LABELS = 8  # on a chart's axis
INTRODUCTION = (
    "Each setting that the table varies, all else equal: the mean over seeds, with the range of the seeds as a band."
)


def axis_section(comparison: Comparison) -> Markup:
    """Return the charts of a comparison's axes, and where nets cross; nothing for a table without axes."""
    varied = axes(comparison.experiments)
    if not varied:
        return Markup("")
    charts = [figure for axis in varied for figure in _figures(axis, comparison)]
    said = [tag("li", text) for axis in varied for text in crossing_sentences(axis, comparison)]
    return join(
        tag("h4", "Along the axes"),
        tag("p", INTRODUCTION, class_="note"),
        tag("div", charts, class_="curves"),
        tag("ul", said) if said else None,
    )


def _figures(axis: Axis, comparison: Comparison) -> list[Markup]:
    """Return a chart for each combination of the other axes' values."""
    panels: dict[str, list[Line]] = {}
    for line in axis.lines:
        panels.setdefault(settings_text(line.others), []).append(line)
    return [_figure(axis, comparison, others, lines) for others, lines in panels.items()]


def _figure(axis: Axis, comparison: Comparison, others: str, lines: Sequence[Line]) -> Markup:
    """Return one chart with its legend; `others` are the other axes' values in words."""
    names, metric = net_names(comparison.experiments), metric_name(comparison.metric)
    title = f"{metric} against {axis.label}" + (f", {others}" if others else "")
    drawn = [_line(axis, comparison, line, names[line.experiment].removeprefix("the ")) for line in lines]
    skip = -(-len(axis.values) // MAX_LABELS)
    unit = f"{axis.label}, logarithmic" if axis.logarithmic else axis.label
    keys = [tag("span", tag("span", class_=f"dot {stroke.family}"), stroke.label) for stroke, _ in drawn]
    caption = tag("figcaption", tag("strong", title), " ", comparison.arrow, tag("span", keys, class_="legend"))
    picture = chart.line_chart(
        [stroke for stroke, _ in drawn],
        title=title,
        unit=unit,
        bands=[band for _, band in drawn],
        labels=[(axis.positions[value], value) for value in axis.values][::skip],
    )
    return tag("figure", caption, picture, class_="curve")


def _line(axis: Axis, comparison: Comparison, line: Line, name: str) -> tuple[chart.Line, chart.Band]:
    """Return the mean over seeds of one net along the axis, and the seeds' range."""
    measured = [
        (axis.positions[value], list(runs.values(f"test/{comparison.metric}").values()))
        for value, runs in line.points.items()
    ]
    known = [(place, values) for place, values in measured if values]
    family = next(iter(line.points.values())).family
    mean = chart.Line([(place, fmean(values)) for place, values in known], family, "validation", name)
    return mean, chart.Band([(place, min(values), max(values)) for place, values in known], family, f"{name}, seeds")
