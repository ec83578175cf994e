"""Axes, colours and marks that the figures of these findings share.

Shapes: S seeds, P points of the horizontal axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

COLOURS = {
    "lstm": "#1f7a58", "gru": "#c2571a", "plain": "#b0327a", "transformer": "#7444a8", "cnn": "#2563a8",
    "rnn": "#1f7a58", "untrained": "#5d636d", "bag": "#96600f", "ngram": "#96600f",
}  # fmt: skip
NAMES = {
    "lstm": "LSTM", "gru": "GRU", "plain": "plain RNN", "transformer": "Transformer", "cnn": "CNN",
    "rnn": "RNN", "untrained": "untrained RNN", "bag": "bag of words", "counts": "counts of words", "ngram": "n-gram",
}  # fmt: skip
OTHER = "#5d636d"


def sheet(width: float = 7.0, height: float = 4.2) -> Figure:
    """Return an empty figure; sizes are in inches."""
    return Figure(figsize=(width, height), layout="constrained", dpi=120)


def axes(figure: Figure, *, title: str, x: str, y: str, place: Any = None) -> Any:
    """Return axes with a title and the names of what they show, with units."""
    drawn = figure.add_subplot() if place is None else figure.add_subplot(place)
    drawn.set_title(title, fontsize=10, loc="left")
    drawn.set_xlabel(x)
    drawn.set_ylabel(y)
    drawn.spines[["top", "right"]].set_visible(False)
    return drawn


def colour(name: str) -> str:
    """Return the colour of a net by the name of its run."""
    return COLOURS.get(name, OTHER)


def called(name: str) -> str:
    """Return the words for a net by the name of its run."""
    return NAMES.get(name, name)


def lines_of_seeds(drawn: Any, x_P: Sequence[float], y_SP: np.ndarray, name: str) -> None:
    """Draw a thin line a seed and their mean, which carries the net's name in the legend."""
    for y_P in y_SP:
        drawn.plot(x_P, y_P, color=colour(name), lw=0.8, alpha=0.45)
    drawn.plot(x_P, y_SP.mean(0), color=colour(name), lw=2.0, marker="o", ms=3.5, label=called(name))


def powers_of_two(drawn: Any, x_P: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with a tick at each measured place."""
    drawn.set_xscale("log", base=2)
    drawn.set_xticks(list(x_P), [f"{x:,.0f}" for x in x_P], fontsize=8)
    drawn.minorticks_off()


def plain(text: str) -> str:
    """Return text that matplotlib draws as it is: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
