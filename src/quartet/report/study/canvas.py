"""What both figures of a study are drawn on: axes under a title, labels over the lines, a legend below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.study.trials import NAMES, Mode, Trial, state_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETTER = {"min": "lower is better", "max": "higher is better"}
BEST = "#d55e00"
LONGEST = 14  # characters of a label, and of a line of an axis' name


def title_of(objective: str, mode: Mode, count: int, undrawn: Mapping[str, int]) -> str:
    said = ", ".join(f"{number} {what}" for what, number in undrawn.items() if number)
    trials = f"{count} trial{'' if count == 1 else 's'}"
    return f"{objective} ({BETTER[mode]})\n{trials}" + (f", not drawn: {said}" if said else "")


def titled_axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    figure.suptitle(escaped(title), fontsize=10)
    return figure, figure.add_subplot()


def standing_out() -> dict[str, Any]:
    from matplotlib.patheffects import withStroke

    return {
        "color": BEST,
        "alpha": 1.0,
        "lw": 2.4,
        "zorder": 3,
        "path_effects": [withStroke(linewidth=3.4, foreground="white")],
    }


def put_label(axes: Any, x: float, y: float, text: str, *, right: bool = False, **look: Any) -> None:
    """Beside `(x, y)`, over the lines, on a ground that lets them through a little."""
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
    axes.annotate(
        escaped(text), (x, y), xytext=(5 if right else -5, 0), textcoords="offset points", zorder=4, size=7,
        ha="left" if right else "right", va="center", bbox=box, annotation_clip=False, **look,
    )  # fmt: skip


def put_legend(
    figure: Figure, drawn: Sequence[Trial], winner: Trial | None, looks: Mapping[str, dict[str, Any]]
) -> None:
    from matplotlib.lines import Line2D

    there = {state_of(trial) for trial in drawn}
    keys = [Line2D([0, 1], [0, 0], label=NAMES[status], **look) for status, look in looks.items() if status in there]
    if winner is not None and any(trial is winner for trial in drawn):
        keys.append(Line2D([0, 1], [0, 0], label=f"best: trial {winner.number}", color=BEST, lw=2.4))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def escaped(text: str) -> str:
    """A dollar sign would begin a formula."""
    return text.replace("$", r"\$")
