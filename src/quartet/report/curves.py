"""Draw learning curves of experiments on the same data: training and validation against samples, bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quartet.report import tasks
from quartet.report.drawing.chart import Band, Line, line_chart
from quartet.report.drawing.markup import Markup, tag
from quartet.report.run import ExperimentRuns, Row, arrow, finite, metric_name

# Columns of time and speed measure no quality; perplexity is a function of the loss.
NOT_PLOTTED = {"samples", "step", "steps", "seconds", "epoch", "lr", "learning_rate", "samples_per_second", "flops"}
NOT_PLOTTED |= {"fraction", "perplexity"}
MAX_CHARTS = 4
KINDS = ("training", "validation")


def curves(same_data: Sequence[ExperimentRuns], *, where: str = "") -> list[Markup]:
    """Return one chart for each metric of the experiments on one data set; `where` follows the metric's name."""
    return [_chart(name, same_data, where) for name in curve_metrics(same_data)[:MAX_CHARTS]]


def curve_metrics(same_data: Sequence[ExperimentRuns]) -> list[str]:
    """Return the metrics measured during training: the monitored metric first, then the losses, then the others."""
    found = dict.fromkeys(
        name for experiment in same_data for run in experiment.runs for rows in (run.val, run.train) for row in rows
        for name in row if name not in NOT_PLOTTED and finite(row[name])
    )  # fmt: skip
    monitors = {str(experiment["monitor"]).split("/")[-1] for experiment in same_data} | tasks.watched()
    return sorted(found, key=lambda name: (name not in monitors, "loss" not in name))


def points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """Return `(samples, value)` of the rows that have both."""
    return [(row["samples"], row[name]) for row in rows if finite(row.get("samples")) and finite(row.get(name))]


def curves_by_seed(experiment: ExperimentRuns, name: str, kind: str) -> dict[int, list[tuple[float, float]]]:
    """Return the points of each seed that has any, sorted by samples; `kind` is training or validation."""
    found = {run.seed: points(run.train if kind == "training" else run.val, name) for run in experiment.runs}
    return {seed: sorted(dict(curve).items()) for seed, curve in found.items() if curve}


def band(measured: Mapping[int, Sequence[tuple[float, float]]]) -> list[tuple[float, float, float, float]]:
    """Return `(samples, lowest, mean, highest)` over the seeds, in the range of samples that all of them cover.

    Return nothing where this range is less than half of the longest curve. A curve is linear between its points: no two
    seeds need to be validated after the same number of samples, since batches of pairs vary in size.
    """
    import numpy as np

    curves = list(measured.values())
    if not curves:
        return []
    start, end = max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves)
    if end - start < max(curve[-1][0] - curve[0][0] for curve in curves) / 2:
        return []
    at = sorted({start, end, *(x for x, _ in min(curves, key=len) if start < x < end)})
    values = np.array([np.interp(at, [x for x, _ in curve], [y for _, y in curve]) for curve in curves])
    edges = (values.min(0), values.mean(0), values.max(0))
    return list(zip(at, *(edge.tolist() for edge in edges), strict=True))


def caption(same_data: Sequence[ExperimentRuns]) -> str:
    """Return a sentence that explains the lines of `curves`."""
    measured = [
        curves_by_seed(experiment, name, kind)
        for name in curve_metrics(same_data)[:MAX_CHARTS]
        for experiment in same_data
        for kind in KINDS
    ]
    together = [bool(band(curves)) for curves in measured if len(curves) > 1]
    if not together:
        return "Learning curves against samples seen."
    text = "Learning curves against samples seen, the mean over seeds, of validation with their range."
    return text + ("" if all(together) else " Where seeds share few samples, each has its own line.")


def _chart(name: str, same_data: Sequence[ExperimentRuns], where: str) -> Markup:
    """Return the figure of one metric: chart, legend and caption."""
    parts = [_lines_and_bands(experiment, name, kind) for experiment in same_data for kind in KINDS]
    lines, bands = [line for found, _ in parts for line in found], [band for _, found in parts for band in found]
    heading = metric_name(name) + where
    guess = tasks.metric(name).guess
    chart = line_chart(lines, title=f"{heading} against samples seen", unit="samples", reference=guess, bands=bands)
    keys = [
        tag("span", tag("span", class_=f"dot {experiment.family}"), str(experiment.name)) for experiment in same_data
    ]
    kinds = sorted({line.kind for line in lines}, reverse=True)
    strokes = [tag("span", tag("span", class_=f"stroke {kind}"), kind) for kind in kinds]
    guessing = None if guess is None else tag("span", "dashed: a guess")
    legend = tag("span", keys, strokes, guessing, class_="legend")
    caption = tag("figcaption", tag("strong", heading), " ", arrow(name, same_data[0]), legend)
    return tag("figure", caption, chart, class_="curve")


def _lines_and_bands(experiment: ExperimentRuns, name: str, kind: str) -> tuple[list[Line], list[Band]]:
    """Return the mean over an experiment's seeds, for validation with a band; without a band, one line a seed."""
    measured, label = curves_by_seed(experiment, name, kind), str(experiment.name)
    spread = band(measured) if len(measured) > 1 else []
    if not spread:
        return [
            Line(points, experiment.family, kind, f"{label}, seed {seed}, {kind}") for seed, points in measured.items()
        ], []
    of = f"{label}, {{}} of {len(measured)} seeds, {kind}"
    mean = Line([(x, middle) for x, _, middle, _ in spread], experiment.family, kind, of.format("mean"))
    around = Band([(x, low, high) for x, low, _, high in spread], experiment.family, of.format("range"))
    return [mean], [around] if kind == "validation" else []
