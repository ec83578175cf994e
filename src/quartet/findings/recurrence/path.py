"""Draw a net's hidden state through a text.

Shapes: L tokens, D width, U units that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.recurrence import figures

UNITS = 24  # rows of the picture of units


def draw_path(states_LD: np.ndarray, words: Sequence[str]) -> Figure:
    """Draw the path of the state in the plane in which it varies most, each point named by the token just read."""
    plane_L2, share = principal_plane(states_LD)
    figure = figures.sheet(7.0, 5.0)
    axes = figures.axes(
        figure,
        title=f"The hidden state of an LSTM, word by word (this plane holds {share:.0%} of its variance)",
        x="first principal component", y="second principal component",
    )  # fmt: skip
    from matplotlib import colormaps

    shade = colormaps["viridis"](np.linspace(0.0, 0.85, len(plane_L2)))
    for i, (from_2, to_2) in enumerate(pairwise(plane_L2)):
        axes.annotate("", to_2, from_2, arrowprops={"arrowstyle": "->", "color": shade[i + 1], "lw": 1.0, "alpha": 0.7})
    axes.scatter(*plane_L2.T, c=shade, s=22, zorder=3)
    for i, (place_2, word) in enumerate(zip(plane_L2, words, strict=True)):
        axes.annotate(
            f"{i + 1} {readable(word)}",
            place_2,
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8.5,
            color=shade[i],
        )
    axes.margins(0.09)
    return figure


def draw_units(states_LD: np.ndarray, words: Sequence[str]) -> Figure:
    """Draw the units that vary most, a row each, through the tokens."""
    chosen_U = np.argsort(-states_LD.var(0), kind="stable")[:UNITS]
    order_U = chosen_U[np.argsort(states_LD[:, chosen_U].argmax(0), kind="stable")]
    figure = figures.sheet(7.0, 4.2)
    axes = figures.axes(
        figure,
        title=f"{len(order_U)} of {states_LD.shape[1]} numbers of the state, those that change most",
        x="token just read", y="unit of the state",
    )  # fmt: skip
    picture = axes.imshow(
        states_LD[:, order_U].T, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest"
    )
    figure.colorbar(picture, label="value of the unit")
    axes.set_xticks(range(len(words)), [readable(word) for word in words], rotation=60, ha="right", fontsize=8)
    axes.set_yticks([])
    return figure


def principal_plane(states_LD: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the states in their two main directions, (L, 2), and the share of the variance that these hold.

    The sign of a direction is chosen so that its largest part is positive: the same states give the same picture.
    """
    centred_LD = states_LD - states_LD.mean(0)
    left_LR, size_R, right_RD = np.linalg.svd(centred_LD.astype(np.float64), full_matrices=False)
    sign_2 = np.sign(right_RD[:2][[0, 1], np.abs(right_RD[:2]).argmax(1)])
    return left_LR[:, :2] * size_R[:2] * sign_2, float((size_R[:2] ** 2).sum() / (size_R**2).sum())


def readable(word: str) -> str:
    """Return a token as it is shown: spaces and line ends can be seen."""
    return figures.plain(word.replace("\n", "↵").replace(" ", "␣")) or "·"
