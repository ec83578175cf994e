"""Draw how often, and by how much, paraphrases are nearer than scrambles.

Shapes: S seeds, N triples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.drawing import SMALL, SOFT, dots, panels, plain, reference
from quartet.findings.recurrence.nets import called, colour

MARKS = ("o", "s", "^", "D", "v")


def draw_shares(nearer: Mapping[str, np.ndarray], pattern_N: Sequence[str]) -> Figure:
    """Draw for each net the share of triples whose paraphrase is nearer: a dot a seed, small marks by pattern."""
    figure, (axes,) = panels(height=3.9)
    plain(axes, title="How often the paraphrase is nearer than the scramble", x="share of the triples")
    names = list(nearer)
    shares = {called(name): nearer[name].mean(1) for name in names}
    dots(axes, shares, colours=[colour(name) for name in names], number=".0%")
    for mark, pattern in zip(MARKS, dict.fromkeys(pattern_N), strict=False):
        of_pattern = np.array([one == pattern for one in pattern_N])
        for row, name in enumerate(names):
            axes.plot(
                nearer[name][:, of_pattern].mean(), -row - 0.3, marker=mark, ms=5, color=colour(name), alpha=0.5,
                mec="none", ls="", label=None if row else pattern,
            )  # fmt: skip
    reference(axes, x=0.5, text="a coin")
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(0.4 - len(names), 0.6)
    axes.legend(
        frameon=False, fontsize=SMALL, title="dots: each seed;\nbelow: by pattern", title_fontsize=SMALL,
        alignment="left", labelcolor=SOFT, loc="upper left", bbox_to_anchor=(1.07, 1.02),
    )  # fmt: skip
    return figure


def draw_article(cosines: Mapping[str, np.ndarray]) -> Figure:
    """Draw the article's three sentences: each net's cosine (S, 2) to the paraphrase and to the scramble."""
    figure, (axes,) = panels(height=3.4)
    plain(
        axes, title="“The fluffy cat came here on Sunday” beside the article's two other sentences",
        x="cosine of the states (means over seeds; small: each seed)",
    )  # fmt: skip
    for row, (name, cosine_S2) in enumerate(cosines.items()):
        same, other = cosine_S2.mean(0)
        axes.plot([same, other], [row, row], color=colour(name), lw=1.5, zorder=1)
        for k, (mark, said) in enumerate((("o", "“On Sunday, the cat, which was fluffy, came here”"),
                                          ("X", "“The Sunday came here on a fluffy cat”"))):  # fmt: skip
            look: dict[str, Any] = {"marker": mark, "ls": "", "color": colour(name)}
            axes.plot(cosine_S2[:, k], [row] * len(cosine_S2), ms=4, alpha=0.4, **look)
            axes.plot(cosine_S2[:, k].mean(), row, ms=9, mec="white", label=None if row else said, **look)
    axes.set_yticks(range(len(cosines)), [called(name) for name in cosines])
    axes.set_ylim(len(cosines) - 0.5, -0.5)
    axes.legend(
        frameon=False, fontsize=SMALL, loc="upper center", labelcolor=SOFT, bbox_to_anchor=(0.45, -0.2), ncols=2
    )
    return figure
