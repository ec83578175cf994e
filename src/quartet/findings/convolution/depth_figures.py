"""Draw what the layers of a CNN answer to most, what they see and what they tell.

Shapes: S seeds, P layers, N images, C channels, h, w places of a map.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from quartet.findings import drawing
from quartet.findings.convolution.maps import maps, rectified, stride

CHANNELS, SQUARE = 6, 3  # channels of a layer in the figure, and patches on each side of their pictures


def patches(model: nn.Module, x_NHWC: Tensor, fields_P: np.ndarray) -> Figure:
    """Draw for the first, a middle and the last layer the patches of images that excite some channels most.

    A patch is as large as what the layer sees; each image gives one at most. The channels are evenly spaced.
    """
    layers = rectified(model)
    chosen = sorted({0, len(layers) // 2, len(layers) - 1})
    title = f"What excites a channel most: {SQUARE**2} patches of test images for each, channels evenly spaced"
    figure, axes = drawing.panels(
        len(chosen) * CHANNELS, rows=len(chosen), height=1.15 * len(chosen) + 0.4, title=title
    )
    for row, place in enumerate(chosen):
        (z_NChw,) = maps(model, x_NHWC, [layers[place]])
        side = int(np.clip(round(fields_P[place]), 3, x_NHWC.shape[1]))
        for i, channel in enumerate(np.linspace(0, z_NChw.shape[1] - 1, CHANNELS).round().astype(int)):
            found_Nss = strongest(x_NHWC, z_NChw[:, channel], side)
            label = "" if i else f"layer {place + 1}\nsees {side} pixels\nacross"
            pixels = drawing.mosaic(found_Nss[..., None], columns=SQUARE, gap=1)
            drawing.picture(axes[row * CHANNELS + i], pixels, label=label, cmap="gray", vmin=0, vmax=255)
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


def curves(fields_SP: np.ndarray, told_SP: np.ndarray, fresh_SP: np.ndarray) -> Figure:
    """Draw how far each layer sees, and what a probe of it recognises, beside the same of an untrained net."""
    figure, (seen, told) = drawing.panels(2, height=3.1)
    layers = range(1, fields_SP.shape[1] + 1)
    drawing.plain(seen, title="What a value sees", x="layer", y="pixels across")
    drawing.lines(seen, layers, fields_SP, colour=drawing.CNN)
    seen.set_ylim(bottom=0)
    drawing.plain(told, title="What equally many channels tell", x="layer", y="share that a linear probe recognises")
    ends = [
        drawing.lines(told, layers, told_SP, colour=drawing.CNN, name="trained"),
        drawing.lines(told, layers, fresh_SP, colour=drawing.OTHER, dash=":", name="untrained"),
    ]
    for axes in (seen, told):
        axes.set_xticks(list(layers))
    drawing.name_ends(told, ends)
    return figure
