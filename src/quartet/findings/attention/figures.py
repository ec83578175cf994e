"""Draw what the measurements of attention found. Colours are those of the project's pages; every seed is shown.

Shapes: S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

BLUE, GREEN, VIOLET, OCHRE, GREY = "#2563a8", "#1f7a58", "#7444a8", "#96600f", "#5d636d"
COLOURS = (GREY, BLUE, GREEN, VIOLET, OCHRE)
NETS = {"transformer": VIOLET, "rnn": GREEN, "cnn": BLUE}
WIDTH = 7.0  # inches, at 100 dots an inch


def panels(count: int, *, title: str, height: float = 3.2, rows: int = 1) -> tuple[Figure, list[Any]]:
    """Return a figure with a title, and its axes side by side, in `rows` rows."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=100)
    axes = np.atleast_1d(figure.subplots(rows, count // rows)).ravel()
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10)
    return figure, list(axes)


def dots(parts: Mapping[str, Mapping[str, np.ndarray]], *, title: str, paired: bool = False, first: int = 0) -> Figure:
    """Draw a panel for each part: a dot a seed (S,) for each name, and the mean with its value.

    With `paired`, a line joins the dots of a seed. `first` is the first name's place among `COLOURS`.
    """
    figure, axes = panels(len(parts), title=title)
    for panel, (label, values) in zip(axes, parts.items(), strict=True):
        places = np.arange(len(values))
        if paired:
            panel.plot(places, np.array(list(values.values())), color=GREY, lw=0.8, alpha=0.5)
        for place, value_S in zip(places, values.values(), strict=True):
            colour = COLOURS[(first + place) % len(COLOURS)]
            spread = np.linspace(-0.08, 0.08, len(value_S)) * (len(value_S) > 1 and not paired)
            panel.plot(place + spread, value_S, "o", ms=4, color=colour, alpha=0.6)
            panel.hlines(np.mean(value_S), place - 0.25, place + 0.25, color=colour, lw=1.6)
            shown, top = f"{np.mean(value_S):.3g}", (place, max(value_S))
            panel.annotate(shown, top, (0, 6), textcoords="offset points", fontsize=8, ha="center", color=colour)
        panel.set_xticks(places, [str(name) for name in values], fontsize=8)
        panel.set_xlim(-0.5, len(values) - 0.5)
        panel.margins(y=0.12)
        panel.set_ylabel(label, fontsize=8)
    return figure


def curves(
    groups: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], *, metric: str, label: str, title: str
) -> Figure:
    """Draw a metric of validation against training samples: a line a seed, and the group's name beside their ends."""
    figure, (panel,) = panels(1, title=title)
    ends: dict[str, tuple[float, float]] = {}
    colours = dict(zip(groups, COLOURS[1:], strict=False))
    for name, runs in groups.items():
        for rows in runs:
            points = [(row["samples"], row[metric]) for row in rows if metric in row]
            if points:
                panel.plot(*zip(*points, strict=True), color=colours[name], lw=1.2, alpha=0.7)
                ends[name] = points[-1]
    low, high = panel.get_ylim()
    places = apart({name: end for name, (_, end) in ends.items()}, least=0.07 * (high - low))
    for name, (last, _) in ends.items():
        panel.annotate(f" {name}", (last, places[name]), fontsize=8, color=colours[name], va="center")
    left, right = panel.get_xlim()
    panel.set_xlim(left, right + 0.22 * (right - left))
    panel.set_xlabel("training samples", fontsize=8)
    panel.set_ylabel(label, fontsize=8)
    return figure


def apart(places: Mapping[str, float], *, least: float) -> dict[str, float]:
    """Return heights of labels, those of close lines moved up until all are `least` from each other."""
    moved: dict[str, float] = {}
    for name in sorted(places, key=lambda name: places[name]):
        moved[name] = max([places[name], *(height + least for height in moved.values())])
    return moved
