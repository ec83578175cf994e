"""Learning curves of experiments on the same data, training and validation against samples seen: bands over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from quartet.report.chart import Band, Line, line_chart
from quartet.report.markup import Markup, tag
from quartet.report.run import Cell, Row, arrow, finite, metric_name

# Columns that say when and how fast, not how well; perplexity says nothing that the loss does not.
NOT_DRAWN = {"samples", "step", "steps", "seconds", "epoch", "lr", "learning_rate", "samples_per_second", "flops"}
NOT_DRAWN |= {"fraction", "perplexity"}
MOST_CHARTS = 4


def curves(same_data: Sequence[Cell], *, where: str = "") -> list[Markup]:
    """A chart a metric, which the experiments on one data set share; `where` follows the metric's name."""
    return [_chart(name, same_data, where) for name in names(same_data)[:MOST_CHARTS]]


def names(same_data: Sequence[Cell]) -> list[str]:
    """What was measured while training: the monitored metric first, then the losses, then the rest."""
    found = dict.fromkeys(
        name for cell in same_data for run in cell.runs for rows in (run.val, run.train) for row in rows
        for name in row if name not in NOT_DRAWN and finite(row[name])
    )  # fmt: skip
    monitors = {str(cell["monitor"]).split("/")[-1] for cell in same_data} | {"discriminator_accuracy"}
    return sorted(found, key=lambda name: (name not in monitors, "loss" not in name))


def points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """`(samples, value)` of the rows that have both."""
    return [(row["samples"], row[name]) for row in rows if finite(row.get("samples")) and finite(row.get(name))]


def _chart(name: str, same_data: Sequence[Cell], where: str) -> Markup:
    drawn = [_drawn(cell, name, kind) for cell in same_data for kind in ("training", "validation")]
    lines, bands = [line for some, _ in drawn for line in some], [band for _, some in drawn for band in some]
    what = metric_name(name) + where
    guess = 0.5 if name == "discriminator_accuracy" else None
    chart = line_chart(lines, title=f"{what} against samples seen", unit="samples", reference=guess, bands=bands)
    keys = [tag("span", tag("span", class_=f"dot {cell.family}"), str(cell["experiment"])) for cell in same_data]
    kinds = sorted({line.kind for line in lines}, reverse=True)
    said = [tag("span", tag("span", class_=f"stroke {kind}"), kind) for kind in kinds]
    guessing = None if guess is None else tag("span", "dashed: a guess")
    legend = tag("span", keys, said, guessing, class_="legend")
    return tag("figure", tag("figcaption", tag("strong", what), " ", arrow(name), legend), chart, class_="curve")


def _drawn(cell: Cell, name: str, kind: str) -> tuple[list[Line], list[Band]]:
    """The mean over the seeds of a cell, validation with a band from the least to the greatest; where its seeds were
    seldom measured at the same time, a line a seed."""
    curves = {run.seed: dict(points(run.train if kind == "training" else run.val, name)) for run in cell.runs}
    curves = {seed: curve for seed, curve in curves.items() if curve}
    label = str(cell["experiment"])
    shared = set.intersection(*map(set, curves.values())) if len(curves) > 1 else set()
    if len(shared) < max(map(len, curves.values()), default=0) / 2 or len(curves) < 2:
        return [Line(list(c.items()), cell.family, kind, f"{label}, seed {s}, {kind}") for s, c in curves.items()], []
    spread = [(x, [curve[x] for curve in curves.values()]) for x in sorted(shared)]
    of = f"{label}, {{}} of {len(curves)} seeds, {kind}"
    mean = Line([(x, fmean(values)) for x, values in spread], cell.family, kind, of.format("mean"))
    band = Band([(x, min(values), max(values)) for x, values in spread], cell.family, of.format("range"))
    return [mean], [band] if kind == "validation" else []
