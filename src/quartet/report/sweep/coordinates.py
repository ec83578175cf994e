"""Draw parallel coordinates, which show the parameter values that good trials share."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.sweep.canvas import (
    BEST,
    MAX_CHARACTERS,
    add_label,
    add_legend,
    escape_dollars,
    highlight,
    title_of,
    titled_axes,
    truncate,
)
from quartet.report.sweep.scales import MIN_DISTANCE, Scale, objective_scale, offset, scale_of
from quartet.report.sweep.trials import Mode, Trial, best, ranking, score_of, score_text, state_of, swept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The stroke shows a trial's state, since the colour shows its score.
STROKES: dict[str, dict[str, Any]] = {
    "finished": {"lw": 1.3},
    "stopped": {"lw": 0.8, "ls": (0, (4, 3))},
    "running": {"lw": 0.8, "ls": (0, (1, 2))},
}
ABSENT = -0.16  # the place of a parameter that does not apply; the axis runs from 0 to 1
MANY = 50  # trials


def parallel_coordinates(trials: Sequence[Trial], *, objective: str, mode: Mode, log: Collection[str] = ()) -> Figure:
    """Draw one line for each trial, through one axis for each parameter and the objective's axis at the right.

    Names in `log` get a logarithmic axis. The colour is the rank, dark for good, so that a diverged trial does not use
    up the colours. The title counts failed trials and trials without a score. A trial's line has the gid
    `trial-<number>`.
    """
    plotted = [trial for trial in ranking(trials, mode) if state_of(trial) != "failed"]
    scales = {
        name: scale_of([trial.values[name] for trial in plotted if name in trial.values], log=name in log)
        for name in swept(plotted)
    }
    last = objective_scale([score_of(trial) for trial in plotted], mode, log=objective in log)
    failed = sum(state_of(trial) == "failed" for trial in trials)
    counts = {"failed": failed, "without a score": len(trials) - len(plotted) - failed}
    size = max(6.4, 1.35 * len(scales) + 2.2), 4.4 + 0.12 * len(scales)
    figure, axes = titled_axes(*size, title_of(objective, mode, len(trials), counts))
    axes.set_axis_off()
    if not plotted:
        axes.text(0.5, 0.5, "no trial has a score", ha="center")
        return figure
    winner = best(plotted, mode=mode)
    _lines(axes, plotted, winner, scales, last)
    floor = _parameter_axes(axes, plotted, scales)
    _axis_name(axes, len(scales), objective, last, weight="bold")
    if winner is not None:
        _objective_labels(axes, len(scales), winner, last)
    axes.vlines(range(len(scales) + 1), 0, 1, color="#444444", lw=1.0, zorder=2.4)
    axes.set(xlim=(-0.1, len(scales) + 0.1), ylim=(floor - 0.05, 1.06))
    add_legend(figure, plotted, winner, {status: {"color": "#444444", **look} for status, look in STROKES.items()})
    return figure


def _lines(axes: Any, plotted: Sequence[Trial], winner: Trial | None, scales: Mapping[str, Scale], last: Scale) -> None:
    """Draw the trials, the worst first, so that better lines lie on top."""
    from matplotlib import colormaps

    for rank, trial in reversed(list(enumerate(plotted))):
        share = rank / (len(plotted) - 1) if len(plotted) > 1 else 0.5
        look = {"color": colormaps["viridis"](0.93 * share), **STROKES.get(trial.status, STROKES["running"])}
        # Among many trials the worse are faint.
        look["alpha"] = 1.0 if len(plotted) <= MANY else 0.9 - 0.7 * share
        look |= highlight() if trial is winner else {}
        places = [
            scale.place(trial.values[name], share) if name in trial.values else ABSENT + offset(share)
            for name, scale in scales.items()
        ]
        places.append(last.place(trial.score, share))
        axes.plot(range(len(places)), places, marker=".", ms=3, gid=f"trial-{trial.number}", **look)


def _parameter_axes(axes: Any, plotted: Sequence[Trial], scales: Mapping[str, Scale]) -> float:
    """Label the parameters' axes; return the lowest place in use."""
    floor = 0.0
    for i, (name, scale) in enumerate(scales.items()):
        _axis_name(axes, i, name, scale)
        for y, text in scale.labels:
            add_label(axes, i, y, truncate(text))
        if any(name not in trial.values for trial in plotted):
            add_label(axes, i, ABSENT, "n/a", style="italic")
            floor = ABSENT
    return floor


def _objective_labels(axes: Any, x: float, winner: Trial, last: Scale) -> None:
    """Label the objective's axis: the best score, and the scale's labels that do not overlap it."""
    at = last.place(winner.score, 0.0)
    text = f"{score_text(winner.score)} (trial {winner.number})"
    add_label(axes, x, at, text, right=True, color=BEST, weight="bold")
    for y, label in last.labels:
        if abs(y - at) >= MIN_DISTANCE:
            add_label(axes, x, y, label, right=True)


def _axis_name(axes: Any, x: float, name: str, scale: Scale, **look: Any) -> None:
    """Write the name above its axis; a long name is broken after dots and underscores."""
    lines = [""]
    for part in re.split("(?<=[._/])", name):
        if len(lines[-1] + part) > MAX_CHARACTERS and lines[-1]:
            lines.append("")
        lines[-1] += part
    text = "\n".join([*map(truncate, lines), *(["(log)"] if scale.log else [])])
    axes.text(x, 1.07, escape_dollars(text), ha="center", va="bottom", size=8, **look)
