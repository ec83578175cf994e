"""A study: the trials of one hyperparameter sweep as two figures and a table, from plain data.

Only finite scores count: a trial whose score is not a number is treated as one that failed. Colours are told apart by
the colour-blind too: viridis, and the vermilion of Okabe and Ito for the best.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from quartet.report.chart import ticks
from quartet.report.numerals import compact, plain
from quartet.report.run import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mode = Literal["min", "max"]
SIGN = {"min": 1.0, "max": -1.0}  # a score times its sign: the less the better
BETTER = {"min": "lower is better", "max": "higher is better"}
NAMES = {"finished": "finished", "stopped": "stopped early", "failed": "failed", "running": "running"}

BEST = "#d55e00"
# The states are told apart by the stroke in parallel coordinates, where the colour is the score …
STROKES: dict[str, dict[str, Any]] = {
    "finished": {"lw": 1.3},
    "stopped": {"lw": 0.8, "ls": (0, (4, 3))},
    "running": {"lw": 0.8, "ls": (0, (1, 2))},
}
# … and by the colour, and by what a curve ends with, in learning curves.
CURVES: dict[str, dict[str, Any]] = {
    "finished": {"color": "#3b6ea5", "lw": 1.0, "alpha": 0.75},
    "stopped": {"color": "#999999", "lw": 0.8, "marker": "o", "ms": 3.5, "markevery": [-1]},
    "failed": {"color": "#000000", "lw": 0.8, "ls": (0, (4, 3)), "marker": "x", "ms": 5, "markevery": [-1]},
    "running": {"color": "#56b4e9", "lw": 0.8, "ls": (0, (1, 2)), "marker": ">", "ms": 3.5, "markevery": [-1]},
}

ABSENT = -0.16  # where a line passes a parameter that does not apply; the axis is from 0 to 1
NEAREST = 0.055  # between the labels of an axis
MOST_LABELS = 16
MOST_VALUES = 6  # numbers that are labelled each; more of them are labelled by round ones
LONGEST = 14  # characters of a label, and of a line of an axis' name
MANY = 50  # trials
FENCE = 30


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep.

    `number` counts from 0; `values` are the swept parameters, without those that do not apply; `status` is `finished`,
    `stopped` (early, by the scheduler), `failed` or `running`; `score` is the best objective that it reached, None
    when it never reported; `curve` is `(time in samples, objective at that time)`, in order.
    """

    number: int
    values: Mapping[str, Any]
    status: str
    score: float | None
    curve: Sequence[tuple[float, float]] = ()


def best(trials: Sequence[Trial], *, mode: Mode) -> Trial | None:
    """The best of the finished trials, or of all with a score if none has finished; of equals the first."""
    ranked = _ranked(trials, mode)
    return next((trial for trial in ranked if trial.status == "finished"), ranked[0] if ranked else None)


