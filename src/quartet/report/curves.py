"""Learning curves of the experiments of one task: all seeds, training and validation, against samples seen."""

from __future__ import annotations

from collections.abc import Sequence

from quartet.report.chart import Line, line_chart
from quartet.report.markup import Markup, tag
from quartet.report.run import Cell, Row, Run, arrow, finite, metric_name

# Columns that say when and how fast, not how well; perplexity says nothing that the loss does not.
NOT_DRAWN = {"samples", "step", "steps", "seconds", "epoch", "lr", "learning_rate", "samples_per_second", "flops"}
NOT_DRAWN |= {"fraction", "perplexity"}
MOST_CHARTS = 4


def curves(task_cells: Sequence[Cell]) -> list[Markup]:
    """A chart a metric, for each data set: experiments on the same data share theirs."""
    charts = []
    sets = list(dict.fromkeys(str(cell["data"]) for cell in task_cells))
    for data in sets:
        same = [cell for cell in task_cells if str(cell["data"]) == data]
        where = f" on {data}" if len(sets) > 1 else ""
        charts += [_chart(name, same, where) for name in names(same)[:MOST_CHARTS]]
    return charts


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
    lines = [line for cell in same_data for run in cell.runs for line in _lines(run, cell, name)]
    what = metric_name(name) + where
    guess = 0.5 if name == "discriminator_accuracy" else None
    chart = line_chart(lines, title=f"{what} against samples seen", unit="samples", reference=guess)
    keys = [tag("span", tag("span", class_=f"dot {cell.family}"), str(cell["experiment"])) for cell in same_data]
    kinds = sorted({line.kind for line in lines}, reverse=True)
    said = [tag("span", tag("span", class_=f"stroke {kind}"), kind) for kind in kinds]
    guessing = None if guess is None else tag("span", "dashed: a guess")
    legend = tag("span", keys, said, guessing, class_="legend")
    return tag("figure", tag("figcaption", tag("strong", what), " ", arrow(name), legend), chart, class_="curve")


def _lines(run: Run, cell: Cell, name: str) -> list[Line]:
    kinds = {"training": points(run.train, name), "validation": points(run.val, name)}
    label = f"{run['experiment']}, seed {run.seed}"
    return [Line(xy, cell.family, kind, f"{label}, {kind}") for kind, xy in kinds.items() if xy]
