"""Colours, axes and direct labels of the figures about convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK, SOFT, RULE = "#1d1f23", "#5d636d", "#e2dfd8"
CNN, MLP, OTHER, BAD = "#2563a8", "#96600f", "#1f7a58", "#b3422a"
SIGNED = LinearSegmentedColormap.from_list("signed", ["#215ca0", "#f4f3ef", "#be3e26"])  # below zero, zero, above
WIDTH = 7.0  # inches, shown at 700 pixels


def sheet(height: float, **layout: Any) -> Figure:
    """Return an empty figure of the page's width; `height` in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained", dpi=150, facecolor="white", **layout)


def plain(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> Axes:
    """Give axes a title above the left end, labels and a faint grid, and take away the frame; return them."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=9, color=SOFT)
    axes.set_ylabel(y, fontsize=9, color=SOFT)
    axes.tick_params(labelsize=9, colors=SOFT, length=0)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return axes


def lines(axes: Axes, x: Sequence[float], values_SP: np.ndarray, *, colour: str, dash: str = "-") -> None:
    """Draw each seed's line faintly, and their mean strongly, over places `x` (P,)."""
    for values_P in values_SP:
        axes.plot(x, values_P, color=colour, alpha=0.35, linewidth=0.8, linestyle=dash)
    axes.plot(x, values_SP.mean(0), color=colour, linewidth=2, marker=".", linestyle=dash)


def label(axes: Axes, x: float, y: float, text: str, colour: str, **options: Any) -> None:
    """Write a line's name beside the point (x, y), by default to its right."""
    given = {"xytext": (6, 0), "ha": "left", "va": "center", "fontsize": 9, **options}
    axes.annotate(text, (x, y), textcoords="offset points", color=colour, **given)


def labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]], *, apart: float) -> None:
    """Write names beside the ends (x, y, name, colour) of lines, at least `apart` (in units of y) from each other."""
    lowest = -np.inf
    for x, y, text, colour in sorted((end for end in ends if np.isfinite(end[1])), key=lambda end: end[1]):
        lowest = max(y, lowest + apart)
        axes.text(x, lowest, f"  {text}", va="center", fontsize=9, color=colour)


def powers(axes: Axes, values: Sequence[float], *, unit: str = "") -> None:
    """Make the axis of x logarithmic, with a tick at each of the values, in two digits."""
    axes.set_xscale("log")
    axes.set_xticks(list(values), [f"{value:.2g}{unit}" if value < 100 else f"{value:.0f}{unit}" for value in values])
    axes.minorticks_off()


def picture(axes: Axes, pixels: np.ndarray, **options: Any) -> None:
    """Draw pixels (H, W) or (H, W, 3) without axes."""
    axes.imshow(pixels, interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
