"""Parallel coordinates: which values of the parameters the good trials have in common."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.study.canvas import (
    BEST,
    LONGEST,
    cut,
    escaped,
    put_label,
    put_legend,
    standing_out,
    title_of,
    titled_axes,
)
from quartet.report.study.scales import NEAREST, Scale, beside, objective_scale, scale_of
from quartet.report.study.trials import Mode, Trial, best, ranking, score_of, score_text, state_of, swept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The states are told apart by the stroke in parallel coordinates, where the colour is the score.
STROKES: dict[str, dict[str, Any]] = {
    "finished": {"lw": 1.3},
    "stopped": {"lw": 0.8, "ls": (0, (4, 3))},
    "running": {"lw": 0.8, "ls": (0, (1, 2))},
}
ABSENT = -0.16  # where a line passes a parameter that does not apply; the axis is from 0 to 1
MANY = 50  # trials


def parallel_coordinates(trials: Sequence[Trial], *, objective: str, mode: Mode, log: Collection[str] = ()) -> Figure:
    """A line a trial through an axis a parameter, the objective last; names in `log` are on a logarithmic scale.

    The colour is the rank, dark for good, so that a trial that diverged does not use up the colours. Failed trials and
    those without a score are only counted, in the title. A trial's line has the gid `trial-<number>`.
    """
    from matplotlib import colormaps

    drawn = [trial for trial in ranking(trials, mode) if state_of(trial) != "failed"]
    scales = {
        name: scale_of([trial.values[name] for trial in drawn if name in trial.values], log=name in log)
        for name in swept(drawn)
    }
    last = objective_scale([score_of(trial) for trial in drawn], mode, log=objective in log)
    failed = sum(state_of(trial) == "failed" for trial in trials)
    silent = len(trials) - len(drawn) - failed
    counts = {"failed": failed, "without a score": silent}
    size = max(6.4, 1.35 * len(scales) + 2.2), 4.4 + 0.12 * len(scales)
    figure, axes = titled_axes(*size, title_of(objective, mode, len(trials), counts))
    axes.set_axis_off()
    if not drawn:
        axes.text(0.5, 0.5, "no trial has a score", ha="center")
        return figure

    winner = best(drawn, mode=mode)
    for rank, trial in reversed(list(enumerate(drawn))):  # the better is drawn over the worse
        share = rank / (len(drawn) - 1) if len(drawn) > 1 else 0.5
        look = {"color": colormaps["viridis"](0.93 * share), **STROKES.get(trial.status, STROKES["running"])}
        # Among many the worse are faint.
        look["alpha"] = 1.0 if len(drawn) <= MANY else 0.9 - 0.7 * share
        look |= standing_out() if trial is winner else {}
        places = [
            scale.place(trial.values[name], share) if name in trial.values else ABSENT + beside(share)
            for name, scale in scales.items()
        ]
        places.append(last.place(trial.score, share))
        axes.plot(range(len(places)), places, marker=".", ms=3, gid=f"trial-{trial.number}", **look)

    floor = 0.0
    for i, (name, scale) in enumerate(scales.items()):
        _name(axes, i, name, scale)
        for y, text in scale.labels:
            put_label(axes, i, y, cut(text))
        if any(name not in trial.values for trial in drawn):
            put_label(axes, i, ABSENT, "n/a", style="italic")
            floor = ABSENT
    _name(axes, len(scales), objective, last, weight="bold")
    if winner is not None:
        at = last.place(winner.score, 0.0)
        said = f"{score_text(winner.score)} (trial {winner.number})"
        put_label(axes, len(scales), at, said, right=True, color=BEST, weight="bold")
        for y, text in last.labels:
            if abs(y - at) >= NEAREST:
                put_label(axes, len(scales), y, text, right=True)
    axes.vlines(range(len(scales) + 1), 0, 1, color="#444444", lw=1.0, zorder=2.4)
    axes.set(xlim=(-0.1, len(scales) + 0.1), ylim=(floor - 0.05, 1.06))
    put_legend(figure, drawn, winner, {status: {"color": "#444444", **look} for status, look in STROKES.items()})
    return figure


def _name(axes: Any, x: float, name: str, scale: Scale, **look: Any) -> None:
    """The name of an axis above it, broken after its dots and underscores where it is long."""
    lines = [""]
    for part in re.split("(?<=[._/])", name):
        if len(lines[-1] + part) > LONGEST and lines[-1]:
            lines.append("")
        lines[-1] += part
    text = "\n".join([*map(cut, lines), *(["(log)"] if scale.log else [])])
    axes.text(x, 1.07, escaped(text), ha="center", va="bottom", size=8, **look)
