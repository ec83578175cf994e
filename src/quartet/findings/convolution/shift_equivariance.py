"""Whether a pattern is found wherever it is: accuracy and maps when the images are shifted.

Shapes: S seeds, N images, E lengths of a shift, K moves of one length, P places of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from quartet.findings import drawing
from quartet.findings.convolution.maps import first_images, kernels, maps, rectified, right, steps, stride
from quartet.findings.convolution.shifts import moved, moves, relative_error, shared, spread_over_examples, uncut
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, one_a_seed

NETS = {  # by the names of their runs: how the figure calls and draws them
    "cnn": ("CNN", drawing.CNN, "-"),
    "cnn_shifted": ("CNN,\ntrained on shifts", drawing.CNN, ":"),
    "mlp": ("MLP", drawing.MLP, "-"),
    "mlp_shifted": ("MLP,\ntrained on shifts", drawing.MLP, ":"),
}


def shift_equivariance(runs: Runs, *, images: int = 1000, pixels: int = 6) -> Measured:
    """Measure what shifts of 1 to `pixels` pixels, to each side, change for the first test `images`.

    The runs are `cnn`, `mlp`, and the same trained on shifted images, `cnn_shifted` and `mlp_shifted`. An image counts
    at a shift only where nothing of its content leaves the frame, and is compared with itself in its place.

    Numbers, each the mean over lengths and directions: `accuracy_lost_<run>`, in shares of the images;
    `accuracy_lost_far_cnn`, of the two farthest lengths to each side; `accuracy_lost_all_cnn` and `_mlp`, of all
    images, also those that a shift cuts; `accuracy_kept_cnn_minus_mlp`, what the MLP loses less what the CNN loses.
    `equivariance_error`: how far the first layer's maps of a moved image are from its moved maps, away from the edges,
    as a share of the maps' deviation; `last_map_error`, the same for the last maps with their edges, moved by one of
    their places.
    """
    trained = {name: one_a_seed(runs, name) for name in NETS}
    losses = {name: [_losses(run, images, pixels) for run in of_name] for name, of_name in trained.items()}
    lost = {name: np.stack([found.uncut_N for found in of_name]) for name, of_name in losses.items()}
    curves = {name: np.stack([found.curve_P for found in of_name]) for name, of_name in losses.items()}
    errors = [_first_error(run, images, pixels) for run in trained["cnn"]]
    depths = np.array([_errors_by_layer(run, images) for run in trained["cnn"]])
    words = "accuracy lost by shifts, mean of all lengths"
    return Measured(
        numbers={
            "accuracy_kept_cnn_minus_mlp": Number(lost["mlp"] - lost["cnn"], f"{words}: MLP less CNN"),
            "equivariance_error": Number(errors, "first maps of a moved image less its moved maps, in deviations"),
            "accuracy_lost_far_cnn": Number(
                np.stack([found.far_N for found in losses["cnn"]]), "accuracy lost by the farthest shifts: cnn"
            ),
            **{f"accuracy_lost_{name}": Number(scores, f"{words}: {name}") for name, scores in lost.items()},
            **{
                f"accuracy_lost_all_{name}": Number(
                    np.stack([found.all_N for found in losses[name]]), f"{words}, cut images too: {name}"
                )
                for name in ("cnn", "mlp")
            },
            "last_map_error": Number(depths[:, -1], "the same of the last maps, edges included, in deviations"),
        },
        figures={"shifts": _figure(curves, depths, pixels)},
    )


@dataclass(frozen=True)
class Losses:
    """What the images of a run lose by shifts, as scores whose mean is the accuracy lost, and the accuracy left.

    Attributes:
        uncut_N: by shifts that cut nothing off.
        far_N: by the farthest of these.
        all_N: by all shifts.
        curve_P: at -pixels … pixels, the accuracy of all images in their place less what the uncut ones lose.
    """

    uncut_N: np.ndarray
    far_N: np.ndarray
    all_N: np.ndarray
    curve_P: np.ndarray


def _losses(run: Trained, count: int, pixels: int) -> Losses:
    """Return what a run's images lose by shifts of 1 to `pixels` pixels, far: of the last two of these lengths."""
    x_NHWC, y_N = first_images(run.data, "test", count)
    in_place_N = right(run.model, x_NHWC, y_N).numpy()
    lengths = [*range(-pixels, 0), *range(1, pixels + 1)]
    valid_EKN = np.array([[uncut(x_NHWC, move).numpy() for move in moves(by)] for by in lengths])
    lost_EKN = np.array(
        [[in_place_N - right(run.model, moved(x_NHWC, move), y_N).numpy() for move in moves(by)] for by in lengths]
    )
    far_E = np.abs(lengths) >= pixels - 1
    left = [float(in_place_N.mean()) - _mean(*of_length) for of_length in zip(lost_EKN, valid_EKN, strict=True)]
    return Losses(
        spread_over_examples(lost_EKN, valid_EKN),
        spread_over_examples(lost_EKN[far_E], valid_EKN[far_E]),
        spread_over_examples(lost_EKN, np.ones_like(valid_EKN)),
        np.array([*left[:pixels], in_place_N.mean(), *left[pixels:]]),
    )


