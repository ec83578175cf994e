"""Move images, and find those of which nothing is cut off.

Shapes: N images, H height, W width, C channels, h, w places of a map, K moves of one length, E lengths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Move = tuple[int, int]  # pixels down and right
Lengths = np.ndarray | Sequence[Sequence[np.ndarray]]  # by length and move, (N,) each


def moved(x_NHWC: Tensor, move: Move) -> Tensor:
    """Return the images moved by whole pixels; zeros, which are the pictures' background, fill the gap."""
    high, wide = x_NHWC.shape[1:3]
    (into_y, from_y), (into_x, from_x) = (_slices(by, size) for by, size in zip(move, (high, wide), strict=True))
    found = torch.zeros_like(x_NHWC)
    found[:, into_y, into_x] = x_NHWC[:, from_y, from_x]
    return found


def _slices(by: int, size: int) -> tuple[slice, slice]:
    """Return where a line of `size` goes when it moves by so much, and what of it stays."""
    return slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0))


def uncut(x_NHWC: Tensor, move: Move) -> Tensor:
    """Return of which images the move pushes no pixel above zero over the edge, True or False (N,)."""
    return (moved(x_NHWC, move) > 0).flatten(1).sum(1) == (x_NHWC > 0).flatten(1).sum(1)


def moves(pixels: int) -> list[Move]:
    """Return the moves of this length (below zero: up or left), one vertical and one horizontal."""
    return [(pixels, 0), (0, pixels)]


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Return the root mean square difference of maps (N, C, h, w), as a share of the deviation of the expected ones.

    0: equal; about 1.4: as far apart as unrelated maps. The deviation is that of a channel from its mean.
    """
    deviation = expected - expected.mean((0, 2, 3), keepdim=True)
    size = float(deviation.double().square().mean().sqrt())
    return float((found - expected).double().square().mean().sqrt()) / max(size, 1e-30)


def shared(z_NChw: Tensor, moved_NChw: Tensor, steps: int, *, margin: int) -> tuple[Tensor, Tensor]:
    """Return a map, and the map of the image moved down by so many of its places, where both show the same.

    `margin` places at each edge of either are left out.
    """
    high, wide = z_NChw.shape[2:]
    across = slice(margin, wide - margin)
    return z_NChw[:, :, margin : high - margin - steps, across], moved_NChw[
        :, :, margin + steps : high - margin, across
    ]


def spread_over_examples(change_EKN: Lengths, valid_EKN: Lengths) -> np.ndarray:
    """Return scores (N,) whose mean is the mean over lengths of the mean change in all valid pairs of a length.

    A pair is an image and a move. Lengths without a valid pair are left out; without any, all scores are zero.
    """
    parts = []
    for change_KN, valid_KN in zip(change_EKN, valid_EKN, strict=True):
        valid = np.asarray(valid_KN, np.float64)
        if (count := valid.sum()) > 0:
            parts.append((np.asarray(change_KN) * valid).sum(0) * valid.shape[1] / count)
    return np.mean(parts, 0) if parts else np.zeros(np.shape(valid_EKN)[-1])
