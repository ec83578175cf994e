"""Build tables of numbers: results.json and the tables of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any
from urllib.parse import quote

from quartet.report.comparing.matched import CHOSEN
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.run import FAMILY_NAMES, ExperimentRuns, Run, arrow, finite, group_by_experiment, metric_name

RESULT_KEYS = (
    "experiment", "net", "task", "method", "data", "seed", "metrics", "parameters", "flops", "samples_seen",
    "train_seconds", "latency_ms_1", "latency_ms_64", "throughput_64", "bytes",
    "config_hash", "data_digest", "git_commit", "mlflow_run_id",
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
    """Return the content of results.json: one entry for each run, by experiment and seed; unknown values are None."""
    entries = [
        {key: run[key] for key in RESULT_KEYS} for experiment in group_by_experiment(runs) for run in experiment.runs
    ]
    return [{**entry, "metrics": _without_nan(entry["metrics"] or {})} for entry in entries]


def _without_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Replace nan by None, since JSON has no nan."""
    return {name: value if finite(value) else None for name, value in metrics.items()}


def overview(all_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return a table with one row for each experiment: headline metric and costs. Rows keep their order, without
    ranks."""
    settings = ("experiment", "net", "task", "data", "test metric")
    head = (*settings, "parameters", "FLOPs / sample", "samples seen", "training", "seeds")
    return table(
        [_overview_row(experiment) for experiment in all_experiments],
        head=head,
        caption="What was trained, and what it cost.",
    )


def _overview_row(experiment: ExperimentRuns) -> list[Markup]:
    """Return an experiment's row in the page's overview."""
    headline = experiment.headline
    values = experiment.values(f"test/{headline}")
    name = tag("small", metric_name(headline), "\u00a0", arrow(headline, experiment))
    metric = join(spread_with_values(values), " ", name)
    return [
        experiment_link(experiment),
        tag("td", net_name(experiment)),
        tag("td", experiment["task"]),
        tag("td", experiment["data"]),
        tag("td", metric if values else tag("em", "not evaluated"), class_="lead"),
        number_cell(experiment.numbers("parameters"), compact),
        number_cell(experiment.numbers("flops"), compact),
        number_cell(experiment.numbers("samples_seen"), compact),
        number_cell(experiment.numbers("train_seconds"), duration),
        tag("td", ", ".join(str(run.seed) for run in experiment.runs)),
    ]


def metric_table(task_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return all test metrics of the experiments of one task, as mean ± deviation over seeds."""
    names = list(dict.fromkeys(
        [f"test/{experiment.headline}" for experiment in task_experiments]
        + [name for experiment in task_experiments for run in experiment.runs
           for name in run.metrics if name.startswith("test/")]
    ))  # fmt: skip
    names = [name for name in names if any(experiment.values(name) for experiment in task_experiments)]
    if not names:
        return missing("No test metrics: not evaluated yet.")
    head = ("test metric", *(str(experiment.name) for experiment in task_experiments))
    rows = [
        [
            tag("th", f"{metric_name(name)} {arrow(name, task_experiments[0])}".strip(), scope="row"),
            *(tag("td", spread_with_values(runs.values(name)), class_="number") for runs in task_experiments),
        ]
        for name in names
    ]
    several = any(len(experiment.runs) > 1 for experiment in task_experiments)
    caption = "Mean ± standard deviation over seeds." if several else "On test data."
    return table(rows, head=head, caption=caption, fits=True)


def repeat_table(all_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return a table with one row for each run: the commands that repeat its numbers, and its fingerprint."""
    rows = [
        [
            tag("th", f"{run['experiment']}, seed {run.seed}", scope="row"),
            tag("td", join(*(join(tag("code", command), tag("br")) for command in commands(run)))),
            *(tag("td", _fingerprint(run[key])) for key in FINGERPRINTS),
        ]
        for experiment in all_experiments
        for run in experiment.runs
    ]  # fmt: skip
    return table(rows, head=("run", "commands", *FINGERPRINTS.values()), caption=REPEATED)


def commands(run: Run) -> list[str]:
    """Return the commands that repeat the run's numbers."""
    typed, fingerprint = str(run["command"] or ""), str(run["fingerprint"] or "")[:12]
    of_stage = not typed or " build/" in typed  # the stage's resolved file holds the table's overrides
    experiment = (run["config"] or {}).get("experiment") or run["experiment"]  # a row's name may have a suffix
    return [
        f"dvc repro evaluate@{experiment}-{run.seed}" if of_stage else typed,
        *([f"quartet trace --repeat {fingerprint}"] if fingerprint else []),
    ]


def every_number(all_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return a table with every metric of every run, to the digits of results.json."""
    rows = [
        [
            tag("td", f"{run['experiment']}, seed {run.seed}"),
            tag("th", tag("code", name), scope="row"),
            tag("td", tag("code", exact(value)), class_="number"),
        ]
        for experiment in all_experiments
        for run in experiment.runs
        for name, value in run.metrics.items()
    ]
    return table(rows, head=("run", "metric", "value"), caption="As in results.json.")


def experiment_link(experiment: ExperimentRuns) -> Markup:
    """Return the head cell of a row: the experiment's name as a link to its evidence."""
    words = str(experiment.name).split("_")
    breakable = [join(word, "_", tag("wbr")) for word in words[:-1]] + [words[-1]]
    link = tag("a", breakable, href=f"#{anchor(experiment)}")
    return tag("th", tag("span", class_=f"dot {experiment.family}"), link, scope="row")


def anchor(experiment: ExperimentRuns) -> str:
    """Return an experiment's unique id on the page; special characters are escaped."""
    return "-".join(["experiment", *(quote(str(experiment[key]), safe="") for key in ("experiment", "task", "data"))])


def net_name(experiment: ExperimentRuns) -> str:
    """Return the family as it is usually written, or the net's own name."""
    net = str(experiment["net"])
    return FAMILY_NAMES.get(net, net)


def missing(text: str) -> Markup:
    """Return a note in place of missing evidence."""
    return tag("p", text, class_="missing")


def exact(value: float) -> str:
    """Return the value with all its digits."""
    return json.dumps(value)


def table(rows: Sequence[Sequence[Markup]], *, head: Sequence[str], caption: str, fits: bool = False) -> Markup:
    """Return a table in a box that scrolls; `fits` makes it as narrow as possible."""
    drawn = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", [tag("th", name, scope="col") for name in head])),
        tag("tbody", [tag("tr", list(row)) for row in rows]),
        class_="fits" if fits else None,
    )
    # A region that scrolls must be reachable by keyboard.
    return tag("div", drawn, class_="scroll", tabindex=0, role="region", aria_label=caption)


def spread_with_values(values: Mapping[int, float]) -> Markup:
    """Return mean ± deviation, with each seed's exact value in a tooltip."""
    if not values:
        return Markup("–")
    title = "; ".join(f"seed {seed}: {exact(value)}" for seed, value in values.items())
    return tag("data", spread(list(values.values())), value=exact(mean(values) or 0.0), title=title)


def number_cell(values: Mapping[int, float], as_text: Any) -> Markup:
    """Return a table's cell with the mean over seeds."""
    value = mean(values)
    content = "–" if value is None else tag("data", as_text(value), value=exact(value))
    return tag("td", content, class_="number")


def mean(values: Mapping[int, float]) -> float | None:
    """Return the mean, exact where all values are equal."""
    distinct = set(values.values())
    return None if not distinct else distinct.pop() if len(distinct) == 1 else fmean(values.values())


def _fingerprint(value: object) -> Markup:
    """Return a hash's beginning, with the whole hash in a tooltip."""
    return Markup("–") if not value else tag("code", str(value)[:10], title=str(value))
