"""Draw samples with their nearest training images, and the measures of samples beside those of real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from quartet.findings.adversarial.figures import COLOURS, FAINT, draw_dots, panels, show


def draw_neighbours(samples_NHWC: np.ndarray, nearest_NHWC: np.ndarray, real_NHWC: np.ndarray) -> Figure:
    """Draw samples, below each the training image that the judge finds nearest, and test images."""
    figure = Figure(figsize=(7, 2.3), layout="constrained", dpi=150)
    for axes, (label, images) in zip(
        figure.subplots(3, 1),
        {"samples": samples_NHWC, "nearest": nearest_NHWC, "test": real_NHWC}.items(),
        strict=True,
    ):
        show(axes, images, columns=len(images), label=label)
    return figure


def draw_distances(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw both distances of real images, samples and noise to test images, on a scale that has a place for 0."""
    figure, axes = panels(2, height=2.2)
    for each, name, label in zip(axes, ("fid", "kid"), ("FID", "KID"), strict=True):
        rows = {of: [measured[name] for measured in measures] for of, measures in found.items()}
        draw_dots(each, list(rows), list(rows.values()), colours=COLOURS[:3])
        each.set_xscale("symlog", linthresh=0.01)
        furthest = max(value for values in rows.values() for value in values)
        each.set(xlim=(-0.002, 8 * furthest), xlabel=f"{label} to test images, less is better; a dot a seed")
        each.set_xticks([0, 0.01, 0.1, 1, 10, 100][: 4 + int(furthest > 3) + int(furthest > 30)])
        each.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        each.xaxis.set_minor_locator(NullLocator())
    return figure


def draw_shares(of_samples: Sequence[Mapping[str, float]], of_real: Sequence[Mapping[str, float]]) -> Figure:
    """Draw the measures that lie about 0 to 1, samples beside real images, a dot a seed."""
    figure, (axes,) = panels(1, width=6.4, height=3.2)
    names = ("precision", "recall", "density", "coverage", "accuracy", "copies")
    for i, name in enumerate(names):
        for values, colour, shift in ((of_real, COLOURS[0], 0.13), (of_samples, COLOURS[1], -0.13)):
            dots = [each[name] for each in values]
            axes.plot(dots, [shift - i] * len(dots), "o", ms=5, alpha=0.7, color=colour)
            axes.annotate(
                f"{np.mean(dots):.2f}", (max(dots), shift - i), xytext=(7, 0), textcoords="offset points",
                fontsize=7, va="center", color=colour,
            )  # fmt: skip
    axes.set_yticks([-i for i in range(len(names))], [*names[:4], "classifier's accuracy", "copies"], fontsize=8)
    axes.axvline(1, color=FAINT, lw=0.6, ls=":")
    axes.set(xlim=(-0.02, None), ylim=(-len(names) + 0.4, 0.6))
    axes.set_title("real validation images", loc="left", fontsize=9, color=COLOURS[0])
    axes.set_title("samples", loc="right", fontsize=9, color=COLOURS[1])
    return figure
