"""Plan a table or a run: forecast each experiment, and print the forecasts for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quartet.report.drawing.numerals import compact, duration
from quartet.report.summary import align_columns
from quartet.types import QuartetError
from quartet_app.config.composing import config_of
from quartet_app.config.table.params import point_config, points, read_params
from quartet_app.estimate.forecast import Forecast, forecast

HEAD = (
    "experiment",
    "net",
    "data",
    "parameters",
    "FLOPs/sample",
    "samples",
    "FLOPs",
    "memory",
    "time",
    "seeds",
    "cached",
)
RIGHT = {3, 4, 5, 6, 7, 8, 9}
SHORT = {
    "done": "done",
    "resumes": "under way",
    "trained": "trained by hand",
    "changed": "changed",
    "unknown": "unknown",
    "new": "new",
}


def plan(arguments: Sequence[str], *, measure: bool, prepare: bool) -> list[Forecast]:
    """Return a forecast of each experiment of params.yaml, or of the one run of the command line's `arguments`.

    Composes and checks all experiments before torch is imported. A refused experiment of the table gets a row too.
    """
    rows: list[Forecast] = []
    if arguments:
        config = config_of(arguments)
        return [forecast(config, [config["seed"]], measure=measure, prepare=prepare)]
    params = read_params(Path("params.yaml"))
    configs: dict[str, Any] = {}
    refused: dict[str, str] = {}
    listed = points(params, "params.yaml")
    for point in listed:
        try:
            configs[point.name] = point_config(params, point, "params.yaml")
        except QuartetError as error:
            refused[point.name] = str(error)
    for point in listed:
        if point.name in refused:
            rows.append(Forecast(point.name, impossible=refused[point.name]))
        else:
            rows.append(forecast(configs[point.name], params.seeds, measure=measure, prepare=prepare))
    return rows


def shown(rows: Sequence[Forecast]) -> str:
    """Return the plan as text: a table, its totals, details, how each column is measured, and what cannot run."""
    parts = [align_columns([HEAD, *(cells(row) for row in rows)], right=RIGHT), totals(rows)]
    parts.append("\n".join(f"{row.experiment}: {line}" for row in rows for line in details(row)))
    parts.append(HOW)
    if refused := [f"{row.experiment}: {row.impossible}" for row in rows if row.impossible]:
        parts.append("\n".join(["impossible:", *refused]))
    return "\n\n".join(part for part in parts if part)


HOW = """\
memory: the peak of all processes, or of one GPU. It counts weights, gradients, the optimizer, averaged weights,
activations (extended from a few examples), the program and the mapped data.
time: one seed from start to evaluation, on this machine as busy as it is now; ≥ where the devices were not measured
together. The evaluation is that of an untrained model, whose texts may be longer.
FLOPs: of training, forward and backward, as runs count them; without validation."""


def cells(row: Forecast) -> tuple[str, ...]:
    """Return the row's cells, in the order of HEAD."""
    if row.impossible and row.parameters is None:
        return (row.experiment, row.net, row.data, *[""] * 6, str(len(row.seeds) or ""), "impossible")
    bound = "≥ " if row.seconds is not None and row.pace.endswith("at best") else ""
    return (
        row.experiment, row.net, row.data, compact(row.parameters), compact(row.flops_per_sample),
        compact(row.samples), compact(row.flops), f"{compact(row.peak)}B" if row.peak else "–",
        bound + duration(row.seconds), str(len(row.seeds)), "impossible" if row.impossible else cached(row),
    )  # fmt: skip


def cached(row: Forecast) -> str:
    """Return the states of the row's seeds in short, as "2 done, 1 new"."""
    states = [seed.state for seed in row.seeds]
    return ", ".join(
        word if len(states) == 1 else f"{states.count(state)} {word}"
        for state, word in SHORT.items()
        if state in states
    )


def totals(rows: Sequence[Forecast]) -> str:
    """Return lines with the number of runs, and their FLOPs and time in all and still to do."""
    able = [row for row in rows if not row.impossible]
    if not able:
        return ""
    runs, done = sum(len(row.seeds) for row in able), sum(seed.left == 0 for row in able for seed in row.seeds)
    lines = [f"{runs} run{'s' * (runs != 1)}, {done} done"]
    for name, unit, values in (
        ("FLOPs", compact, [row.flops for row in able]),
        ("time", duration, [row.seconds for row in able]),
    ):
        known = [(row, value) for row, value in zip(able, values, strict=True) if value is not None]
        if not known:
            lines.append(f"{name}: unknown")
            continue
        whole = sum(value * len(row.seeds) for row, value in known)
        left = sum(value * row.left for row, value in known)
        unknown = len(able) - len(known)
        missing = f"; unknown for {unknown} more experiment{'s' * (unknown > 1)}" if unknown else ""
        how = "one after another" if name == "time" and runs > 1 else "in all"
        lines.append(f"{name}: {unit(whole)} {how}, {unit(left) if left else 'nothing'} left to do{missing}")
    return "\n".join(lines)


def details(row: Forecast) -> list[str]:
    """Return a line each on the data, the devices, the speed, the parts of the time, the seeds, and the notes."""
    lines = []
    if row.data_bytes is not None:
        lines.append(f"data {row.data_words}, {compact(row.data_bytes)}B")
    if row.devices > 1:
        lines.append(f"{row.devices} devices ({row.accelerator})")
    if row.steps is not None:
        lines.append(f"{row.steps:,} steps, {row.validations} validations" + (f"; {row.pace}" if row.pace else ""))
    if row.seconds is not None:
        parts = ("start", row.start_seconds), ("training", row.train_seconds), ("validation", row.validation_seconds)
        listed = ", ".join(
            f"{name} {duration(part)}" for name, part in (*parts, ("evaluation", row.evaluation_seconds))
        )
        lines.append(f"{duration(row.seconds)}: {listed}")
    alike: dict[str, list[str]] = {}
    for status in row.seeds:
        alike.setdefault(status.words, []).append(str(status.seed))
    lines += [f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)} {words}" for words, seeds in alike.items()]
    return lines + row.notes
