"""Build the summary in the terminal: a table of the experiments, then the verdicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from quartet.report.comparing.axes import axes
from quartet.report.comparing.axis_words import crossing_sentences
from quartet.report.comparing.comparison import common_caveats, comparisons
from quartet.report.comparing.costs import cost_notes, cost_table
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.run import ExperimentRuns, Run, arrow, group_by_experiment, metric_name
from quartet.report.table import mean


def summary(runs: Sequence[Run]) -> str:
    """Return tables for the terminal, of each experiment's headline metric and of its costs; then the verdicts."""
    head = ("experiment", "net", "task", "data", "test metric", "", "parameters", "samples", "time", "seeds")
    experiments = group_by_experiment(runs)
    lines = [align_columns([head, *map(_summary_row, experiments)], right={5, 6, 7, 8, 9}), *_costs(experiments)]
    groups = comparisons(runs)
    common = common_caveats([comparison for comparison in groups if comparison.contested])
    for comparison in groups:
        notes = [note for note in comparison.caveats if note not in common]
        crossed = [text for axis in axes(comparison.experiments) for text in crossing_sentences(axis, comparison)]
        text = [f"  {sentence}" for sentence in comparison.verdicts + crossed + notes]
        lines += ["", f"{comparison.title}:", *text] if text else []
    lines += ["", *common] if common else []
    return "\n".join(lines)


def _costs(experiments: Sequence[ExperimentRuns]) -> list[str]:
    """Return the table of what serving costs, and of prices, with its notes; nothing where nothing was measured."""
    _, head, rows = cost_table(experiments)
    notes = cost_notes(experiments)
    return [*(["", align_columns([head, *rows], right=range(1, len(head)))] if rows else []), *notes]


def align_columns(rows: Sequence[Sequence[str]], *, right: Collection[int]) -> str:
    """Return rows of text as aligned columns, with a line below the head; the columns in `right` are aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *rest = (
        "  ".join(text.rjust(width) if i in right else text.ljust(width)
                  for i, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip
    return "\n".join([head, "  ".join("─" * width for width in widths), *rest])


def _summary_row(experiment: ExperimentRuns) -> tuple[str, ...]:
    """Return an experiment's row in the terminal's table."""
    values = list(experiment.values(f"test/{experiment.headline}").values())
    return (
        str(experiment.name), str(experiment["net"]), str(experiment["task"]), str(experiment["data"]),
        f"{metric_name(experiment.headline)} {arrow(experiment.headline, experiment)}".strip()
        if values else "not evaluated",
        spread(values) if values else "", compact(experiment["parameters"]),
        compact(mean(experiment.numbers("samples_seen"))),
        duration(mean(experiment.numbers("train_seconds"))), ", ".join(str(run.seed) for run in experiment.runs),
    )  # fmt: skip
