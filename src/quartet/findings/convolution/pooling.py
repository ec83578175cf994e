"""What pooling saves, and what it costs: operations, size of the maps, time and accuracy.

Shapes: S seeds, N images, P layers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from quartet.findings import drawing
from quartet.findings.convolution.maps import first_images, maps, steps
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, gain, one_a_seed, values_of
from quartet.types import QuartetError

REPEATS = 5  # timed passes, of which the median counts
NAMES = {
    "pooled": ("average pooling", drawing.CNN),
    "max_pooled": ("max pooling", drawing.RNN),
    "unpooled": ("no pooling,\nsame parameters", drawing.BAD),
    "unpooled_equal_flops": ("no pooling,\nsame operations", drawing.MLP),
}


def pooling(runs: Runs, *, images: int = 100, tolerance: float = 0.05) -> Measured:
    """Compare nets with and without pooling, of as many parameters and of as many operations.

    Runs: `pooled` and `max_pooled`; `unpooled` with as many parameters, and `unpooled_equal_flops` with as many
    operations a training image as `pooled`; equal ones may differ by the share `tolerance`.

    Numbers: `flops_share`, operations of a training image with pooling over those without, at equal parameters;
    `values_share`, the same of the values that the layers write of an image; `accuracy_gain_equal_parameters` and
    `accuracy_gain_equal_flops`, test accuracy with pooling less that without; `accuracy_gain_max_pooling`, of max
    pooling over none at equal parameters. The text gives the time of a forward pass of `images` test images, which
    differs from run to run and is no part of the rule.
    """
    nets = {name: one_a_seed(runs, name) for name in NAMES}
    for pooled, narrow in zip(nets["pooled"], nets["unpooled_equal_flops"], strict=True):
        _equal(pooled.flops, narrow.flops, "flops", tolerance)
    for pooled, unpooled in zip(nets["pooled"], nets["unpooled"], strict=True):
        _equal(pooled.parameters, unpooled.parameters, "parameters", tolerance)
    pairs = list(zip(nets["pooled"], nets["unpooled"], strict=True))
    sizes = [(sum(values(pooled)), sum(values(unpooled))) for pooled, unpooled in pairs]
    words = "accuracy with pooling less that without"
    return Measured(
        numbers={
            "flops_share": Number([a.flops / b.flops for a, b in pairs], "operations with pooling, of those without"),
            "values_share": Number([a / b for a, b in sizes], "values in the maps with pooling, of those without"),
            "accuracy_gain_equal_parameters": Number(
                gain(nets["pooled"], nets["unpooled"]), f"{words}, same parameters"
            ),
            "accuracy_gain_equal_flops": Number(
                gain(nets["pooled"], nets["unpooled_equal_flops"]), f"{words}, same operations"
            ),
            "accuracy_gain_max_pooling": Number(
                gain(nets["max_pooled"], nets["unpooled"]), f"{words}, same parameters, max pooling"
            ),
        },
        figures={"pooling": _figure(nets)},
        texts={"Time on this machine": _times(nets, images)},
    )


def _equal(ours: float, theirs: float, what: str, tolerance: float) -> None:
    """Raise QuartetError where two sizes that should be equal are not."""
    if abs(theirs / ours - 1) > tolerance:
        raise QuartetError(f"runs: nets of {ours:.3g} and {theirs:.3g} {what}; set match.{what} so that they are equal")


def values(run: Trained) -> list[int]:
    """Return how many values each layer of the encoder writes of one image."""
    x_NHWC, _ = first_images(run.data, "test", 1)
    return [z_NChw[0].numel() for z_NChw in maps(run.model, x_NHWC, steps(run.model))]


@torch.no_grad()
def seconds(model: nn.Module, x_NHWC: Tensor) -> float:
    """Return the median time of a forward pass, after one that warms up."""
    model(x_NHWC)
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        model(x_NHWC)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def _times(nets: dict[str, list[Trained]], count: int) -> str:
    """Return a sentence for each kind of net with the time of a forward pass."""
    lines = []
    for name, of_name in nets.items():
        x_NHWC, _ = first_images(of_name[0].data, "test", count)
        taken = 1000 * seconds(of_name[0].model, x_NHWC)
        lines.append(f"{NAMES[name][0]}: {taken:.0f} ms for {len(x_NHWC)} images".replace("\n", " "))
    return "\n".join(lines)


def _figure(nets: dict[str, list[Trained]]) -> Figure:
    """Draw test accuracy against operations, and the values that each layer writes."""
    figure, (costs, layers) = drawing.panels(2, width_ratios=(1.5, 1))
    title = "Accuracy and operations"
    drawing.plain(costs, title=title, x="million operations a training image", y="share of test images recognised")
    ends = []
    for name, of_name in nets.items():
        text, colour = NAMES[name]
        x, y = np.array([run.flops for run in of_name]) / 1e6, values_of(of_name, "test/accuracy")
        costs.plot(x, y, "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
        costs.plot(x.mean(), y.mean(), "o", color=colour, markersize=8)
        ends.append((float(x.mean()), float(y.mean()), text, colour))
    drawing.log_places(
        costs, [float(np.mean([run.flops for run in nets[name]])) / 1e6 for name in ("pooled", "unpooled")]
    )
    costs.margins(y=0.15)
    _sizes(layers, nets["pooled"][0], nets["unpooled"][0])
    drawing.name_ends(costs, ends, beside=True)
    return figure


def _sizes(axes: Axes, pooled: Trained, unpooled: Trained) -> None:
    """Draw the places of each layer's maps with and without pooling, as the depth goes."""
    drawing.plain(axes, title="Size of the maps", x="layer", y="thousand values of an image")
    ends = []
    for name, run in (("pooled", pooled), ("unpooled", unpooled)):
        blocks = blockwise(run)
        axes.plot(range(1, len(blocks) + 1), np.array(blocks) / 1000, ".-", color=NAMES[name][1], linewidth=2)
        ends.append(
            (len(blocks), blocks[-1] / 1000, NAMES[name][0].partition(",")[0].replace(" ", "\n"), NAMES[name][1])
        )
    axes.set_ylim(bottom=0)
    drawing.name_ends(axes, ends)


def blockwise(run: Trained) -> Sequence[int]:
    """Return how many values each layer that ends in a rectifier writes of one image."""
    ends = [any(isinstance(part, nn.ReLU) for part in layer.modules()) for layer in steps(run.model)]
    return [count for count, end in zip(values(run), ends, strict=True) if end]
