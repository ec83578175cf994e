"""Draw for the findings about adversarial training: axes, curves of several seeds, rows of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

INK, FAINT = "#333333", "#888888"
COLOURS = ("#3366aa", "#dd7722", "#339966", "#aa4499", "#bb4444")
Curve = tuple[np.ndarray, np.ndarray]  # x and y, of the same length


def panels(count: int, *, width: float = 7.0, height: float = 3.2) -> tuple[Figure, list[Any]]:
    """Return a figure with `count` axes side by side, without their upper and right sides. Sizes are in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    axes = [figure.add_subplot(1, count, i + 1) for i in range(count)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
        each.xaxis.label.set_fontsize(8)
        each.yaxis.label.set_fontsize(8)
    return figure, axes


def draw_seeds(axes: Any, curves: Sequence[Curve], *, colour: str) -> tuple[float, float]:
    """Draw one thin line a seed and their mean, as far as all seeds go; return the end of the mean."""
    for x, y in curves:
        axes.plot(x, y, lw=0.8, alpha=0.4, color=colour)
    longest = max((x for x, _ in curves), key=len)
    within = np.array([x for x in longest if all(x <= own[-1] for own, _ in curves)])
    mean = np.mean([np.interp(within, x, y) for x, y in curves], 0)
    axes.plot(within, mean, lw=2, color=colour)
    return float(within[-1]), float(mean[-1])


def name_ends(axes: Any, names: Sequence[str], ends: Sequence[tuple[float, float]], colours: Sequence[str]) -> None:
    """Write the names of lines at their right ends, one below the other where they would meet."""
    heights = [axes.transData.transform(end)[1] for end in ends]
    gap = 9 * axes.figure.dpi / 72  # pixels of a line of text
    below = np.inf
    for height, name, end, colour in sorted(zip(heights, names, ends, colours, strict=True), reverse=True):
        below = min(height, below - gap)
        shift = (below - height) * 72 / axes.figure.dpi
        axes.annotate(name, end, xytext=(5, shift), textcoords="offset points", fontsize=8, color=colour, va="center")


def plain_numbers(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as 2, 5, 10, 20."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def draw_dots(axes: Any, names: Sequence[str], rows: Sequence[Sequence[float]], *, colours: Sequence[str]) -> None:
    """Draw a row of dots, one a seed, for each name, the first on top, with the mean as a number."""
    for i, (values, colour) in enumerate(zip(rows, colours, strict=True)):
        axes.plot(values, [-i] * len(values), "o", ms=5, alpha=0.7, color=colour)
        axes.annotate(
            f"{np.mean(values):.3g}",
            (max(values), -i),
            xytext=(7, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    axes.set_yticks([-i for i in range(len(rows))], list(names), fontsize=8)
    axes.set_ylim(-len(rows) + 0.4, 0.6)


def sheet(images_NHWC: np.ndarray, *, columns: int) -> np.ndarray:
    """Return one picture of bytes (height, width, channels) in which the images stand in rows of `columns`."""
    n, height, width, channels = images_NHWC.shape
    rows = -(-n // columns)
    filled = np.zeros((rows * columns, height, width, channels), np.uint8)
    filled[:n] = images_NHWC
    grid = filled.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def show(axes: Any, images_NHWC: np.ndarray, *, columns: int, label: str = "") -> None:
    """Show images in rows of `columns`, with a label at their left."""
    picture = sheet(images_NHWC, columns=columns)
    grey = picture.shape[-1] == 1
    axes.imshow(picture[..., 0] if grey else picture, cmap="gray" if grey else None, vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if label:
        axes.set_ylabel(label, fontsize=8)


def curve(rows: Sequence[Mapping[str, float]], name: str) -> Curve:
    """Return a metric of a curve against thousands of images seen."""
    return np.array([row["samples"] for row in rows]) / 1000, np.array([row[name] for row in rows])
