"""Draw how often, and by how much, paraphrases are nearer than scrambles.

Shapes: S seeds, N triples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.recurrence import figures

MARKS = ("o", "s", "^", "D", "v")


def draw_shares(nearer: Mapping[str, np.ndarray], pattern_N: Sequence[str]) -> Figure:
    """Draw for each net the share of triples whose paraphrase is nearer: a dot a seed, small marks by pattern."""
    figure = figures.sheet(7.0, 3.9)
    axes = figures.axes(
        figure, title="How often the paraphrase is nearer than the scramble", x="share of the triples", y=""
    )
    patterns = list(dict.fromkeys(pattern_N))
    for row, (name, nearer_SN) in enumerate(nearer.items()):
        axes.axhline(row, color="#dddddd", lw=0.8, zorder=0)
        for mark, pattern in zip(MARKS, patterns, strict=False):
            of_pattern = np.array([one == pattern for one in pattern_N])
            axes.plot(
                nearer_SN[:, of_pattern].mean(), row + 0.22, marker=mark, ms=5, color=figures.colour(name), alpha=0.5,
                mec="none", ls="", label=pattern if row == 0 else None,
            )  # fmt: skip
        share_S = nearer_SN.mean(1)
        axes.plot(share_S, [row] * len(share_S), marker="|", ms=16, mew=2, ls="", color=figures.colour(name))
        axes.annotate(
            f"{share_S.mean():.0%}", (share_S.mean(), row), xytext=(0, -17), textcoords="offset points", ha="center",
            fontsize=9, color=figures.colour(name),
        )  # fmt: skip
    axes.axvline(0.5, color=figures.OTHER, lw=1, ls=":")
    axes.annotate("a coin", (0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -10), textcoords="offset points",
                  fontsize=8, color=figures.OTHER)  # fmt: skip
    axes.set_yticks(range(len(nearer)), [figures.called(name) for name in nearer])
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(len(nearer) - 0.4, -0.5)
    axes.legend(frameon=False, fontsize=8, title="bars: each seed; small: by pattern", title_fontsize=8,
                loc="upper left", bbox_to_anchor=(1.0, 1.0))  # fmt: skip
    return figure


def draw_article(cosines: Mapping[str, np.ndarray]) -> Figure:
    """Draw the article's three sentences: each net's cosine (S, 2) to the paraphrase and to the scramble."""
    figure = figures.sheet(7.0, 3.4)
    axes = figures.axes(
        figure, title="“The fluffy cat came here on Sunday” beside the article's two other sentences",
        x="cosine of the states (means over seeds; small: each seed)", y="",
    )  # fmt: skip
    for row, (name, cosine_S2) in enumerate(cosines.items()):
        same, other = cosine_S2.mean(0)
        axes.plot([same, other], [row, row], color=figures.colour(name), lw=1.5, zorder=1)
        for k, (mark, said) in enumerate((("o", "“On Sunday, the cat, which was fluffy, came here”"),
                                          ("X", "“The Sunday came here on a fluffy cat”"))):  # fmt: skip
            look: dict[str, Any] = {"marker": mark, "ls": "", "color": figures.colour(name)}
            axes.plot(cosine_S2[:, k], [row] * len(cosine_S2), ms=4, alpha=0.4, **look)
            axes.plot(cosine_S2[:, k].mean(), row, ms=9, mec="white", label=None if row else said, **look)
    axes.set_yticks(range(len(cosines)), [figures.called(name) for name in cosines])
    axes.set_ylim(len(cosines) - 0.5, -0.5)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2)
    return figure
