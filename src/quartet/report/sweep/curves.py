"""Draw the learning curves of all trials of a sweep: where each stopped, and how good the best was by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.drawing.numerals import compact
from quartet.report.run import finite
from quartet.report.sweep.canvas import BEST, add_label, add_legend, escape_dollars, highlight, title_of, titled_axes
from quartet.report.sweep.trials import SIGN, Mode, Trial, best, state_of, worst_shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colour and end mark show a trial's state.
CURVES: dict[str, dict[str, Any]] = {
    "finished": {"color": "#3b6ea5", "lw": 1.0, "alpha": 0.75},
    "stopped": {"color": "#999999", "lw": 0.8, "marker": "o", "ms": 3.5, "markevery": [-1]},
    "failed": {"color": "#000000", "lw": 0.8, "ls": (0, (4, 3)), "marker": "x", "ms": 5, "markevery": [-1]},
    "running": {"color": "#56b4e9", "lw": 0.8, "ls": (0, (1, 2)), "marker": ">", "ms": 3.5, "markevery": [-1]},
}


def learning_curves(trials: Sequence[Trial], *, objective: str, mode: Mode, clock: str = "samples") -> Figure:
    """Draw the objective against time for every trial that reported; label the best trial. Time is in units of `clock`.

    Values much worse than most lie outside the figure. A trial's line has the gid `trial-<number>`.
    """
    from matplotlib.ticker import FuncFormatter

    curves = [(trial, [(x, y) for x, y in trial.curve if finite(x) and finite(y)]) for trial in trials]
    curves = [(trial, points) for trial, points in curves if points]
    counts = {"without a curve": len(trials) - len(curves)}
    figure, axes = titled_axes(6.4, 4.4, title_of(objective, mode, len(trials), counts))
    if not curves:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no trial has a curve", ha="center")
        return figure

    winner = best(trials, mode=mode)
    values = [y for _, points in curves for _, y in points]
    ends = min(values, key=lambda value: SIGN[mode] * value), worst_shown(values, mode)
    pad = 0.05 * abs(ends[0] - ends[1]) or 0.05 * abs(ends[0]) or 1.0
    low, high = min(ends) - pad, max(ends) + pad
    for trial, points in curves:
        look = {**({"marker": "."} if len(points) == 1 else {}), **CURVES.get(state_of(trial), CURVES["running"])}
        look |= highlight() if trial is winner else {}
        axes.plot(*zip(*points, strict=True), gid=f"trial-{trial.number}", **look)
        if trial is winner:
            x, y = points[-1]
            add_label(axes, x, min(max(y, low), high), f"trial {trial.number}", right=True, color=BEST, weight="bold")
    axes.set(xlabel=escape_dollars(clock), ylabel=escape_dollars(objective), ylim=(low, high))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axes.spines[["top", "right"]].set_visible(False)
    add_legend(figure, [trial for trial, _ in curves], winner, CURVES)
    return figure
