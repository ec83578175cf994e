"""The numbers: results.json, the tables of the page, the summary in the terminal."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import Any
from urllib.parse import quote

from quartet.report.comparing.comparison import common_caveats, comparisons
from quartet.report.comparing.matched import CHOSEN
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.run import FAMILY_NAMES, Cell, Run, arrow, cells, finite, metric_name

RESULT_KEYS = (
    "experiment", "net", "task", "method", "data", "seed", "metrics", "parameters", "flops", "samples_seen",
    "train_seconds", "config_hash", "data_digest", "git_commit", "mlflow_run_id",
)  # fmt: skip
METRICS = (
    "Each task has its own metric, on its own test data: compare within a task, not across tasks. ↑ means that more is "
    f"better, ↓ that less is. Models are chosen {CHOSEN}"
)
REPEATED = (
    "The first command makes the numbers as they came about, in the folder of this table or where the run was started. "
    "The second, where there is one, trains this very run again from the project's folder, and compares to the bit."
)
FINGERPRINTS = {"config_hash": "config", "data_digest": "data", "git_commit": "commit", "mlflow_run_id": "MLflow run"}


def results(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The content of results.json: one entry a run, by experiment and seed; what is not known is None."""
    entries = [{key: run[key] for key in RESULT_KEYS} for cell in cells(runs) for run in cell.runs]
    return [{**entry, "metrics": _without_nan(entry["metrics"] or {})} for entry in entries]