def table(trials: Sequence[Trial], *, mode: Mode, limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Header and at most `limit` rows, the best score first; trials without a score come last and have no rank.

    The first row need not be `best`, which prefers what has finished. A parameter that does not apply is "–".
    """
    names = _parameters(trials)
    ranked = _ranked(trials, mode)
    rest = sorted((trial for trial in trials if not finite(trial.score)), key=lambda trial: trial.number)
    rows = [
        [
            str(rank) if rank <= len(ranked) else "–", str(trial.number), NAMES.get(trial.status, trial.status),
            _score(trial.score), compact(trial.curve[-1][0]) if trial.curve else "–",
            *(_short(trial.values[name]) if name in trial.values else "–" for name in names),
        ]
        for rank, trial in enumerate([*ranked, *rest][:limit], start=1)
    ]  # fmt: skip
    return ["rank", "trial", "status", "score", "reached", *names], rows


def parallel_coordinates(trials: Sequence[Trial], *, objective: str, mode: Mode, log: Collection[str] = ()) -> Figure:
    """A line a trial through an axis a parameter, the objective last; names in `log` are on a logarithmic scale.

    The colour is the rank, dark for good, so that a trial that diverged does not use up the colours. Failed trials and
    those without a score are only counted, in the title. A trial's line has the gid `trial-<number>`.
    """
    from matplotlib import colormaps

    drawn = [trial for trial in _ranked(trials, mode) if _state(trial) != "failed"]
    scales = {
        name: _scale([trial.values[name] for trial in drawn if name in trial.values], log=name in log)
        for name in _parameters(drawn)
    }
    last = _objective_scale([_number(trial) for trial in drawn], mode, log=objective in log)
    failed = sum(_state(trial) == "failed" for trial in trials)
    silent = len(trials) - len(drawn) - failed
    counts = {"failed": failed, "without a score": silent}
    size = max(6.4, 1.35 * len(scales) + 2.2), 4.4 + 0.12 * len(scales)
    figure, axes = _axes(*size, _title(objective, mode, len(trials), counts))
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
        look |= _standing_out() if trial is winner else {}
        places = [
            scale.place(trial.values[name], share) if name in trial.values else ABSENT + _beside(share)
            for name, scale in scales.items()
        ]
        places.append(last.place(trial.score, share))
        axes.plot(range(len(places)), places, marker=".", ms=3, gid=f"trial-{trial.number}", **look)

    floor = 0.0
    for i, (name, scale) in enumerate(scales.items()):
        _name(axes, i, name, scale)
        for y, text in scale.labels:
            _label(axes, i, y, _cut(text))
        if any(name not in trial.values for trial in drawn):
            _label(axes, i, ABSENT, "n/a", style="italic")
            floor = ABSENT
    _name(axes, len(scales), objective, last, weight="bold")
    if winner is not None:
        at = last.place(winner.score, 0.0)
        said = f"{_score(winner.score)} (trial {winner.number})"
        _label(axes, len(scales), at, said, right=True, color=BEST, weight="bold")
        for y, text in last.labels:
            if abs(y - at) >= NEAREST:
                _label(axes, len(scales), y, text, right=True)
    axes.vlines(range(len(scales) + 1), 0, 1, color="#444444", lw=1.0, zorder=2.4)
    axes.set(xlim=(-0.1, len(scales) + 0.1), ylim=(floor - 0.05, 1.06))
    _legend(figure, drawn, winner, {status: {"color": "#444444", **look} for status, look in STROKES.items()})
    return figure


def learning_curves(trials: Sequence[Trial], *, objective: str, mode: Mode, clock: str = "samples") -> Figure:
    """The objective against time, in units of `clock`, for every trial that reported, the best one labelled.

    Values that are much worse than most leave the figure. A trial's line has the gid `trial-<number>`.
    """
    from matplotlib.ticker import FuncFormatter

    curves = [(trial, [(x, y) for x, y in trial.curve if finite(x) and finite(y)]) for trial in trials]
    curves = [(trial, points) for trial, points in curves if points]
    counts = {"without a curve": len(trials) - len(curves)}
    figure, axes = _axes(6.4, 4.4, _title(objective, mode, len(trials), counts))
    if not curves:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no trial has a curve", ha="center")
        return figure

    winner = best(trials, mode=mode)
    values = [y for _, points in curves for _, y in points]
    ends = min(values, key=lambda value: SIGN[mode] * value), _worst_shown(values, mode)
    pad = 0.05 * abs(ends[0] - ends[1]) or 0.05 * abs(ends[0]) or 1.0
    low, high = min(ends) - pad, max(ends) + pad
    for trial, points in curves:
        look = {**({"marker": "."} if len(points) == 1 else {}), **CURVES.get(_state(trial), CURVES["running"])}
        look |= _standing_out() if trial is winner else {}
        axes.plot(*zip(*points, strict=True), gid=f"trial-{trial.number}", **look)
        if trial is winner:
            x, y = points[-1]
            _label(axes, x, min(max(y, low), high), f"trial {trial.number}", right=True, color=BEST, weight="bold")
    axes.set(xlabel=_escaped(clock), ylabel=_escaped(objective), ylim=(low, high))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    axes.spines[["top", "right"]].set_visible(False)
    _legend(figure, [trial for trial, _ in curves], winner, CURVES)
    return figure


@dataclass(frozen=True)
class _Scale:
    """An axis from 0 to 1: where a value is, by the value and its trial's share of the ranks, and `(place, label)`s."""

    place: Callable[[Any, float], float]
    labels: Sequence[tuple[float, str]]
    log: bool = False


def _scale(values: Sequence[Any], *, log: bool) -> _Scale:
    """Numbers by size; categories, among them numbers that are mixed with something else, one above the other."""
    if all(finite(value) for value in values):
        return _numeric(values, log=log, written=_short)
    numbers = [_short(value) for value in sorted({value for value in values if finite(value)})]
    names = list(dict.fromkeys(numbers + sorted({_short(value) for value in values if not finite(value)})))
    at = {name: i / (len(names) - 1) if len(names) > 1 else 0.5 for i, name in enumerate(names)}
    labelled = names[:: math.ceil(len(names) / MOST_LABELS)]
    return _Scale(lambda value, share: at[_short(value)] + _beside(share), [(at[name], name) for name in labelled])


def _numeric(values: Sequence[float], *, log: bool, written: Callable[[float], str]) -> _Scale:
    low, high = min(values), max(values)
    log = log and low > 0
    warp = math.log if log else float
    start, length = warp(low), warp(high) - warp(low)

    def place(value: float, share: float = 0.0) -> float:
        return (warp(value) - start) / length if length else 0.5

    inner: Iterable[float] = sorted(set(values))
    if len(set(values)) > MOST_VALUES and log:
        inner = (10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1))
    elif len(set(values)) > MOST_VALUES:
        inner = (value for value in ticks(low, high, 4) if low <= value <= high)
    labelled = [low, high] if length else [low]
    for value in inner:
        if all(abs(place(value) - place(other)) >= NEAREST for other in labelled):
            labelled.append(value)
    return _Scale(place, [(place(value), written(value)) for value in labelled], log)


