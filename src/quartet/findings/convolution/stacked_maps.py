"""Whether several kernels find several patterns, and whether the layers after make use of the stack of their maps.

Shapes: S seeds, C channels, M places of all images, N images, h, w places of a map, R ranks.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from quartet.findings import drawing
from quartet.findings.convolution.maps import before_rectifier, first_images, kernels, maps, right
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, gain, of_each_seed, one_a_seed, values_of


def stacked_maps(runs: Runs, *, images: int = 1000) -> Measured:
    """Measure the first stack of maps of the runs `cnn`, before the rectifier, and what fewer kernels cost.

    A rectifier that meets one map at several heights makes several patterns of it; before it they are one.

    Runs: `cnn`; `narrower` with fewer channels, one a seed and width; `one_then_wide` with a single kernel in the first
    layer and as many parameters as `cnn`.

    Numbers: `effective_rank` of the stack, of the first test `images`; `accuracy_lost_by_one_pattern`, in shares of
    these images, where the layers after get the nearest stack of rank one in place of the stack;
    `accuracy_gain_equal_parameters`, of `cnn` over `one_then_wide`; `accuracy_widest_minus_narrowest`, of the same
    net with the most and the fewest channels.
    """
    trained = one_a_seed(runs, "cnn")
    ranks = [_rank(run, images) for run in trained]
    passed = np.stack([accuracy_by_rank(run, images) for run in trained])
    widths = of_each_seed(runs, "narrower", "cnn")
    ends = gain([of_seed[-1] for of_seed in widths.values()], [of_seed[0] for of_seed in widths.values()])
    alone = gain(trained, one_a_seed(runs, "one_then_wide"))
    return Measured(
        numbers={
            "effective_rank": Number(ranks, "effective rank of the first stack of maps"),
            "accuracy_lost_by_one_pattern": Number(
                passed[:, -1] - passed[:, 1], "accuracy lost where the stack of maps is flattened to rank one"
            ),
            "accuracy_gain_equal_parameters": Number(alone, "accuracy of several first kernels less that of one"),
            "accuracy_widest_minus_narrowest": Number(ends, "accuracy of the most channels less that of the fewest"),
        },
        figures={"channels": _figure(passed, list(widths.values()), one_a_seed(runs, "one_then_wide"))},
    )


def effective_rank(stack_CM: Tensor) -> float:
    """Return exp of the entropy of a matrix's singular values as shares of their sum (Roy & Vetterli 2007)."""
    values_C = torch.linalg.svdvals(stack_CM.double())
    shares_C = values_C / values_C.sum().clamp(min=1e-300)
    return float(torch.special.entr(shares_C).sum().exp())


def unfolded(z_NChw: Tensor) -> tuple[Tensor, Tensor]:
    """Return a stack of maps as a matrix less its means, (C, M), and the means of its channels, (C, 1)."""
    stack_CM = z_NChw.movedim(1, 0).flatten(1).double()
    mean_C1 = stack_CM.mean(1, keepdim=True)
    return stack_CM - mean_C1, mean_C1


def components(z_NChw: Tensor) -> Tensor:
    """Return the principal directions of a stack's channels, (C, C), a column each, the strongest first."""
    centred_CM, _ = unfolded(z_NChw)
    return torch.linalg.eigh(centred_CM @ centred_CM.T).eigenvectors.flip(1)


def flattened(z_NChw: Tensor, directions_CC: Tensor, mean_C: Tensor, rank: int) -> Tensor:
    """Return the stack without what lies outside the first `rank` directions around its mean."""
    chosen_CR = directions_CC[:, :rank]
    onto_CC = (chosen_CR @ chosen_CR.T).float()
    mean_C11 = mean_C.float()[:, None, None]
    return torch.einsum("dc,nchw->ndhw", onto_CC, z_NChw - mean_C11) + mean_C11


def _rank(run: Trained, count: int) -> float:
    """Return the effective rank of a run's first stack of maps before the rectifier, each map less its mean."""
    x_NHWC, _ = first_images(run.data, "test", count)
    (z_NChw,) = maps(run.model, x_NHWC, [before_rectifier(run.model)])
    return effective_rank(unfolded(z_NChw)[0])


def accuracy_by_rank(run: Trained, count: int) -> np.ndarray:
    """Return the accuracy where only the first 0, 1, … C principal components of the first stack are rectified
    and passed on."""
    x_NHWC, y_N = first_images(run.data, "test", count)
    layer = before_rectifier(run.model)
    (z_NChw,) = maps(run.model, x_NHWC, [layer])
    directions_CC, mean_C = components(z_NChw), unfolded(z_NChw)[1].squeeze(1)
    found = []
    for rank in range(z_NChw.shape[1] + 1):

        def flatten(layer: nn.Module, inputs: object, output: Tensor, rank: int = rank) -> Tensor:
            return flattened(output, directions_CC, mean_C, rank)

        hook = layer.register_forward_hook(flatten)
        try:
            found.append(float(right(run.model, x_NHWC, y_N).mean()))
        finally:
            hook.remove()
    return np.array(found)


def _figure(passed_SR: np.ndarray, widths: list[list[Trained]], alone: list[Trained]) -> Figure:
    """Draw accuracy against the components passed on, and accuracy against channels."""
    figure, (ranks, channels) = drawing.panels(2)
    title = "One trained net, its first stack\nreduced to its strongest patterns"
    drawing.plain(ranks, title=title, x="patterns (components) passed on", y="share of images recognised")
    drawing.lines(ranks, range(passed_SR.shape[1]), passed_SR, colour=drawing.CNN)
    ranks.set_ylim(0, 1.02)
    drawing.plain(
        channels, title="Nets trained with so many\nkernels in the first layer", x="kernels", y="test accuracy"
    )
    x = [len(kernels(run.model)) for run in widths[0]]
    reached = np.stack([values_of(runs, "test/accuracy") for runs in widths])
    ends = [drawing.lines(channels, x, reached, colour=drawing.CNN, name="the same net,\nbroader and\nnarrower")]
    single = values_of(alone, "test/accuracy")
    channels.plot([1] * len(alone), single, "o", color=drawing.BAD, markersize=5, alpha=0.6, markeredgewidth=0)
    channels.plot([1, x[-1]], [single.mean()] * 2, ":", color=drawing.BAD, linewidth=1)
    ends.append((x[-1], float(single.mean()), "one kernel, but\nas many\nparameters as\nthe widest", drawing.BAD))
    drawing.log_places(channels, x)
    drawing.name_ends(channels, ends)
    return figure
