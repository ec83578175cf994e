"""Draw small diagrams as inline SVG, coloured by the page's style sheet: matrices, bars, a scale, a sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import plain

LETTER = 6.7  # average width of a letter in pixels


def heat_map(
    values: Sequence[Sequence[float]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    family: str,
    cell: int,
    written: Sequence[Sequence[str]] | None = None,
) -> Markup:
    """Return a matrix of values in [0, 1] as opacity, with names of rows and columns.

    Args:
        cell: side of a square in pixels.
        written: text inside each square, if any.
    """
    left = 8 + round(LETTER * max(map(len, rows), default=0))
    top = 12 + round(0.8 * LETTER * max(map(len, columns), default=0))
    width, height = left + cell * len(columns) + 34, top + cell * len(rows) + 4
    names = [
        tag("text", name, x=left - 6, y=top + cell * i + cell / 2 + 4, class_="axis", text_anchor="end")
        for i, name in enumerate(rows)
    ] + [
        tag("text", name, transform=f"translate({left + cell * j + cell / 2 + 2} {top - 6}) rotate(-50)", class_="axis")
        for j, name in enumerate(columns)
    ]
    squares = [
        _square(value, left + cell * j, top + cell * i, cell, f"{rows[i]} → {columns[j]}: {value:.3f}",
                written[i][j] if written else "")
        for i, row in enumerate(values)
        for j, value in enumerate(row)
    ]  # fmt: skip
    return tag(
        "svg", tag("title", title), names, squares, viewBox=f"0 0 {width} {height}", width=width, height=height,
        class_=f"chart heat {family}", role="img", aria_label=title,
    )  # fmt: skip


def _square(value: float, x: float, y: float, cell: int, label: str, text: str) -> Markup:
    """Return one square of the matrix, with its tooltip and text."""
    # The square root makes a share of one per cent visible.
    opacity = f"{math.sqrt(min(1.0, max(0.0, value))):.2f}"
    box = tag("rect", tag("title", label), x=x, y=y, width=cell - 1, height=cell - 1, fill_opacity=opacity)
    tone = "strong" if value > 0.35 else "weak"
    inside = tag("text", text, x=x + cell / 2 - 0.5, y=y + cell / 2 + 3.5, text_anchor="middle", class_=tone)
    return join(box, inside if text else None)


def bars(values: Sequence[float], *, names: Sequence[str], title: str, family: str, reference: float) -> Markup:
    """Return horizontal bars with names and values, and a dashed line at `reference`."""
    left, row, width = 10 + round(LETTER * max(map(len, names), default=0)), 19, 400
    most = max([*values, reference]) or 1.0
    across = (width - left - 44) / most
    height, level = row * len(values) + 4, f"{left + reference * across:.1f}"
    drawn = [
        join(
            tag("text", name, x=left - 8, y=row * i + 14, class_="axis", text_anchor="end"),
            tag("rect", x=left, y=row * i + 4, width=f"{value * across:.1f}", height=row - 6, fill_opacity="0.8"),
            tag("text", f"{value:g}", x=f"{left + max(value, reference) * across + 6:.1f}", y=row * i + 14),
        )
        for i, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    line = tag("line", x1=level, x2=level, y1=0, y2=height, class_="reference")
    return tag("svg", tag("title", title), drawn, line, viewBox=f"0 0 {width} {height}", role="img", aria_label=title,
               class_=f"chart heat narrow {family}")  # fmt: skip


def log_scale(marks: Sequence[tuple[str, float, str]], *, title: str) -> Markup:
    """Return positive numbers on one logarithmic line; each mark is (name, value, class of its colour)."""
    marks = sorted((mark for mark in marks if mark[1] > 0), key=lambda mark: mark[1])
    low, high = math.log(marks[0][1]), math.log(marks[-1][1])
    width, margin = 440, 62
    drawn = []
    for name, value, family in marks:
        x = f"{margin + (math.log(value) - low) / ((high - low) or 1.0) * (width - 2 * margin):.1f}"
        drawn += [
            tag("circle", cx=x, cy=34, r=6, class_=f"mark {family}"),
            tag("text", plain(value), x=x, y=20, text_anchor="middle", class_="value"),
            tag("text", name, x=x, y=58, text_anchor="middle", class_="axis"),
        ]
    line = tag("line", x1=margin, x2=width - margin, y1=34, y2=34, class_="grid")
    return tag("svg", tag("title", title), line, drawn, viewBox=f"0 0 {width} 66", role="img", aria_label=title,
               class_="chart narrow")  # fmt: skip


def sequence(values: Sequence[Sequence[float]], *, title: str, family: str) -> Markup:
    """Return a short sequence of numbers without axes, one line for each channel."""
    flat = [number for channel in values for number in channel]
    low, high = min(flat, default=0.0), max(flat, default=1.0)
    lines = []
    for channel in values:
        step = 100 / max(1, len(channel) - 1)
        points = " ".join(
            f"{i * step:.1f},{56 - (value - low) / ((high - low) or 1.0) * 52:.1f}" for i, value in enumerate(channel)
        )
        lines.append(tag("g", tag("polyline", points=points), class_=f"line {family}"))
    return tag("svg", tag("title", title), lines, viewBox="0 0 100 60", role="img", aria_label=title, class_="chart")
