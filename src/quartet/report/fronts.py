"""Draw quality against cost: the nets of one comparison in a chart for each cost, with the Pareto front marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from quartet.report.comparing.comparison import Comparison
from quartet.report.comparing.costs import COSTS, Point, front, measured_points
from quartet.report.drawing.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, across
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact
from quartet.report.run import metric_name

LINE = 13  # pixels between names


def fronts(comparison: Comparison) -> list[Markup]:
    """Return a chart for each cost that differs, then a sentence for each matched cost.

    Return nothing for a metric without a better direction.
    """
    if not comparison.contested or comparison.better is None:
        return []
    charts, notes = [], []
    for key, cost in COSTS.items():
        points = measured_points(comparison, key)
        costs = [point.cost for point in points]
        if len(points) < 2 or min(costs) <= 0:
            continue
        if max(costs) / min(costs) - 1 <= cost.tolerance:
            notes.append(tag("p", f"Matched in {cost.name}: there is no front to draw.", class_="note"))
        else:
            charts.append(_figure(points, comparison, cost.name))
    return charts + notes


def _figure(points: Sequence[Point], comparison: Comparison, cost_name: str) -> Markup:
    """Return the chart with its caption, which names the nets on the front."""
    best = front(points, rising=comparison.better == "max")
    title = f"{metric_name(comparison.metric)} against {cost_name}"
    text = "On the front: " + ", ".join(point.name for point in best) + "."
    caption = tag("figcaption", tag("strong", title), " ", comparison.arrow, tag("br"), text)
    return tag("figure", caption, _chart(points, best, title, cost_name), class_="curve")


def _chart(points: Sequence[Point], best: Sequence[Point], title: str, cost_name: str) -> Markup:
    """Return the chart as SVG: cost on a logarithmic axis, quality on a linear one."""
    costs = [math.log10(cost) for point in points for cost, _ in point.seeds if cost > 0]
    values = [quality for point in points for _, quality in point.seeds]
    wide, high = 0.08 * (max(costs) - min(costs)), 0.1 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1.0
    x = Scale(min(costs) - wide, max(costs) + wide, LEFT, WIDTH - RIGHT)
    y = Scale(min(values) - high, max(values) + high, HEIGHT - BOTTOM, TOP)
    places = {point: (x(math.log10(point.cost)), y(point.quality)) for point in points}
    return tag(
        "svg",
        tag("title", title),
        across(y),
        [_tick(cost, x) for cost in decades(10**x.low, 10**x.high)],
        tag("text", f"{cost_name}, logarithmic", x=WIDTH - RIGHT, y=HEIGHT - 6, class_="axis", text_anchor="end"),
        _stairs([places[point] for point in best]),
        [_marks(point, places[point], x, y, point in best) for point in points],
        _names(places),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart fronts", role="img", aria_label=title,
    )  # fmt: skip


def decades(low: float, high: float) -> list[float]:
    """Return at least three round numbers between `low` and `high` for a logarithmic axis: powers of ten, or finer
    steps."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    finer = (tuple(tenth / 10 for tenth in range(10, 100, step)) for step in (5, 2, 1))
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), *finer):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / 6)]
    return found or [low]


def _tick(cost: float, x: Scale) -> Markup:
    """Return the label of a cost on the axis."""
    at = f"{x(math.log10(cost)):.1f}"
    return tag("text", compact(cost), x=at, y=HEIGHT - BOTTOM + 17, class_="axis", text_anchor="middle")


def _stairs(places: Sequence[tuple[float, float]]) -> Markup:
    """Return the front as a step line: the best quality up to each cost."""
    corners = [places[0]]
    for after in places[1:]:
        corners += [(after[0], corners[-1][1]), after]
    corners.append((WIDTH - RIGHT, corners[-1][1]))
    return tag("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners), class_="front")


def _marks(point: Point, place: tuple[float, float], x: Scale, y: Scale, best: bool) -> Markup:
    """Return the dots of a net: a large one for the mean, small ones for the seeds."""
    seeds = [
        tag("circle", cx=f"{x(math.log10(cost)):.1f}", cy=f"{y(quality):.1f}", r=1.8, class_="seed")
        for cost, quality in point.seeds
        if len(point.seeds) > 1 and cost > 0
    ]
    kind = "on" if best else "off"
    mean = tag("circle", cx=f"{place[0]:.1f}", cy=f"{place[1]:.1f}", r=5, class_=f"net {kind}")
    text = f"{point.name}: {point.quality:.4g} at {compact(point.cost)}"
    return tag("g", tag("title", text), seeds, mean, class_=point.family)


def _names(places: dict[Point, tuple[float, float]]) -> Markup:
    """Return the names above their points, on the side with more room; below a point where another name is in the
    way."""
    written, above = [], {True: -math.inf, False: -math.inf}
    for point, (x, y) in sorted(places.items(), key=lambda item: item[1][1]):
        right = x < (LEFT + WIDTH) / 2
        next_free = above[right] + LINE
        above[right] = y - 9 if y - 9 >= next_free else max(y + 16, next_free)
        written.append(
            tag("text", point.name, x=f"{x + (-4 if right else 4):.1f}", y=f"{above[right]:.1f}",
                text_anchor=None if right else "end", class_=f"name {point.family}")
        )  # fmt: skip
    return join(written)
