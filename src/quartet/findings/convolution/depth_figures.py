"""Draw what the layers of a CNN answer to most, what they see and what they tell.

Shapes: S seeds, P layers, N images, C channels, h, w places of a map.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from quartet.findings.convolution import figures
from quartet.findings.convolution.maps import maps, rectified, stride

CHANNELS, SQUARE = 6, 3  # channels of a layer in the figure, and patches on each side of their pictures


def patches(model: nn.Module, x_NHWC: Tensor, fields_P: np.ndarray) -> Figure:
    """Draw for the first, a middle and the last layer the patches of images that excite some channels most.

    A patch is as large as what the layer sees; each image gives one at most. The channels are evenly spaced.
    """
    layers = rectified(model)
    chosen = sorted({0, len(layers) // 2, len(layers) - 1})
    figure = figures.sheet(1.15 * len(chosen) + 0.4)
    rows = figure.subplots(len(chosen), CHANNELS + 1, squeeze=False)
    for row, place in zip(rows, chosen, strict=True):
        (z_NChw,) = maps(model, x_NHWC, [layers[place]])
        side = int(np.clip(round(fields_P[place]), 3, x_NHWC.shape[1]))
        row[0].axis("off")
        row[0].text(0, 0.5, f"layer {place + 1}\nsees {side} pixels\nacross", va="center", fontsize=8.5,
                    color=figures.SOFT, transform=row[0].transAxes)  # fmt: skip
        for axes, channel in zip(
            row[1:], np.linspace(0, z_NChw.shape[1] - 1, CHANNELS).round().astype(int), strict=True
        ):
            pixels = mosaic(strongest(x_NHWC, z_NChw[:, channel], side))
            figures.picture(axes, pixels, cmap="gray", vmin=0, vmax=255)
    title = f"What excites a channel most: {SQUARE**2} patches of test images for each, channels evenly spaced"
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", color=figures.INK)
    return figure


def strongest(x_NHWC: Tensor, z_Nhw: Tensor, side: int) -> np.ndarray:
    """Return the patches (SQUARE², side, side) around the places where a map is largest, one of an image, by size."""
    best_N, place_N = z_Nhw.flatten(1).max(1)
    apart = stride(x_NHWC.shape[1], z_Nhw.shape[1])
    found = []
    for image in best_N.argsort(descending=True, stable=True)[: SQUARE**2].tolist():
        row, column = divmod(int(place_N[image]), z_Nhw.shape[2])
        found.append(around(x_NHWC[image].float().mean(-1), (row + 0.5) * apart, (column + 0.5) * apart, side))
    return np.stack(found)


def around(x_HW: Tensor, row: float, column: float, side: int) -> np.ndarray:
    """Return the square (side, side) of an image around a point; zeros lie outside of the image."""
    padded = torch.nn.functional.pad(x_HW, (side, side, side, side))
    top, left = (int(middle - side / 2) + side for middle in (row, column))
    return padded[top : top + side, left : left + side].numpy()


def mosaic(patches_Nss: np.ndarray) -> np.ndarray:
    """Return patches (N, s, s) in rows of SQUARE, with light lines between them."""
    side = patches_Nss.shape[1]
    found = np.full((SQUARE * (side + 1) - 1,) * 2, 255.0)
    for i, patch in enumerate(patches_Nss):
        y, x = (place * (side + 1) for place in divmod(i, SQUARE))
        found[y : y + side, x : x + side] = patch
    return found


def curves(fields_SP: np.ndarray, told_SP: np.ndarray, fresh_SP: np.ndarray) -> Figure:
    """Draw how far each layer sees, and what a probe of it recognises, beside the same of an untrained net."""
    figure = figures.sheet(3.1)
    seen, told = figure.subplots(1, 2)
    layers = range(1, fields_SP.shape[1] + 1)
    figures.plain(seen, title="What a value sees", x="layer", y="pixels across")
    figures.lines(seen, layers, fields_SP, colour=figures.CNN)
    seen.set_ylim(bottom=0)
    figures.plain(told, title="What equally many channels tell", x="layer", y="share that a linear probe recognises")
    figures.lines(told, layers, told_SP, colour=figures.CNN)
    figures.lines(told, layers, fresh_SP, colour=figures.SOFT, dash=":")
    last = len(layers)
    ends = [
        (last, told_SP[:, -1].mean(), "trained", figures.CNN),
        (last, fresh_SP[:, -1].mean(), "untrained", figures.SOFT),
    ]
    figures.labels(told, ends, apart=0.05)
    told.set_xlim(right=last * 1.35)
    for axes in (seen, told):
        axes.set_xticks(list(layers))
    return figure
