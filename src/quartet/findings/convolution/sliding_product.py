"""Whether a layer's maps are what stepping its kernels over the image gives, and how much of the image a value sees.

Shapes: H height, W width, C channels, O kernels, k side of a kernel, S seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from quartet.findings.convolution.fields import seen
from quartet.findings.convolution.maps import first_images, kernels, steps, written
from quartet.findings.drawing import BAD, INK, SIGNED, SMALL, SOFT, panels, picture
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, one_a_seed
from quartet.types import QuartetError

SHOWN = 6  # kernels in the figure


def sliding_product(runs: Runs, *, images: int = 4) -> Measured:
    """Measure how far the first layer of the runs `cnn` is from a kernel that steps over the image.

    Numbers: `largest_error`, the largest difference between the layer's maps of the first test `images` and the sliding
    dot product of its kernels, as a share of the largest value; `image_seen`, the share of the image's pixels that a
    value of a map depends on, by gradient, the largest of nine places.
    """
    trained = one_a_seed(runs, "cnn")
    errors = [_error(run, images) for run in trained]
    shares = [_share(run) for run in trained]
    return Measured(
        numbers={
            "largest_error": Number(errors, "largest difference of a map from the sliding dot product, of its largest"),
            "image_seen": Number(shares, "share of the image's pixels that a value of a map depends on"),
        },
        figures={"kernels": _figure(trained[0])},
    )


def sliding(x_CHW: np.ndarray, kernels_OCkk: np.ndarray, bias_O: np.ndarray | None = None) -> np.ndarray:
    """Return the dot product of each kernel with the window around each pixel, (O, H, W), in double precision.

    It is written as the sentence says it, a window at a time; zeros lie around the image (cross-correlation, as all
    libraries call a convolution).
    """
    _, height, width = x_CHW.shape
    _, _, high, wide = kernels_OCkk.shape
    around = ((0, 0), (high // 2, high // 2), (wide // 2, wide // 2))
    padded = np.pad(x_CHW.astype(np.float64), around)
    kernels = kernels_OCkk.astype(np.float64).reshape(len(kernels_OCkk), -1)
    found = np.zeros((len(kernels), height, width))
    for row in range(height):
        for column in range(width):
            found[:, row, column] = kernels @ padded[:, row : row + high, column : column + wide].reshape(-1)
    return found if bias_O is None else found + bias_O[:, None, None]


def explicit(model: Any, x_HWC: Tensor) -> np.ndarray:
    """Return the sliding dot product of a model's first kernels with an image of bytes, normalised, (O, H, W)."""
    bias = getattr(steps(model)[0], "bias", None)
    x_CHW = model.normalise(x_HWC[None].float())[0].permute(2, 0, 1)
    return sliding(x_CHW.numpy(), kernels(model).numpy(), None if bias is None else bias.numpy())


def _error(run: Trained, count: int) -> float:
    """Return the largest difference between a run's maps and the sliding dot product, of the largest value."""
    x_NHWC, _ = first_images(run.data, "test", count)
    maps_NOHW = first_maps(run.model, x_NHWC)
    by_hand_NOHW = np.stack([explicit(run.model, x_HWC) for x_HWC in x_NHWC])
    if maps_NOHW.shape != by_hand_NOHW.shape:
        raise QuartetError("runs.cnn: its first kernels do not step by one pixel; give another net.pool than stride")
    return float(np.abs(maps_NOHW - by_hand_NOHW).max() / np.abs(by_hand_NOHW).max())


@torch.no_grad()
def first_maps(model: nn.Module, x_NHWC: Tensor) -> np.ndarray:
    """Return what the first layer really writes, (N, O, H, W)."""
    return written(model, x_NHWC, steps(model)[:1])[0].numpy()


def _share(run: Trained) -> float:
    """Return the largest share of the image that a value of the first layer's maps depends on."""
    x_NHWC, _ = first_images(run.data, "test", 1)
    layer = steps(run.model)[0]
    height, width = x_NHWC.shape[1:3]
    places = [(height * i // 4, width * j // 4) for i in (1, 2, 3) for j in (1, 2, 3)]
    return max(float(seen(run.model, x_NHWC, layer, place).float().mean()) for place in places)


def _figure(run: Trained) -> Figure:
    """Draw the first kernels, and their maps of three test images; a square marks a window and its value."""
    x_NHWC, _ = first_images(run.data, "test", 3)
    kernels_Okk = kernels(run.model).numpy().mean(1)[:SHOWN]
    maps_NOHW = first_maps(run.model, x_NHWC)[:, :SHOWN]
    title = f"Each kernel steps over the picture and writes a map of it: the first {len(kernels_Okk)}, not chosen"
    high, wide = 1 + len(x_NHWC), 1 + len(kernels_Okk)
    figure, axes = panels(high * wide, rows=high, height=4.6, title=title)
    rows = [axes[wide * row : wide * (row + 1)] for row in range(high)]
    rows[0][0].axis("off")
    rows[0][0].text(1, 0.5, "kernels\nred: above zero\nblue: below", ha="right", va="center", fontsize=SMALL,
                    color=SOFT, transform=rows[0][0].transAxes)  # fmt: skip
    most = np.abs(kernels_Okk).max()
    for each, kernel in zip(rows[0][1:], kernels_Okk, strict=True):
        picture(each, kernel, cmap=SIGNED, vmin=-most, vmax=most)
    for line, x_HWC, maps_OHW in zip(rows[1:], x_NHWC.numpy(), maps_NOHW, strict=True):
        picture(line[0], x_HWC.mean(-1), cmap="gray", vmin=0, vmax=255)
        for each, map_HW in zip(line[1:], maps_OHW, strict=True):
            most = np.abs(map_HW).max()
            picture(each, map_HW, cmap=SIGNED, vmin=-most, vmax=most)
    _mark(rows[1][0], rows[1][1], kernels(run.model).shape[-1], x_NHWC.shape[1] // 2)
    return figure


def _mark(image: Axes, first_map: Axes, side: int, middle: int) -> None:
    """Mark the window of one place of the first image, and the value that it gives in the first map."""
    corner = middle - side // 2 - 0.5
    window = Rectangle((corner, corner), side, side, fill=False, edgecolor=BAD, linewidth=1.4)
    value = Rectangle((middle - 0.5, middle - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.4)
    image.add_patch(window)
    first_map.add_patch(value)
    image.set_title("□ × kernel", fontsize=SMALL, color=BAD, pad=3)
    first_map.set_title("= □ here", fontsize=SMALL, color=INK, pad=3)
