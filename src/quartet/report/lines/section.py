"""Draw the summary over lines: the last section of a table's page."""

from __future__ import annotations

import math

from quartet.report.drawing import chart
from quartet.report.drawing.markup import Markup, tag
from quartet.report.drawing.numerals import percent
from quartet.report.lines.ranks import FARTHEST, Interval, Summary
from quartet.report.run import FAMILY_NAMES
from quartet.report.table import table

RANKS = "Mean rank over the lines, 1 for the best, and its 95 % interval."
IMPROVEMENT = "The probability that a run of the first is better than a run of the second, averaged over the lines."
PROFILES = (
    "Performance profiles: the share of runs, averaged over the lines, whose distance from the best possible value is "
    "at most so many times the least mean distance of their line. Higher is better; a net that is best everywhere is "
    "at the top from 1 on."
)


def title(summary: Summary) -> str:
    """Return the section's heading."""
    return f"All lines together: a summary of these {len(summary.lines)}, and no law"


def caveat(summary: Summary) -> str:
    """Return what the intervals do not say."""
    few = (
        f" With {summary.seeds} seeds a bootstrap is too narrow, by a factor of about "
        f"{math.sqrt(summary.seeds / (summary.seeds - 1)):.2f}."
        if 1 < summary.seeds < 10
        else ""
    )
    return (
        f"The lines are {', '.join(summary.lines)}. Intervals come from a bootstrap of the seeds within each line; "
        f"they say nothing of other lines, tasks or budgets.{few}"
    )


def between(found: Interval) -> str:
    """Return an interval's value and bounds with two decimals."""
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def lines_section(summary: Summary | None) -> Markup:
    """Return the section; nothing for None."""
    if summary is None:
        return Markup("")
    ordered = sorted(summary.nets, key=lambda net: summary.ranks[net].value)
    ranks = [[tag("th", net, scope="row"), tag("td", between(summary.ranks[net]), class_="number")] for net in ordered]
    pairs = [
        [tag("th", f"{first} over {second}", scope="row"), tag("td", between(found), class_="number")]
        for (first, second), found in summary.improvement.items()
    ]
    return tag(
        "section",
        tag("h2", title(summary)),
        tag("p", caveat(summary), class_="note"),
        table(ranks, head=("net", "mean rank"), caption=RANKS, fits=True),
        table(pairs, head=("pair", "probability"), caption=IMPROVEMENT, fits=True),
        _profiles(summary),
    )


def _profiles(summary: Summary) -> Markup | None:
    """Return the chart of performance profiles."""
    if not summary.profiles:
        return None
    families = {name: family for family, name in FAMILY_NAMES.items()}
    strokes = [
        chart.Line([(math.log10(at), 100 * share) for at, share in points], families[net], "validation", net)
        for net, points in summary.profiles.items()
    ]
    keys = [tag("span", tag("span", class_=f"dot {stroke.family}"), stroke.label) for stroke in strokes]
    picture = chart.line_chart(
        strokes,
        title="performance profiles",
        unit="times the least distance, logarithmic",
        labels=[(math.log10(at), f"{at:g}") for at in (1.0, 1.5, 2.0, 3.0, FARTHEST)],
    )
    caption = tag(
        "figcaption", tag("strong", f"share of runs, {percent(0.01)[-1]}"), tag("span", keys, class_="legend")
    )
    return tag(
        "div", tag("figure", caption, picture, class_="curve"), tag("p", PROFILES, class_="note"), class_="curves"
    )


def lines_markdown(summary: Summary | None) -> list[str]:
    """Return the section as paragraphs of Markdown; [] for None."""
    if summary is None:
        return []
    ranks = [f"| {net} | {between(summary.ranks[net])} |" for net in summary.nets]
    pairs = [f"| {first} over {second} | {between(found)} |" for (first, second), found in summary.improvement.items()]
    return [
        f"## {title(summary)}",
        caveat(summary),
        "\n".join(["| net | mean rank |", "|---|---|", *ranks]),
        RANKS,
        "\n".join(["| pair | probability |", "|---|---|", *pairs]),
        IMPROVEMENT,
    ]
