"""Draw what several measurements of attention share: dots of seeds in panels, and translators through training.

Shapes: S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.drawing import COLOURS, curves, dots, name_ends, panels, plain
from quartet.findings.finding import Trained
from quartet.findings.seeds import curve


def dots_in_panels(parts: Mapping[str, Mapping[str, np.ndarray]], *, title: str, paired: bool = False) -> Figure:
    """Draw a panel for each part: a dot a seed (S,) for each name, and the mean with its value.

    With `paired`, a line joins the dots of a seed.
    """
    rows = len(next(iter(parts.values())))
    figure, axes = panels(len(parts), title=title, height=1.1 + 0.45 * rows)
    for panel, (label, values) in zip(axes, parts.items(), strict=True):
        plain(panel, x=label)
        dots(panel, values, colours=COLOURS[:rows], paired=paired)
        panel.margins(x=0.08)
        if panel is not axes[0]:
            panel.set_yticklabels([])
    return figure


def training(groups: Mapping[str, Sequence[Trained]]) -> Figure:
    """Draw the validation loss through training: a thin line a seed, and the mean of each group."""
    figure, (panel,) = panels()
    plain(panel, title="Through training", x="thousand training samples", y="validation loss, nats per token")
    ends = [
        curves(panel, [curve(run, "val/loss") for run in runs], colour=colour, name=name)
        for (name, runs), colour in zip(groups.items(), COLOURS, strict=False)
    ]
    name_ends(panel, ends)
    return figure
