"""Share the parts of both figures: axes under a title, labels over the lines, a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.sweep.trials import NAMES, Mode, Trial, state_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETTER = {"min": "lower is better", "max": "higher is better"}
BEST = "#d55e00"
MAX_CHARACTERS = 14  # characters of a label, and of a line of an axis' name


def title_of(objective: str, mode: Mode, count: int, omitted: Mapping[str, int]) -> str:
    """Return the title: the objective, its direction, the number of trials and the trials that are not drawn."""
    counts = ", ".join(f"{number} {reason}" for reason, number in omitted.items() if number)
    trials = f"{count} trial{'' if count == 1 else 's'}"
    return f"{objective} ({BETTER[mode]})\n{trials}" + (f", not drawn: {counts}" if counts else "")


def titled_axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    """Return a figure with a title, and its axes. Sizes are in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    figure.suptitle(escape_dollars(title), fontsize=10)
    return figure, figure.add_subplot()


def highlight() -> dict[str, Any]:
    """Return the line style of the best trial."""
    from matplotlib.patheffects import withStroke

    return {
        "color": BEST,
        "alpha": 1.0,
        "lw": 2.4,
        "zorder": 3,
        "path_effects": [withStroke(linewidth=3.4, foreground="white")],
    }


def add_label(axes: Any, x: float, y: float, text: str, *, right: bool = False, **look: Any) -> None:
    """Write a label next to `(x, y)`, above the lines, on a slightly transparent ground."""
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
    axes.annotate(
        escape_dollars(text), (x, y), xytext=(5 if right else -5, 0), textcoords="offset points", zorder=4, size=7,
        ha="left" if right else "right", va="center", bbox=box, annotation_clip=False, **look,
    )  # fmt: skip


def add_legend(
    figure: Figure, drawn: Sequence[Trial], winner: Trial | None, looks: Mapping[str, dict[str, Any]]
) -> None:
    """Add a legend of the states that occur and of the best trial."""
    from matplotlib.lines import Line2D

    there = {state_of(trial) for trial in drawn}
    keys = [Line2D([0, 1], [0, 0], label=NAMES[status], **look) for status, look in looks.items() if status in there]
    if winner is not None and any(trial is winner for trial in drawn):
        keys.append(Line2D([0, 1], [0, 0], label=f"best: trial {winner.number}", color=BEST, lw=2.4))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)


def truncate(text: str) -> str:
    """Return the text, cut to `MAX_CHARACTERS`."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def escape_dollars(text: str) -> str:
    """Return the text with escaped dollar signs, which would begin a formula."""
    return text.replace("$", r"\$")
