"""Learning curves of experiments on the same data, training and validation against samples seen: bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quartet.report import tasks
from quartet.report.drawing.chart import Band, Line, line_chart
from quartet.report.drawing.markup import Markup, tag
from quartet.report.run import Cell, Row, arrow, finite, metric_name

# Columns that say when and how fast, not how well; perplexity says nothing that the loss does not.
NOT_DRAWN = {"samples", "step", "steps", "seconds", "epoch", "lr", "learning_rate", "samples_per_second", "flops"}
NOT_DRAWN |= {"fraction", "perplexity"}
MOST_CHARTS = 4
KINDS = ("training", "validation")


def curves(same_data: Sequence[Cell], *, where: str = "") -> list[Markup]:
    """A chart a metric, which the experiments on one data set share; `where` follows the metric's name."""
    return [_chart(name, same_data, where) for name in names(same_data)[:MOST_CHARTS]]


def names(same_data: Sequence[Cell]) -> list[str]:
    """What was measured while training: the monitored metric first, then the losses, then the rest."""
    found = dict.fromkeys(
        name for cell in same_data for run in cell.runs for rows in (run.val, run.train) for row in rows
        for name in row if name not in NOT_DRAWN and finite(row[name])
    )  # fmt: skip
    monitors = {str(cell["monitor"]).split("/")[-1] for cell in same_data} | tasks.watched()
    return sorted(found, key=lambda name: (name not in monitors, "loss" not in name))


def points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """`(samples, value)` of the rows that have both."""
    return [(row["samples"], row[name]) for row in rows if finite(row.get("samples")) and finite(row.get(name))]


def by_seed(cell: Cell, name: str, kind: str) -> dict[int, list[tuple[float, float]]]:
    """The points of each seed that has some, in the order of their samples; `kind` is training or validation."""
    found = {run.seed: points(run.train if kind == "training" else run.val, name) for run in cell.runs}
    return {seed: sorted(dict(curve).items()) for seed, curve in found.items() if curve}


def band(measured: Mapping[int, Sequence[tuple[float, float]]]) -> list[tuple[float, float, float, float]]:
    """`(samples, least, mean, greatest)` over the seeds, within what all of them cover; none where that is less than
    half of what one does.

    Between its points a curve is taken for straight: batches of pairs hold as many as have room, so that no two seeds
    are validated after the same number of samples.
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


def told(same_data: Sequence[Cell]) -> str:
    """What the lines of `curves` are, in words."""
    measured = [
        by_seed(cell, name, kind) for name in names(same_data)[:MOST_CHARTS] for cell in same_data for kind in KINDS
    ]
    together = [bool(band(curves)) for curves in measured if len(curves) > 1]
    if not together:
        return "Learning curves against samples seen."
    said = "Learning curves against samples seen, the mean over seeds, of validation with their range."
    return said + ("" if all(together) else " Where seeds share few samples, each has its own line.")


def _chart(name: str, same_data: Sequence[Cell], where: str) -> Markup:
    drawn = [_drawn(cell, name, kind) for cell in same_data for kind in KINDS]
    lines, bands = [line for some, _ in drawn for line in some], [band for _, some in drawn for band in some]
    what = metric_name(name) + where
    guess = tasks.metric(name).guess
    chart = line_chart(lines, title=f"{what} against samples seen", unit="samples", reference=guess, bands=bands)
    keys = [tag("span", tag("span", class_=f"dot {cell.family}"), str(cell["experiment"])) for cell in same_data]
    kinds = sorted({line.kind for line in lines}, reverse=True)
    said = [tag("span", tag("span", class_=f"stroke {kind}"), kind) for kind in kinds]
    guessing = None if guess is None else tag("span", "dashed: a guess")
    legend = tag("span", keys, said, guessing, class_="legend")
    return tag(
        "figure", tag("figcaption", tag("strong", what), " ", arrow(name, same_data[0]), legend), chart, class_="curve"
    )


def _drawn(cell: Cell, name: str, kind: str) -> tuple[list[Line], list[Band]]:
    """The mean over the seeds of a cell, validation with a band; where there is none, a line a seed."""
    measured, label = by_seed(cell, name, kind), str(cell["experiment"])
    spread = band(measured) if len(measured) > 1 else []
    if not spread:
        return [
            Line(points, cell.family, kind, f"{label}, seed {seed}, {kind}") for seed, points in measured.items()
        ], []
    of = f"{label}, {{}} of {len(measured)} seeds, {kind}"
    mean = Line([(x, middle) for x, _, middle, _ in spread], cell.family, kind, of.format("mean"))
    around = Band([(x, low, high) for x, low, _, high in spread], cell.family, of.format("range"))
    return [mean], [around] if kind == "validation" else []
