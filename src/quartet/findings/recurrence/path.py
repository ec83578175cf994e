"""Draw a net's hidden state through a text.

Shapes: L tokens, D width, U units that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from quartet.findings.drawing import SMALL, SOFT, TEXT, literal, panels, plain

UNITS = 24  # rows of the picture of units


def draw_path(states_LD: np.ndarray, words: Sequence[str]) -> Figure:
    """Draw the path of the state in the plane in which it varies most, each point named by the token just read."""
    plane_L2, share = principal_plane(states_LD)
    figure, (axes,) = panels(height=5.0)
    plain(
        axes,
        title=f"The hidden state of an LSTM, word by word (this plane holds {share:.0%} of its variance)",
        x="first principal component", y="second principal component",
    )  # fmt: skip
    shade = colormaps["viridis"](np.linspace(0.0, 0.85, len(plane_L2)))
    for i, (from_2, to_2) in enumerate(pairwise(plane_L2)):
        axes.annotate("", to_2, from_2, arrowprops={"arrowstyle": "->", "color": shade[i + 1], "lw": 1.0, "alpha": 0.7})
    axes.scatter(plane_L2[:, 0], plane_L2[:, 1], c=shade, s=22, zorder=3)
    for i, (place_2, word) in enumerate(zip(plane_L2, words, strict=True)):
        axes.annotate(
            f"{i + 1} {readable(word)}",
            place_2,
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=SMALL,
            color=shade[i],
        )
    axes.margins(0.09)
    return figure


def draw_units(states_LD: np.ndarray, words: Sequence[str]) -> Figure:
    """Draw the units that vary most, a row each, through the tokens."""
    chosen_U = np.argsort(-states_LD.var(0), kind="stable")[:UNITS]
    order_U = chosen_U[np.argsort(states_LD[:, chosen_U].argmax(0), kind="stable")]
    figure, (axes,) = panels(height=4.2)
    plain(
        axes,
        title=f"{len(order_U)} of {states_LD.shape[1]} numbers of the state, those that change most",
        x="token just read", y="unit of the state",
    ).grid(False)  # fmt: skip
    picture = axes.imshow(
        states_LD[:, order_U].T, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest"
    )
    bar = figure.colorbar(picture)
    bar.set_label("value of the unit", fontsize=TEXT, color=SOFT)
    bar.ax.tick_params(labelsize=TEXT, colors=SOFT, length=0)
    bar.outline.set_visible(False)
    axes.set_xticks(range(len(words)), [readable(word) for word in words], rotation=60, ha="right", fontsize=SMALL)
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
    return literal(word.replace("\n", "↵").replace(" ", "␣")) or "·"
