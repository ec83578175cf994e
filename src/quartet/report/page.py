"""Build the page: one self-contained HTML file without scripts, fonts or external pictures."""

from __future__ import annotations

from collections.abc import Sequence

from quartet.report import tasks
from quartet.report.comparing.comparison import Comparison, comparisons
from quartet.report.comparison_section import anchor, comparison_section, costs, verdicts
from quartet.report.curves import caption, curves
from quartet.report.drawing.document import document
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.evidence import evidence
from quartet.report.lines.ranks import over_lines
from quartet.report.lines.section import lines_section
from quartet.report.run import ExperimentRuns, Run, arrow, group_by_experiment, metric_name
from quartet.report.table import METRICS, every_number, mean, metric_table, missing, net_name, overview, repeat_table
from quartet.report.table import anchor as anchor_of

MAX_TILES = 8


def page(
    runs: Sequence[Run], *, title: str = "Quartet", question: str | None = None, opening: Markup | None = None
) -> str:
    """Return the report on these runs as HTML.

    Runs of one experiment with several seeds share one entry. Tasks have sections of their own and are never ranked
    against each other. A note stands in for missing evidence. `opening` is a section that comes first.
    """
    all_experiments, groups = group_by_experiment(runs), comparisons(runs)
    contested = [group for group in groups if group.contested]
    by_task = {group.task: [other for other in groups if other.task == group.task] for group in groups}
    main = tag(
        "main",
        opening,
        verdicts(contested) if contested else None,
        _overview(all_experiments, tiles=bool(contested)),
        [_task(task, of_task) for task, of_task in by_task.items()],
        lines_section(over_lines(groups)),
        _repeat(all_experiments),
    )
    header = _header(all_experiments, title, question, tiles=not contested)
    body = tag("body", header, main if runs else tag("main", missing("No runs.")), _footer())
    return document(title, body)


def _header(all_experiments: Sequence[ExperimentRuns], title: str, question: str | None, *, tiles: bool) -> Markup:
    """Return title, question and, without contested comparisons, the tiles."""
    runs = [run for experiment in all_experiments for run in experiment.runs]
    opening = question or "Which architecture is right for this data, at this cost?"
    text = (
        f"{opening} Here are {_count(len(all_experiments), 'experiment')} in {_count(len(runs), 'run')}. "
        "Each is a net, asked a task, trained by a method, on data."
    )
    return tag(
        "header", tag("h1", title), tag("p", text, class_="standfirst"), _tiles(all_experiments) if tiles else None
    )


def _tiles(all_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return one tile for each experiment."""
    return tag("ul", [_tile(experiment) for experiment in all_experiments], class_="tiles")


def _tile(experiment: ExperimentRuns) -> Markup:
    """Return a tile: what the net does, its headline metric and its cost."""
    task, data = str(experiment["task"]), str(experiment["data"])
    about = tasks.about(task)
    does = about.does if about else "The {net} learns to " + task
    values = list(experiment.values(f"test/{experiment.headline}").values())
    trained = duration(mean(experiment.numbers("train_seconds")))
    cost = f"{compact(mean(experiment.numbers('parameters')))} parameters, trained in {trained}"
    metric = f"{metric_name(experiment.headline)} {arrow(experiment.headline, experiment)}".strip()
    inside = join(
        tag("p", tag("strong", experiment.name), f" on {data}", class_="kicker"),
        tag("p", does.format(net=net_name(experiment)), class_="what"),
        tag("p", _headline(values), class_="value"),
        tag("p", metric if values else "not evaluated", class_="note"),
        tag("p", cost, class_="note cost"),
    )
    return tag("li", tag("a", inside, href=f"#{anchor_of(experiment)}", class_=experiment.family))


def _headline(values: Sequence[float]) -> Markup:
    """Return the mean, with the deviation in small letters."""
    middle, _, deviation = spread(values).partition(" ± ")
    return join(middle, tag("small", f" ± {deviation}") if deviation else None)


def _overview(all_experiments: Sequence[ExperimentRuns], *, tiles: bool) -> Markup:
    """Return the section with all experiments: tiles, if few, and the table."""
    drawn = _tiles(all_experiments) if tiles and len(all_experiments) <= MAX_TILES else None
    return tag("section", tag("h2", "At a glance"), tag("p", METRICS), drawn, overview(all_experiments))


def _task(task: str, groups: Sequence[Comparison]) -> Markup:
    """Return a task's section with all its data sets."""
    about = tasks.about(task)
    parts = [_group(group, where=f" on {group.data}" if len(groups) > 1 else "") for group in groups]
    return tag(
        "section",
        tag("p", task.capitalize(), class_="kicker"),
        tag("h2", about.question if about else task.capitalize()),
        parts,
    )


def _group(group: Comparison, *, where: str) -> Markup:
    """Return the experiments of one task on one data set. `where` names the data set in headings, "" for the only
    one."""
    drawn, table = curves(group.experiments, where=where), metric_table(group.experiments)
    alone = not group.contested  # then the table still fits beside a chart
    return join(
        tag("h3", f"On {group.data}", id=anchor(group)) if where or group.contested else None,
        comparison_section(group)
        if group.contested
        else [*(tag("p", note, class_="note") for note in group.caveats), costs(group.experiments)],
        None if alone else join(tag("h4", "All test metrics"), table, tag("h4", "Learning curves")),
        tag("p", caption(group.experiments), class_="note") if drawn else missing("No learning curves were kept."),
        tag("div", table if alone else None, drawn, class_="curves"),
        [_experiment(experiment) for experiment in group.experiments],
    )


def _experiment(experiment: ExperimentRuns) -> Markup:
    """Return an experiment's article: a sentence of facts and its evidence."""
    run = experiment.shown
    task, data = str(experiment["task"]), str(experiment["data"])
    about = tasks.about(task)
    description = about.shows if about else "On {data}."
    several = f" Shown is seed {run.seed}, the first of {len(experiment.runs)}." if len(experiment.runs) > 1 else ""
    shown = description.format(data=data)
    facts = f"{net_name(experiment)}, trained by the {experiment['method']} method. {shown}{several}"
    return tag(
        "article",
        tag("h3", tag("span", class_=f"dot {experiment.family}"), experiment.name),
        tag("p", facts),
        evidence(run, task=task, family=experiment.family),
        class_=experiment.family,
        id=anchor_of(experiment),
    )


def _repeat(all_experiments: Sequence[ExperimentRuns]) -> Markup:
    """Return the section with commands and every number."""
    return tag(
        "section",
        tag("h2", "How to repeat each number"),
        tag("p", "The resolved configuration, the data's digest and the commit are a run's fingerprint: the same three "
                 "make the same numbers on the same machine."),
        repeat_table(all_experiments),
        tag("details", tag("summary", "Every number, to the digit"), every_number(all_experiments)),
    )  # fmt: skip


def _footer() -> Markup:
    """Return notes on units and measurements."""
    text = (
        "FLOPs are those of training on one sample, forward and backward, as counted by PyTorch. Samples are images, "
        "sentence pairs or windows of text, by the task. ± is the sample standard deviation over seeds. Training time "
        "is the wall clock's, so it depends on the machine and on what else it did."
    )
    return tag(
        "footer",
        tag("p", text),
    )


def _count(n: int, noun: str) -> str:
    """Return a number with its noun in the right number."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
