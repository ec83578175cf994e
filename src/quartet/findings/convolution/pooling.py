"""What pooling saves, and what it costs: operations, size of the maps, time and accuracy.

Shapes: S seeds, N images, P layers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

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

REPEATS = 5  # timed passes, of which the shortest counts: other work on the machine can only lengthen one
NAMES = {
    "pooled": ("average pooling", drawing.CNN),
    "max_pooled": ("max pooling", drawing.RNN),
    "unpooled": ("no pooling,\nsame parameters", drawing.BAD),
    "unpooled_equal_flops": ("no pooling,\nsame operations", drawing.MLP),
}


def pooling(
    runs: Runs, *, images: int = 100, tolerance: float = 0.05, clock: Callable[[], float] = time.perf_counter
) -> Measured:
    """Compare nets with and without pooling, of as many parameters and of as many operations.

    Runs: `pooled` and `max_pooled`; `unpooled` with as many parameters, and `unpooled_equal_flops` with as many
    operations a training image as `pooled`; equal ones may differ by the share `tolerance`.

    Numbers: `flops_share`, operations of a training image with pooling over those without, at equal parameters;
    `values_share`, the same of the values that the layers write of an image; `accuracy_gain_equal_parameters` and
    `accuracy_gain_equal_flops`, test accuracy with pooling less that without; `accuracy_gain_max_pooling`, of max
    pooling over none at equal parameters; `time_log2_pooled_over_unpooled`, the logarithm of the time of a forward pass
    of `images` test images with pooling over that without, at equal parameters. Times differ from run to run and are no
    part of the rule. `clock` returns seconds.
    """
    nets = {name: one_a_seed(runs, name) for name in NAMES}
    for pooled, narrow in zip(nets["pooled"], nets["unpooled_equal_flops"], strict=True):
        _equal(pooled.flops, narrow.flops, "flops", tolerance)
    for pooled, unpooled in zip(nets["pooled"], nets["unpooled"], strict=True):
        _equal(pooled.parameters, unpooled.parameters, "parameters", tolerance)
    pairs = list(zip(nets["pooled"], nets["unpooled"], strict=True))
    sizes = [(sum(values(pooled)), sum(values(unpooled))) for pooled, unpooled in pairs]
    gains = _gains(nets)
    taken = _times(nets, images, clock)
    return Measured(
        numbers={
            "flops_share": Number([a.flops / b.flops for a, b in pairs], "operations with pooling, of those without"),
            "values_share": Number([a / b for a, b in sizes], "values in the maps with pooling, of those without"),
            **gains,
            "time_log2_pooled_over_unpooled": Number(
                np.log2(taken["pooled"] / taken["unpooled"]), "log2 of the time of a forward pass, pooled over unpooled"
            ),
        },
        figures={"pooling": _figure(nets)},
        texts={"Time on this machine": _text(taken, images)},
    )


def _gains(nets: Mapping[str, Sequence[Trained]]) -> dict[str, Number]:
    """Return the numbers that compare accuracies."""
    words = "accuracy with pooling less that without"
    pairs = {
        "equal_parameters": ("pooled", "unpooled", "same parameters"),
        "equal_flops": ("pooled", "unpooled_equal_flops", "same operations"),
        "max_pooling": ("max_pooled", "unpooled", "same parameters, max pooling"),
    }
    return {
        f"accuracy_gain_{name}": Number(gain(nets[ours], nets[theirs]), f"{words}, {about}")
        for name, (ours, theirs, about) in pairs.items()
    }


def _equal(ours: float, theirs: float, what: str, tolerance: float) -> None:
    """Raise QuartetError where two sizes that should be equal are not."""
    if abs(theirs / ours - 1) > tolerance:
        raise QuartetError(f"runs: nets of {ours:.3g} and {theirs:.3g} {what}; set match.{what} so that they are equal")


def values(run: Trained) -> list[int]:
    """Return how many values each layer of the encoder writes of one image."""
    x_NHWC, _ = first_images(run.data, "test", 1)
    return [z_NChw[0].numel() for z_NChw in maps(run.model, x_NHWC, steps(run.model))]


@torch.no_grad()
def seconds(models: Sequence[nn.Module], x_NHWC: Tensor, clock: Callable[[], float] = time.perf_counter) -> np.ndarray:
    """Return the shortest time of a forward pass of each model, after one that warms up.

    The models take turns, so that other work on the machine disturbs them alike.
    """
    found = np.full(len(models), np.inf)
    for turn in range(REPEATS + 1):
        for place, model in enumerate(models):
            begun = clock()
            model(x_NHWC)
            if turn:
                found[place] = min(found[place], clock() - begun)
    return found


def _times(nets: Mapping[str, Sequence[Trained]], count: int, clock: Callable[[], float]) -> dict[str, np.ndarray]:
    """Return the time of a forward pass of `count` test images by the name of the nets, (S,) each."""
    taken = []
    for of_seed in zip(*nets.values(), strict=True):
        x_NHWC, _ = first_images(of_seed[0].data, "test", count)
        taken.append(seconds([run.model for run in of_seed], x_NHWC, clock))
    return dict(zip(nets, np.transpose(taken), strict=True))


def _text(taken: Mapping[str, np.ndarray], count: int) -> str:
    """Return a line for each kind of net with the mean of its seeds' times."""
    lines = [f"{NAMES[name][0]}: {1000 * taken_S.mean():.0f} ms for {count} images" for name, taken_S in taken.items()]
    return "\n".join(line.replace("\n", " ") for line in lines)


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
