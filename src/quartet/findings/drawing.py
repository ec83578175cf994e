"""Draw what the measurements found, all in one look: lines and dots of seeds, names at the ends of lines, pictures.

Colours and greys are those of the project's pages (`report/page.css`). Every seed is shown, and the mean beside it.

Shapes: S seeds, P places of the horizontal axis, N names or pictures, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import offset_copy
from scipy.optimize import isotonic_regression

INK, SOFT, RULE = "#1d1f23", "#5d636d", "#e2dfd8"  # titles, what stands back, the grid
CNN, RNN, TRANSFORMER, MLP, BAD, OTHER = "#2563a8", "#1f7a58", "#7444a8", "#96600f", "#b3422a", SOFT
NETS = {"cnn": CNN, "rnn": RNN, "transformer": TRANSFORMER, "mlp": MLP}
COLOURS = (CNN, MLP, RNN, TRANSFORMER, BAD)  # of what is no kind of net: neighbours differ most
SIGNED = LinearSegmentedColormap.from_list("signed", ["#215ca0", "#f4f3ef", "#be3e26"])  # below zero, zero, above
WIDTH, DPI = 7.0, 110  # inches, and dots an inch: 770 pixels, which the page shows as they are
TITLE, TEXT, SMALL = 10, 9, 8  # points

Curve = tuple[np.ndarray, np.ndarray]  # x (P,), ascending, and y (P,)
End = tuple[float, float, str, str]  # x, y, name and colour of a line's end


def panels(
    count: int = 1, *, rows: int = 1, width: float = WIDTH, height: float = 3.6, title: str = "", **layout: Any
) -> tuple[Figure, list[Axes]]:
    """Return a white figure and its `count` axes, row by row; sizes are in inches.

    `layout` goes to matplotlib's `subplots`. A title is for the whole figure; that of a panel is given to `plain`.
    """
    figure = Figure(figsize=(width, height), layout="constrained", dpi=DPI, facecolor="white")
    axes = figure.subplots(rows, count // rows, squeeze=False, **layout)
    if title:
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left", color=INK)
    return figure, list(axes.ravel())


def plain(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> Axes:
    """Give axes a title above the left end, labels with units and a faint grid, and no frame; return them."""
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK)
    axes.set_xlabel(x, fontsize=TEXT, color=SOFT)
    axes.set_ylabel(y, fontsize=TEXT, color=SOFT)
    axes.tick_params(labelsize=TEXT, colors=SOFT, length=0)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return axes


def lines(axes: Axes, x_P: Any, values_SP: np.ndarray, *, colour: str, dash: str = "-", name: str = "") -> End:
    """Draw a thin line a seed and their mean over the same places; return the end of the mean, for `name_ends`."""
    x = np.asarray(x_P, float)
    return curves(axes, [(x, values_P) for values_P in values_SP], colour=colour, dash=dash, name=name)


def curves(axes: Axes, of_seeds: Sequence[Curve], *, colour: str, dash: str = "-", name: str = "") -> End:
    """Draw the same of seeds that were measured at places of their own; the mean goes as far as all of them do."""
    for x, y in of_seeds:
        axes.plot(x, y, color=colour, alpha=0.4, linewidth=0.8, linestyle=dash)
    x, y = mean_curve(of_seeds)
    axes.plot(x, y, color=colour, linewidth=2, marker="." if len(x) <= 16 else "", linestyle=dash)
    return float(x[-1]), float(y[-1]), name, colour


def mean_curve(of_seeds: Sequence[Curve]) -> Curve:
    """Return the mean of curves where all of them are, between their places on straight lines."""
    first = of_seeds[0][0]
    if all(np.array_equal(x, first) for x, _ in of_seeds):
        return first, np.mean([y for _, y in of_seeds], 0)
    low, high = max(x[0] for x, _ in of_seeds), min(x[-1] for x, _ in of_seeds)
    if low > high:
        return of_seeds[0]
    places = np.unique(np.concatenate([x for x, _ in of_seeds]))
    places = places[(places >= low) & (places <= high)]
    return places, np.mean([np.interp(places, x, y) for x, y in of_seeds], 0)


def name_ends(axes: Axes, ends: Sequence[End], *, beside: bool = False) -> None:
    """Write the names of lines at the right of the axes, or `beside` the ends, none over another.

    A thin stroke joins a name with its end. Call this last: heights are known when all else stands. An end that is not
    a number gets no name.
    """
    shown = sorted((end for end in ends if np.isfinite(end[1])), key=lambda end: end[1])
    if not shown:
        return
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    line = 1.35 * SMALL / 72 * figure.dpi / axes.bbox.height  # height of a line of text, as a share of the axes'
    to_share = axes.transData + axes.transAxes.inverted()
    wanted_N = np.array([to_share.transform(end[:2])[1] for end in shown])
    place_N = apart(wanted_N, line * np.array([1 + name.count("\n") for _, _, name, _ in shown]))
    across = axes.get_xaxis_transform() if beside else axes.transAxes
    near = offset_copy(across, fig=figure, x=12, units="points")
    for (x, y, name, colour), place in zip(shown, place_N, strict=True):
        stroke = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2}
        axes.annotate(
            name, (x, y), xytext=(x if beside else 1.0, place), textcoords=near, fontsize=SMALL, color=colour,
            va="center", annotation_clip=False, arrowprops={**stroke, "relpos": (0, 0.5)},
        )  # fmt: skip


def apart(wanted_N: np.ndarray, size_N: np.ndarray) -> np.ndarray:
    """Return the middles of names of these sizes, nearest to those wanted (ascending), without overlap in 0 to 1."""
    stacked_N = np.cumsum(size_N) - size_N / 2
    free_N = isotonic_regression(wanted_N - stacked_N).x
    return free_N.clip(0, max(0.0, 1 - size_N.sum())) + stacked_N


def dots(
    axes: Axes, rows: Mapping[str, Any], *, colours: Sequence[str], shift: float = 0.0, number: str = ".3g",
    paired: bool = False,
) -> None:  # fmt: skip
    """Draw a row for each name, the first on top: a dot a seed, a bar at the mean, and its value at the right.

    `shift` moves dots up, for a second group in the same rows. With `paired`, a line joins the dots of a seed.
    """
    places = shift - np.arange(len(rows))
    if paired:
        axes.plot(np.array(list(rows.values())), places, color=SOFT, linewidth=0.8, alpha=0.5, zorder=1.5)
    margin = offset_copy(axes.get_yaxis_transform(), fig=axes.figure, x=8, units="points")  # type: ignore[arg-type]
    for place, values_S, colour in zip(places, rows.values(), colours, strict=True):
        mean = np.mean(values_S)
        look: dict[str, Any] = {"color": colour, "clip_on": False}  # whole at the ends of the axis, too
        axes.plot(values_S, [place] * len(values_S), "o", markersize=5, alpha=0.6, markeredgewidth=0, **look)
        axes.plot(mean, place, "|", markersize=13, markeredgewidth=1.8, **look)
        axes.text(1, place, f"{mean:{number}}", transform=margin, fontsize=SMALL, color=colour, va="center")
    axes.set_yticks(-np.arange(len(rows)), [str(name) for name in rows], fontsize=TEXT)
    axes.set_ylim(0.5 - len(rows), 0.5)


def reference(
    axes: Axes,
    *,
    x: float | None = None,
    y: float | None = None,
    text: str = "",
    side: str = "left",
    colour: str = SOFT,
) -> None:
    """Draw a dotted line at `x` or at `y`, and its name at the upper or the left end, on this `side` of its end."""
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": SMALL, "color": colour, "annotation_clip": False}
    if x is not None:
        axes.axvline(x, color=colour, linewidth=1, linestyle=":", zorder=1.5)
        axes.annotate(text, (x, 1), xycoords=axes.get_xaxis_transform(), xytext=(-4 if side == "right" else 4, -2),
                      ha=side, va="top", **look)  # fmt: skip
    if y is not None:
        axes.axhline(y, color=colour, linewidth=1, linestyle=":", zorder=1.5)
        axes.annotate(text, (0, y), xycoords=axes.get_yaxis_transform(), xytext=(4, 2), va="bottom", **look)


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with ticks written as 0.01, 5, 20. Call this when all is drawn."""
    axes.set(**{f"{which}scale": "log"})
    axis, (low, high) = (axes.xaxis, axes.get_xlim()) if which == "x" else (axes.yaxis, axes.get_ylim())
    few, some, many = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,)  # of one decade, of two, of more
    axis.set_major_locator(LogLocator(subs=few if high < 10 * low else some if high < 300 * low else many))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def log_places(axes: Axes, x_P: Any) -> None:
    """Make the axis of x logarithmic, with a tick at each measured place; of close ones the last has its number."""
    places, labels, last = sorted(x_P, reverse=True), [], np.inf
    for x in places:
        far = np.log(last / x) > 0.055 * np.log(places[0] / places[-1])
        labels.append("" if not far else f"{x:,.0f}" if x >= 100 else f"{x:.3g}")
        last = x if far else last
    axes.set_xscale("log")
    axes.set_xticks(places, labels, fontsize=SMALL)
    axes.xaxis.set_minor_locator(NullLocator())


def picture(axes: Axes, pixels: np.ndarray, *, label: str = "", **options: Any) -> None:
    """Draw pixels (H, W), or (H, W, C) of 1 or 3 channels, without axes, with a label at their left."""
    grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    axes.imshow(pixels[..., 0] if grey else pixels, interpolation="nearest", **options)
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(label, fontsize=SMALL, color=SOFT, rotation=0, ha="right", va="center")
    axes.spines[:].set_visible(False)


def mosaic(images_NHWC: np.ndarray, *, columns: int, gap: int = 0) -> np.ndarray:
    """Return one picture (height, width, C) of images in rows of `columns`, white between them and where none is."""
    n, height, width, channels = images_NHWC.shape
    rows = -(-n // columns)
    tiles = np.full((rows * columns, height + gap, width + gap, channels), 255, images_NHWC.dtype)
    tiles[:n, :height, :width] = images_NHWC
    grid = tiles.reshape(rows, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    joined = grid.reshape(rows * (height + gap), columns * (width + gap), channels)
    return joined[: len(joined) - gap, : joined.shape[1] - gap]


def literal(text: str) -> str:
    """Return text that matplotlib draws as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