def _mean(lost_KN: np.ndarray, valid_KN: np.ndarray) -> float:
    """Return the mean over the valid pairs; not a number without one."""
    return float(lost_KN[valid_KN].mean()) if valid_KN.any() else np.nan


def _first_error(run: Trained, count: int, pixels: int) -> float:
    """Return the largest error of the first layer's maps over shifts of 1 to `pixels`, where no edge is seen."""
    x_NHWC, _ = first_images(run.data, "test", min(count, 50))
    layer = steps(run.model)[:1]
    margin = kernels(run.model).shape[-1] // 2
    (z_NChw,) = maps(run.model, x_NHWC, layer)
    errors = []
    for by in range(1, pixels + 1):
        (after_NChw,) = maps(run.model, moved(x_NHWC, (by, 0)), layer)
        before, after = shared(z_NChw, after_NChw, by, margin=margin)
        errors.append(relative_error(after, before))
    return max(errors)


def _errors_by_layer(run: Trained, count: int) -> list[float]:
    """Return the error of each layer's maps when the image moves by just one of their places, edges included."""
    x_NHWC, _ = first_images(run.data, "test", min(count, 200))
    layers = [*steps(run.model)[:1], *rectified(run.model)]
    errors = []
    for layer, z_NChw in zip(layers, maps(run.model, x_NHWC, layers), strict=True):
        by = stride(x_NHWC.shape[1], z_NChw.shape[2])
        (after_NChw,) = maps(run.model, moved(x_NHWC, (by, 0)), [layer])
        before, after = shared(z_NChw, after_NChw, 1, margin=0)
        errors.append(relative_error(after, before))
    return errors


def _figure(curves: Mapping[str, np.ndarray], depths_SP: np.ndarray, pixels: int) -> Figure:
    """Draw accuracy against the shift for each net, and the error of the maps layer by layer."""
    figure, (shifts, layers) = drawing.panels(2, width_ratios=(3, 1.7))
    drawing.plain(shifts, title="Accuracy less what shifts cost", x="shift in pixels", y="share of images recognised")
    places = list(range(-pixels, pixels + 1))
    ends = [
        drawing.lines(shifts, places, curves[name], colour=colour, dash=dash, name=words)
        for name, (words, colour, dash) in NETS.items()
    ]
    shifts.set_ylim(0, 1.02)
    shifts.set_xticks([place for place in places if place % 2 == 0])
    title = "Maps of a moved image\nagainst moved maps"
    drawing.plain(layers, title=title, x="layer", y="difference in deviations (0: moved along)")
    drawing.lines(layers, range(1, depths_SP.shape[1] + 1), depths_SP, colour=drawing.CNN)
    layers.set_ylim(bottom=0)
    drawing.name_ends(shifts, ends)
    return figure
