"""Write the report as Markdown, for a pull request: verdicts, matched conditions, tables, commands to repeat
numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence

from quartet.report.comparing.axes import Axis, axes
from quartet.report.comparing.axis_words import axis_rows, crossing_sentences
from quartet.report.comparing.comparison import Comparison, common_caveats, comparisons
from quartet.report.comparing.costs import cost_notes, cost_table
from quartet.report.comparing.matched import matched
from quartet.report.comparing.statistics import Difference
from quartet.report.comparing.verdict import PAIRS, RULE, interval, p_value, pair_head, pair_name, short, signed
from quartet.report.comparison_section import verdicts_title
from quartet.report.drawing.numerals import compact, duration, spread
from quartet.report.lines.ranks import over_lines
from quartet.report.lines.section import lines_markdown
from quartet.report.run import ExperimentRuns, Run, group_by_experiment, metric_name
from quartet.report.table import METRICS, REPEATED, commands, mean


def markdown(runs: Sequence[Run], *, title: str = "Quartet") -> str:
    """Return the report on these runs in GitHub's Markdown, with the same numbers as the page."""
    if not runs:
        return f"# {title}\n\nNo runs.\n"
    groups = comparisons(runs)
    contested = [group for group in groups if group.contested]
    parts = [f"# {title}"]
    if contested:
        common = common_caveats(contested)
        parts += [
            f"## {verdicts_title(contested)}",
            *(_verdicts(group, common) for group in contested),
            *map(_text, common),
        ]
        parts += [_folded("The rule, laid down before any result", "\n\n".join(map(_text, RULE)))]
    parts += [
        "## Results",
        f"{METRICS} ± is the sample standard deviation over seeds.",
        *(part for group in groups for part in _group(group)),
    ]
    parts += lines_markdown(over_lines(groups))
    parts += ["## How to repeat each number", REPEATED, _repeat(group_by_experiment(runs))]
    parts += [_folded("Every number, to the digit", _every_number(group_by_experiment(runs)))]
    return "\n\n".join(parts) + "\n"


def _verdicts(group: Comparison, common: Sequence[str]) -> str:
    """Return a comparison's scores, verdicts and own caveats."""
    items = "\n".join(f"- {_text(sentence)}" for sentence in group.verdicts)
    notes = [_text(note) for note in group.caveats if note not in common]
    return "\n\n".join([f"### {_text(group.title)}", _text(", ".join(group.scores)), items, *notes])


def _group(group: Comparison) -> list[str]:
    """Return the parts of one comparison: conditions, nets, pairs."""
    parts = [f"### {_text(group.title)}"]
    if group.contested:
        conditions = matched(group.experiments)
        parts += ["\n".join(f"- {'=' if c.same else '≠'} **{c.name}**: {_text(c.text)}" for c in conditions)]
    parts += [_nets(group), group.nets_caption]
    parts += [part for axis in axes(group.experiments) for part in _axis(axis, group)]
    parts += _costs(group)
    return [*parts, _pairs(group), PAIRS] if group.contested else [*parts, *map(_text, group.caveats)]


def _axis(axis: Axis, group: Comparison) -> list[str]:
    """Return an axis' table, a row for each net, and where the nets cross."""
    said = crossing_sentences(axis, group)
    rows = _table([axis.key, *axis.values], axis_rows(axis, group))
    return [rows, "\n".join(f"- {_text(text)}" for text in said)] if said else [rows]


def _nets(group: Comparison) -> str:
    """Return the table of nets."""
    metric = f"{metric_name(group.metric)} {group.arrow}".strip()
    costs = ("parameters", "FLOPs / sample", "samples seen", "training")
    return _table(
        ["experiment", metric, "95 % interval", *costs, "seeds"],
        [
            [
                str(experiment.name),
                spread(list(experiment.values(f"test/{group.metric}").values())),
                interval(group.estimate(experiment)),
                *(compact(mean(experiment.numbers(key))) for key in ("parameters", "flops", "samples_seen")),
                duration(mean(experiment.numbers("train_seconds"))),
                ", ".join(map(str, experiment.values(f"test/{group.metric}"))) or "not evaluated",
            ]
            for experiment in group.experiments
        ],
    )


def _costs(group: Comparison) -> list[str]:
    """Return the table of what serving costs, and of prices, with its notes; nothing where nothing was measured."""
    caption, head, rows = cost_table(group.experiments)
    return [*([_table(head, rows), caption] if rows else []), *map(_text, cost_notes(group.experiments))]


def _pairs(group: Comparison) -> str:
    """Return the table of pairs."""
    return _table(pair_head(group.metric), [_pair(group, difference) for difference in group.differences])


def _pair(group: Comparison, difference: Difference) -> list[str]:
    """Return the row of a pair."""
    return [
        pair_name(difference, names=group.names),
        signed(difference, group.metric),
        ", ".join(map(str, difference.seeds)) or "none",
        difference.covers or "–",
        *(p_value(p) for p in (difference.p, difference.holm, difference.flip_holm)),
        short(difference, names=group.names, metric=group.metric, better=group.better),
    ]


def _repeat(all_experiments: Sequence[ExperimentRuns]) -> str:
    """Return a table with each run's commands."""
    rows = [
        [_run(run), "<br>".join(map(_code, commands(run)))] for experiment in all_experiments for run in experiment.runs
    ]
    return _table(["run", "commands"], rows, escaped=True)


def _every_number(all_experiments: Sequence[ExperimentRuns]) -> str:
    """Return a table with each metric of each run, to the last digit."""
    rows = [
        [_run(run), _code(name), json.dumps(value)]
        for experiment in all_experiments
        for run in experiment.runs
        for name, value in run.metrics.items()
    ]
    return _table(["run", "metric", "value"], rows, escaped=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, escaped: bool = False) -> str:
    """Return a Markdown table; `escaped` rows are Markdown already."""
    lines = [head, ["---"] * len(head), *(row if escaped else [_text(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _folded(summary: str, content: str) -> str:
    """Return a block that a reader can open."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def _run(run: Run) -> str:
    """Return a run's experiment and seed."""
    return _text(f"{run['experiment']}, seed {run.seed}")


def _code(text: str) -> str:
    """Return `text` as code for a table's cell, where a bar needs an escape even in code."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`"


def _text(text: str) -> str:
    """Return text without Markdown's special meaning: names come from users."""
    for special in ("\\", "|", "<", "*", "_", "`", "["):
        text = text.replace(special, "\\" + special)
    return text
