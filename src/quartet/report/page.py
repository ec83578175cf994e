"""The page: one self-contained HTML file without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from quartet.report import tasks
from quartet.report.beside import anchor, beside, verdicts
from quartet.report.comparing.comparison import Comparison, comparisons
from quartet.report.curves import curves, told
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.evidence import evidence
from quartet.report.run import Cell, Run, arrow, cells, metric_name
from quartet.report.table import METRICS, every_number, mean, metric_table, missing, net_name, overview, repeat_table
from quartet.report.table import anchor as anchor_of

MOST_TILES = 8


def page(runs: Sequence[Run], *, title: str = "Quartet", question: str | None = None) -> str:
    """The report on these runs.

    Runs of one experiment with several seeds are taken together. Tasks have sections of their own and are never
    ranked against each other. What a run lacks is said to be missing.
    """
    all_cells, groups = cells(runs), comparisons(runs)
    contested = [group for group in groups if group.contested]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(files("quartet.report").joinpath("page.css").read_text(encoding="utf-8"))),
    )
    by_task = {group.task: [other for other in groups if other.task == group.task] for group in groups}
    main = tag(
        "main",
        verdicts(contested) if contested else None,
        _overview(all_cells, tiles=bool(contested)),
        [_task(task, of_task) for task, of_task in by_task.items()],
        _repeat(all_cells),
    )
    header = _header(all_cells, title, question, tiles=not contested)
    body = tag("body", header, main if runs else tag("main", missing("No runs.")), _footer())
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(all_cells: Sequence[Cell], title: str, question: str | None, *, tiles: bool) -> Markup:
    runs = [run for cell in all_cells for run in cell.runs]
    asked = question or "Which architecture is right for this data, at this cost?"
    said = (
        f"{asked} Here are {_count(len(all_cells), 'experiment')} in {_count(len(runs), 'run')}. Each is a net, "
        "asked a task, trained by a method, on data."
    )
    return tag("header", tag("h1", title), tag("p", said, class_="standfirst"), _tiles(all_cells) if tiles else None)


def _tiles(all_cells: Sequence[Cell]) -> Markup:
    return tag("ul", [_tile(cell) for cell in all_cells], class_="tiles")


def _tile(cell: Cell) -> Markup:
    task, data = str(cell["task"]), str(cell["data"])
    said = tasks.about(task)
    does = said.does if said else "The {net} learns to " + task
    values = list(cell.values(f"test/{cell.headline}").values())
    trained = duration(mean(cell.numbers("train_seconds")))
    cost = f"{compact(mean(cell.numbers('parameters')))} parameters, trained in {trained}"
    note = f"{metric_name(cell.headline)} {arrow(cell.headline, cell)}".strip() if values else "not evaluated"
    inside = join(
        tag("p", tag("strong", cell["experiment"]), f" on {data}", class_="kicker"),
        tag("p", does.format(net=net_name(cell)), class_="what"),
        tag("p", _headline(values), class_="value"),
        tag("p", note, class_="note"),
        tag("p", cost, class_="note cost"),
    )
    return tag("li", tag("a", inside, href=f"#{anchor_of(cell)}", class_=cell.family))


def _headline(values: Sequence[float]) -> Markup:
    middle, _, deviation = spread(values).partition(" ± ")
    return join(middle, tag("small", f" ± {deviation}") if deviation else None)


def _overview(all_cells: Sequence[Cell], *, tiles: bool) -> Markup:
    drawn = _tiles(all_cells) if tiles and len(all_cells) <= MOST_TILES else None
    return tag("section", tag("h2", "At a glance"), tag("p", METRICS), drawn, overview(all_cells))


def _task(task: str, groups: Sequence[Comparison]) -> Markup:
    said = tasks.about(task)
    parts = [_group(group, where=f" on {group.data}" if len(groups) > 1 else "") for group in groups]
    return tag(
        "section",
        tag("p", task.capitalize(), class_="kicker"),
        tag("h2", said.question if said else task.capitalize()),
        parts,
    )


def _group(group: Comparison, *, where: str) -> Markup:
    """The experiments of one task on one data set."""
    drawn, table = curves(group.cells, where=where), metric_table(group.cells)
    alone = not group.contested  # then the table still fits beside a chart
    return join(
        tag("h3", f"On {group.data}", id=anchor(group)) if where or group.contested else None,
        beside(group) if group.contested else [tag("p", note, class_="note") for note in group.caveats],
        None if alone else join(tag("h4", "All test metrics"), table, tag("h4", "Learning curves")),
        tag("p", told(group.cells), class_="note") if drawn else missing("No learning curves were kept."),
        tag("div", table if alone else None, drawn, class_="curves"),
        [_experiment(cell) for cell in group.cells],
    )


def _experiment(cell: Cell) -> Markup:
    run = cell.shown
    task, data = str(cell["task"]), str(cell["data"])
    said = tasks.about(task)
    what = said.shows if said else "On {data}."
    several = f" Shown is seed {run.seed}, the first of {len(cell.runs)}." if len(cell.runs) > 1 else ""
    facts = f"{net_name(cell)}, trained by the {cell['method']} method. {what.format(data=data)}{several}"
    return tag(
        "article",
        tag("h3", tag("span", class_=f"dot {cell.family}"), cell["experiment"]),
        tag("p", facts),
        evidence(run, task=task, family=cell.family),
        class_=cell.family,
        id=anchor_of(cell),
    )


def _repeat(all_cells: Sequence[Cell]) -> Markup:
    return tag(
        "section",
        tag("h2", "How to repeat each number"),
        tag("p", "The resolved configuration, the data's digest and the commit are a run's fingerprint: the same three "
                 "make the same numbers on the same machine."),
        repeat_table(all_cells),
        tag("details", tag("summary", "Every number, to the digit"), every_number(all_cells)),
    )  # fmt: skip


def _footer() -> Markup:
    said = (
        "FLOPs are those of training on one sample, forward and backward, as counted by PyTorch. Samples are images, "
        "sentence pairs or windows of text, by the task. ± is the sample standard deviation over seeds. Training time "
        "is the wall clock's, so it depends on the machine and on what else it did."
    )
    return tag(
        "footer",
        tag("p", said),
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
