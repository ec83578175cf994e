"""Draw line charts as inline SVG. The page's style sheet colours them, in light and dark.

A line's classes are its net's family and its kind (`validation` strong, `training` faint, `forecast` dashed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact

WIDTH, HEIGHT = 360, 232
LEFT, RIGHT, TOP, BOTTOM = 42, 18, 10, 38  # margins
MAX_POINTS = 160


@dataclass(frozen=True)
class Line:
    """One curve: points `(x, y)`, the class of its colour, its kind, and the text of its tooltip."""

    points: Sequence[tuple[float, float]]
    family: str
    kind: str
    label: str


@dataclass(frozen=True)
class Band:
    """The range of several curves: points `(x, low, high)`, the class of its colour, the text of its tooltip, and its
    kind, "" or "forecast"."""

    points: Sequence[tuple[float, float, float]]
    family: str
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Scale:
    """A linear map from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers from `low` to `high`."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(i * step, 12) for i in range(first, last + 1)]


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `MAX_POINTS` points, each the mean of its neighbours; non-finite points are left out."""
    good = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    size = max(1, math.ceil(len(good) / MAX_POINTS))
    parts = [good[i : i + size] for i in range(0, len(good), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def window(lines: Sequence[Line], bands: Sequence[Band], reference: float | None) -> tuple[float, float]:
    """Return the range of y: all validation values, and the training values without their first tenth.

    Forecasts have their lines in it, but not their bands, whose width would make all else flat.
    """
    values = [] if reference is None else [reference]
    values += [edge for band in bands if band.kind != "forecast" for _, *edges in band.points for edge in edges]
    for line in lines:
        ys = [y for _, y in line.points]
        values += ys[len(ys) // 10 :] if line.kind == "training" else ys
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    unit: str,
    reference: float | None = None,
    bands: Sequence[Band] = (),
    labels: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Return curves over `unit` on top of bands, with a dashed line at `reference`. Return nothing without a point.

    `labels`: places of x with their texts, which span the chart; by default round numbers from zero on.
    """
    lines = [Line(thin(line.points), line.family, line.kind, line.label) for line in lines]
    lines = [line for line in lines if line.points]
    if not lines:
        return Markup("")
    xs = [x for line in lines for x, _ in line.points]
    edge = 12 if labels else 0  # room for the first and the last label
    low, high = (labels[0][0], labels[-1][0]) if labels else (min(0.0, *xs), max(xs))
    x = Scale(low, high, LEFT + edge, WIDTH - RIGHT - edge)
    y = Scale(*window(lines, bands, reference), HEIGHT - BOTTOM, TOP)
    return tag(
        "svg",
        tag("title", title),
        _grid(x, y, labels),
        tag("text", unit, x=WIDTH - RIGHT, y=HEIGHT - 6, class_="axis", text_anchor="end"),
        # A nested svg cuts off what leaves the window.
        tag("svg", [_band(band, x, y) for band in bands], _marks(lines, x, y, reference),
            x=0, y=TOP - 4, width=WIDTH, height=HEIGHT - TOP - BOTTOM + 8,
            viewBox=f"0 {TOP - 4} {WIDTH} {HEIGHT - TOP - BOTTOM + 8}"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart", role="img", aria_label=title,
    )  # fmt: skip


def across(y: Scale) -> Markup:
    """Return horizontal grid lines with their values."""
    shown = ticks(y.low, y.high, 5)
    digits = max((len(f"{value:g}".partition(".")[2]) for value in shown if "e" not in f"{value:g}"), default=0)
    return join(
        [
            join(
                tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y(value):.1f}", y2=f"{y(value):.1f}", class_="grid"),
                tag(
                    "text",
                    f"{value:.{digits}f}",
                    x=LEFT - 7,
                    y=f"{y(value) + 3.5:.1f}",
                    class_="axis",
                    text_anchor="end",
                ),
            )
            for value in shown
        ]
    )


def _grid(x: Scale, y: Scale, labels: Sequence[tuple[float, str]]) -> Markup:
    """Return the horizontal grid lines and the labels of x."""
    along = [
        tag("text", text, x=f"{x(value):.1f}", y=HEIGHT - BOTTOM + 17, class_="axis", text_anchor="middle")
        for value, text in labels or [(value, compact(value)) for value in ticks(x.low, x.high, 4)]
    ]
    return join(across(y), along)


def _marks(lines: Sequence[Line], x: Scale, y: Scale, reference: float | None) -> Markup:
    """Return the reference line and all curves."""
    dashed = None
    if reference is not None:
        level = f"{y(reference):.1f}"
        dashed = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=level, y2=level, class_="reference")
    # Strong lines last, so that they lie on top of faint ones.
    return join(dashed, [_mark(line, x, y) for line in sorted(lines, key=lambda line: line.kind)])


def _mark(line: Line, x: Scale, y: Scale) -> Markup:
    """Return one curve; up to 30 validations also have a dot each."""
    points = [(f"{x(a):.1f}", f"{y(b):.1f}") for a, b in line.points]
    stroke = tag("polyline", points=" ".join(f"{a},{b}" for a, b in points))
    # Dots show where the few validations were.
    few = line.kind == "validation" and len(points) <= 30
    dots = [tag("circle", cx=a, cy=b, r=2.2) for a, b in points] if few else []
    return tag("g", tag("title", line.label), stroke, dots, class_=f"line {line.kind} {line.family}")


def _band(band: Band, x: Scale, y: Scale) -> Markup:
    """Return a band as a polygon."""
    low = thin([(a, low) for a, low, _ in band.points])
    high = thin([(a, high) for a, _, high in band.points])
    outline = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in [*low, *reversed(high)])
    classes = ["band", *([band.kind] if band.kind else []), band.family]
    return tag("polygon", tag("title", band.label), points=outline, class_=" ".join(classes))
