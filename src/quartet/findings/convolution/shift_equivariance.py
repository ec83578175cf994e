"""Whether a pattern is found wherever it is: accuracy and maps when the images are shifted.

Shapes: S seeds, N images, L lengths of a shift, P places of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

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
    `accuracy_kept_cnn_minus_mlp`, what the MLP loses less what the CNN loses. `equivariance_error`: how far the first
    layer's maps of a moved image are from its moved maps, away from the edges, as a share of the maps' deviation;
    `last_map_error`, the same for the last maps with their edges, moved by one of their places.
    """
    trained = {name: one_a_seed(runs, name) for name in NETS}
    losses = {name: [_losses(run, images, pixels) for run in of_name] for name, of_name in trained.items()}
    lost = {name: np.stack([scores_N for scores_N, _ in found]) for name, found in losses.items()}
    curves = {name: np.stack([curve_P for _, curve_P in found]) for name, found in losses.items()}
    errors = [_first_error(run, images, pixels) for run in trained["cnn"]]
    depths = np.array([_errors_by_layer(run, images) for run in trained["cnn"]])
    words = "accuracy lost by shifts, mean of all lengths"
    numbers = {f"accuracy_lost_{name}": Number(scores, f"{words}: {name}") for name, scores in lost.items()}
    return Measured(
        numbers={
            "accuracy_kept_cnn_minus_mlp": Number(lost["mlp"] - lost["cnn"], f"{words}: MLP less CNN"),
            "equivariance_error": Number(errors, "first maps of a moved image less its moved maps, in deviations"),
            **numbers,
            "last_map_error": Number(depths[:, -1], "the same of the last maps, edges included, in deviations"),
        },
        figures={"shifts": _figure(curves, depths, pixels)},
    )


def _losses(run: Trained, count: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a run's images lose by shifts, as scores (N,), and its accuracy at -pixels … pixels, (P,)."""
    x_NHWC, y_N = first_images(run.data, "test", count)
    in_place_N = right(run.model, x_NHWC, y_N)
    after, valid = {}, {}
    for by in (*range(-pixels, 0), *range(1, pixels + 1)):
        valid[by] = [uncut(x_NHWC, move).numpy() for move in moves(by)]
        after[by] = [
            _right_where(run, x_NHWC, y_N, move, kept) for move, kept in zip(moves(by), valid[by], strict=True)
        ]
    lost = [[in_place_N.numpy() - right_N for right_N in after[by]] for by in after]
    curve = {by: _mean(after[by], valid[by]) for by in after} | {0: float(in_place_N.mean())}
    return spread_over_examples(lost, list(valid.values())), np.array([curve[by] for by in sorted(curve)])


def _right_where(run: Trained, x_NHWC: Tensor, y_N: Tensor, move: tuple[int, int], kept_N: np.ndarray) -> np.ndarray:
    """Return whether moved images are recognised, (N,), 0 for those that are left out."""
    found_N = np.zeros(len(y_N))
    found_N[kept_N] = right(run.model, moved(x_NHWC[kept_N], move), y_N[kept_N]).numpy()
    return found_N


def _mean(right_KN: Sequence[np.ndarray], valid_KN: Sequence[np.ndarray]) -> float:
    """Return the mean over the valid pairs; not a number without one."""
    count = np.sum(valid_KN)
    return float(np.sum(right_KN) / count) if count else np.nan


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
    drawing.plain(shifts, title="Accuracy on shifted images", x="shift in pixels", y="share of images recognised")
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