def _objective_scale(scores: Sequence[float], mode: Mode, *, log: bool) -> _Scale:
    """By size, but what is worse than `_worst_shown` is at the axis' end, whose label says so."""
    if not scores:
        return _Scale(lambda score, share: 0.5, [])
    worst = _worst_shown(scores, mode)
    clip, beyond = (min, "≥ ") if mode == "min" else (max, "≤ ")
    scale = _numeric([clip(score, worst) for score in scores], log=log, written=_score)
    end = scale.place(worst, 0.0) if any(clip(score, worst) != score for score in scores) else None
    labels = [(y, beyond + text if y == end else text) for y, text in scale.labels]
    return _Scale(lambda score, share: scale.place(clip(score, worst), share), labels, scale.log)


def _worst_shown(values: Sequence[float], mode: Mode) -> float:
    """The worst value that is given room. Those `FENCE` times as far from the best as three quarters of all are
    losses that exploded, and would press the others into one line."""
    ordered = sorted(values, key=lambda value: SIGN[mode] * value)
    most = abs(ordered[(len(ordered) - 1) * 3 // 4] - ordered[0])
    return [value for value in ordered if not most or abs(value - ordered[0]) <= FENCE * most][-1]


def _ranked(trials: Sequence[Trial], mode: Mode) -> list[Trial]:
    """Those with a score, the best first."""
    scored = [trial for trial in trials if finite(trial.score)]
    return sorted(scored, key=lambda trial: (SIGN[mode] * _number(trial), trial.number))


def _state(trial: Trial) -> str:
    return "failed" if trial.score is not None and not finite(trial.score) else trial.status


def _number(trial: Trial) -> float:
    return math.nan if trial.score is None else trial.score


def _parameters(trials: Sequence[Trial]) -> list[str]:
    """The swept ones, in the order in which they first come."""
    return list(dict.fromkeys(name for trial in trials for name in trial.values))


def _score(value: float | None) -> str:
    """Four significant digits, also of what is very small or large."""
    exponent = finite(value) and value and not 0.01 <= abs(value) < 1e6
    return _tidy(f"{value:.4g}") if exponent else plain(value)


def _short(value: Any) -> str:
    """A parameter's value as one would write it in an override, fractions to three or four significant digits."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_short, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if not isinstance(value, float) or not finite(value):
        return str(value)
    if abs(value) < 1:
        return _tidy(f"{value:.3g}")
    text = plain(value) if abs(value) < 1e6 else _tidy(f"{value:.3g}")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tidy(text: str) -> str:
    """1e-05 → 1e-5, 1e+06 → 1e6."""
    digits, e, power = text.partition("e")
    return f"{digits}e{int(power)}" if e else text


def _beside(share: float) -> float:
    """Lines through one category lie side by side, the better above, that one sees how many they are."""
    return 0.05 * (0.5 - share)


def _title(objective: str, mode: Mode, count: int, undrawn: Mapping[str, int]) -> str:
    said = ", ".join(f"{number} {what}" for what, number in undrawn.items() if number)
    trials = f"{count} trial{'' if count == 1 else 's'}"
    return f"{objective} ({BETTER[mode]})\n{trials}" + (f", not drawn: {said}" if said else "")


def _axes(width: float, height: float, title: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    figure.suptitle(_escaped(title), fontsize=10)
    return figure, figure.add_subplot()


def _standing_out() -> dict[str, Any]:
    from matplotlib.patheffects import withStroke

    return {
        "color": BEST,
        "alpha": 1.0,
        "lw": 2.4,
        "zorder": 3,
        "path_effects": [withStroke(linewidth=3.4, foreground="white")],
    }


def _name(axes: Any, x: float, name: str, scale: _Scale, **look: Any) -> None:
    """The name of an axis above it, broken after its dots and underscores where it is long."""
    lines = [""]
    for part in re.split("(?<=[._/])", name):
        if len(lines[-1] + part) > LONGEST and lines[-1]:
            lines.append("")
        lines[-1] += part
    text = "\n".join([*map(_cut, lines), *(["(log)"] if scale.log else [])])
    axes.text(x, 1.07, _escaped(text), ha="center", va="bottom", size=8, **look)


def _label(axes: Any, x: float, y: float, text: str, *, right: bool = False, **look: Any) -> None:
    """Beside `(x, y)`, over the lines, on a ground that lets them through a little."""
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8}
    axes.annotate(
        _escaped(text), (x, y), xytext=(5 if right else -5, 0), textcoords="offset points", zorder=4, size=7,
        ha="left" if right else "right", va="center", bbox=box, annotation_clip=False, **look,
    )  # fmt: skip


def _legend(figure: Figure, drawn: Sequence[Trial], winner: Trial | None, looks: Mapping[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    there = {_state(trial) for trial in drawn}
    keys = [Line2D([0, 1], [0, 0], label=NAMES[status], **look) for status, look in looks.items() if status in there]
    if winner is not None and any(trial is winner for trial in drawn):
        keys.append(Line2D([0, 1], [0, 0], label=f"best: trial {winner.number}", color=BEST, lw=2.4))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=8)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _escaped(text: str) -> str:
    """A dollar sign would begin a formula."""
    return text.replace("$", r"\$")
