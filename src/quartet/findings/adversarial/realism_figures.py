"""Draw samples with their nearest training images, and the measures of samples beside those of real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from quartet.findings.drawing import CNN, COLOURS, MLP, SMALL, TITLE, dots, mosaic, panels, picture, plain, reference


def draw_neighbours(samples_NHWC: np.ndarray, nearest_NHWC: np.ndarray, real_NHWC: np.ndarray) -> Figure:
    """Draw samples, below each the training image that the judge finds nearest, and test images."""
    rows = {"samples": samples_NHWC, "nearest of\ntraining": nearest_NHWC, "test": real_NHWC}
    figure, axes = panels(len(rows), rows=len(rows), height=2.1)
    for each, (label, images) in zip(axes, rows.items(), strict=True):
        picture(each, mosaic(images, columns=len(images), gap=1), label=label, cmap="gray", vmin=0, vmax=255)
    return figure


def draw_distances(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw both distances of real images, samples and noise to test images, on a scale that has a place for 0."""
    figure, axes = panels(2, height=2.2)
    for each, name, label in zip(axes, ("fid", "kid"), ("FID", "KID"), strict=True):
        rows = {of: [measured[name] for measured in measures] for of, measures in found.items()}
        plain(each, x=f"{label} to test images, less is better; a dot a seed")
        dots(each, rows, colours=COLOURS[:3])
        each.xaxis.label.set_fontsize(SMALL)
        each.set_xscale("symlog", linthresh=0.01)
        furthest = max(value for values in rows.values() for value in values)
        each.set_xlim(-0.002, 2 * furthest)
        each.set_xticks([0, 0.01, 0.1, 1, 10, 100][: 4 + int(furthest > 3) + int(furthest > 30)])
        each.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        each.xaxis.set_minor_locator(NullLocator())
    return figure


def draw_shares(of_samples: Sequence[Mapping[str, float]], of_real: Sequence[Mapping[str, float]]) -> Figure:
    """Draw the measures that lie about 0 to 1, samples beside real images, a dot a seed."""
    figure, (axes,) = panels(height=3.4)
    plain(axes, x="share, or density; a dot a seed, a bar and a number for the mean")
    names = {name: name for name in ("precision", "recall", "density", "coverage")}
    names |= {"accuracy": "classifier's accuracy", "copies": "copies"}
    for values, colour, shift in ((of_real, CNN, 0.19), (of_samples, MLP, -0.19)):
        rows = {words: [each[name] for each in values] for name, words in names.items()}
        dots(axes, rows, colours=[colour] * len(rows), shift=shift, number=".2f")
    reference(axes, x=1)
    axes.set_xlim(left=-0.02)
    axes.set_title("real validation images", loc="left", fontsize=TITLE, color=CNN)
    axes.set_title("samples", loc="right", fontsize=TITLE, color=MLP)
    return figure