def _without_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no word for nan."""
    return {name: value if finite(value) else None for name, value in metrics.items()}


def summary(runs: Sequence[Run]) -> str:
    """A short table for the terminal: a line an experiment, with its headline metric over seeds; then the verdicts."""
    head = ("experiment", "net", "task", "data", "test metric", "", "parameters", "samples", "time", "seeds")
    lines = [aligned([head, *(_summary_row(cell) for cell in cells(runs))], right={5, 6, 7, 8, 9})]
    groups = comparisons(runs)
    common = common_caveats([comparison for comparison in groups if comparison.contested])
    for comparison in groups:
        notes = [note for note in comparison.caveats if note not in common]
        said = [f"  {words}" for words in comparison.verdicts + notes]
        lines += ["", f"{comparison.title}:", *said] if said else []
    lines += ["", *common] if common else []
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int]) -> str:
    """Rows of text in columns for the terminal, a line below the first; the columns `right` end alike."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *rest = (
        "  ".join(text.rjust(width) if i in right else text.ljust(width)
                  for i, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip
    return "\n".join([head, "  ".join("─" * width for width in widths), *rest])


def _summary_row(cell: Cell) -> tuple[str, ...]:
    values = list(cell.values(f"test/{cell.headline}").values())
    return (
        str(cell["experiment"]), str(cell["net"]), str(cell["task"]), str(cell["data"]),
        f"{metric_name(cell.headline)} {arrow(cell.headline, cell)}".strip() if values else "not evaluated",
        spread(values) if values else "", compact(cell["parameters"]), compact(mean(cell.numbers("samples_seen"))),
        duration(mean(cell.numbers("train_seconds"))), ", ".join(str(run.seed) for run in cell.runs),
    )  # fmt: skip


def overview(all_cells: Sequence[Cell]) -> Markup:
    """One row an experiment: its headline metric and what it cost. Rows are in the order given, not ranked."""
    what = ("experiment", "net", "task", "data", "test metric")
    head = (*what, "parameters", "FLOPs / sample", "samples seen", "training", "seeds")
    return table([_overview_row(cell) for cell in all_cells], head=head, caption="What was trained, and what it cost.")


def _overview_row(cell: Cell) -> list[Markup]:
    values = cell.values(f"test/{cell.headline}")
    metric = join(
        spread_data(values), " ", tag("small", metric_name(cell.headline), "\u00a0", arrow(cell.headline, cell))
    )
    return [
        named(cell),
        tag("td", net_name(cell)),
        tag("td", cell["task"]),
        tag("td", cell["data"]),
        tag("td", metric if values else tag("em", "not evaluated"), class_="lead"),
        number(cell.numbers("parameters"), compact),
        number(cell.numbers("flops"), compact),
        number(cell.numbers("samples_seen"), compact),
        number(cell.numbers("train_seconds"), duration),
        tag("td", ", ".join(str(run.seed) for run in cell.runs)),
    ]


def metric_table(task_cells: Sequence[Cell]) -> Markup:
    """All test metrics of the experiments of one task, mean ± deviation over seeds."""
    names = list(dict.fromkeys(
        [f"test/{cell.headline}" for cell in task_cells]
        + [name for cell in task_cells for run in cell.runs for name in run.metrics if name.startswith("test/")]
    ))  # fmt: skip
    names = [name for name in names if any(cell.values(name) for cell in task_cells)]
    if not names:
        return missing("No test metrics: not evaluated yet.")
    head = ("test metric", *(str(cell["experiment"]) for cell in task_cells))
    rows = [
        [
            tag("th", f"{metric_name(name)} {arrow(name, task_cells[0])}".strip(), scope="row"),
            *(tag("td", spread_data(cell.values(name)), class_="number") for cell in task_cells),
        ]
        for name in names
    ]
    several = any(len(cell.runs) > 1 for cell in task_cells)
    caption = "Mean ± standard deviation over seeds." if several else "On test data."
    return table(rows, head=head, caption=caption, fits=True)


def repeat_table(all_cells: Sequence[Cell]) -> Markup:
    """A row a run: the commands that make its numbers again, and its fingerprint."""
    rows = [
        [
            tag("th", f"{run['experiment']}, seed {run.seed}", scope="row"),
            tag("td", join(*(join(tag("code", command), tag("br")) for command in commands(run)))),
            *(tag("td", _fingerprint(run[key])) for key in FINGERPRINTS),
        ]
        for cell in all_cells
        for run in cell.runs
    ]  # fmt: skip
    return table(rows, head=("run", "commands", *FINGERPRINTS.values()), caption=REPEATED)


def commands(run: Run) -> list[str]:
    """What a person types to have the run's numbers again."""
    typed, fingerprint = str(run["command"] or ""), str(run["fingerprint"] or "")[:12]
    of_stage = not typed or " build/" in typed  # its resolved file holds the overrides of the table
    experiment = (run["config"] or {}).get("experiment") or run["experiment"]  # a row's name may say more
    return [
        f"dvc repro evaluate@{experiment}-{run.seed}" if of_stage else typed,
        *([f"quartet trace --repeat {fingerprint}"] if fingerprint else []),
    ]


def every_number(all_cells: Sequence[Cell]) -> Markup:
    """Every metric of every run, to the digit of results.json."""
    rows = [
        [
            tag("td", f"{run['experiment']}, seed {run.seed}"),
            tag("th", tag("code", name), scope="row"),
            tag("td", tag("code", exact(value)), class_="number"),
        ]
        for cell in all_cells
        for run in cell.runs
        for name, value in run.metrics.items()
    ]
    return table(rows, head=("run", "metric", "value"), caption="As in results.json.")


def named(cell: Cell) -> Markup:
    """An experiment's name at the head of its row, which leads to what it has to show."""
    words = str(cell["experiment"]).split("_")
    breakable = [join(word, "_", tag("wbr")) for word in words[:-1]] + [words[-1]]
    link = tag("a", breakable, href=f"#{anchor(cell)}")
    return tag("th", tag("span", class_=f"dot {cell.family}"), link, scope="row")


def anchor(cell: Cell) -> str:
    """No two cells have one: what a name may not hold in an address is escaped."""
    return "-".join(["experiment", *(quote(str(cell[key]), safe="") for key in ("experiment", "task", "data"))])


def net_name(cell: Cell) -> str:
    """The family as it is written, or the net's own name where it says more."""
    net = str(cell["net"])
    return FAMILY_NAMES.get(net, net)


def missing(text: str) -> Markup:
    """What stands where evidence is missing."""
    return tag("p", text, class_="missing")


def exact(value: float) -> str:
    return json.dumps(value)


def table(rows: Sequence[Sequence[Markup]], *, head: Sequence[str], caption: str, fits: bool = False) -> Markup:
    """A table in a box of its own that scrolls; `fits` makes it no wider than it needs to be."""
    drawn = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", [tag("th", name, scope="col") for name in head])),
        tag("tbody", [tag("tr", list(row)) for row in rows]),
        class_="fits" if fits else None,
    )
    # A region that scrolls must be reachable by keyboard.
    return tag("div", drawn, class_="scroll", tabindex=0, role="region", aria_label=caption)


def spread_data(values: Mapping[int, float]) -> Markup:
    """Mean ± deviation, which on hovering shows each seed's value to the digit."""
    if not values:
        return Markup("–")
    title = "; ".join(f"seed {seed}: {exact(value)}" for seed, value in values.items())
    return tag("data", spread(list(values.values())), value=exact(mean(values) or 0.0), title=title)


def number(values: Mapping[int, float], written: Any) -> Markup:
    """The mean over seeds in a table's cell."""
    value = mean(values)
    content = "–" if value is None else tag("data", written(value), value=exact(value))
    return tag("td", content, class_="number")


def mean(values: Mapping[int, float]) -> float | None:
    """The mean, exact where all are equal."""
    distinct = set(values.values())
    return None if not distinct else distinct.pop() if len(distinct) == 1 else fmean(values.values())


def _fingerprint(value: object) -> Markup:
    """The beginning, which on hovering shows the whole."""
    return Markup("–") if not value else tag("code", str(value)[:10], title=str(value))
