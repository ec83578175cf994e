"""Stems and heads: from tokens, pixels, series or noise to features, and from features back to pixels.

Shapes: B batch, H height, W width, C channels, L length, G grid, D features, Z noise; h, w the grid of patches.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.types import Pixels, Series


class Embedding(nn.Embedding):
    """Embed tokens as features of variance 1: rows of variance 1/D, times √D (Vaswani et al. 2017, section 3.4).

    Small rows let the head use the same matrix (`tie_embeddings`); the factor keeps learning fast.
    """

    def __init__(self, *, vocabulary: int, width: int) -> None:
        super().__init__(vocabulary, width)
        nn.init.normal_(self.weight, std=width**-0.5)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return super().forward(tokens_BL) * math.sqrt(self.embedding_dim)


def mean(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the mean_BD of a text's features, without the masked ones."""
    share_BL = mask_BL.to(x_BLD.dtype) / mask_BL.sum(1, keepdim=True)
    return (x_BLD * share_BL[..., None]).sum(1)


class Normalise(nn.Module):
    """Normalise pixels in 0..255, or series, to mean 0 and deviation 1 by the data's statistics per channel."""

    mean_C: Tensor
    std_C: Tensor

    def __init__(self, *, inputs: Pixels | Series) -> None:
        super().__init__()
        self.register_buffer("mean_C", torch.tensor(inputs.mean))
        self.register_buffer("std_C", torch.tensor(inputs.std))

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.mean_C.dtype) - self.mean_C).div_(self.std_C)


class Patches(nn.Module):
    """Cut an image into patches and map each linearly: x → features_BGD, G = (h, w). A series is an image of width 1.

    Zeros at the end pad the input to a multiple of the patch.
    """

    def __init__(self, *, inputs: Pixels | Series, patch: tuple[int, int], width: int) -> None:
        super().__init__()
        high, wide = (inputs.height, inputs.width) if isinstance(inputs, Pixels) else (inputs.length, 1)
        self.patch = patch
        self.grid = (math.ceil(high / patch[0]), math.ceil(wide / patch[1]))
        self.fill = (0, 0, 0, self.grid[1] * patch[1] - wide, 0, self.grid[0] * patch[0] - high)
        self.project = nn.Linear(patch[0] * patch[1] * inputs.channels, width)

    def forward(self, x: Tensor) -> Tensor:
        x_BHWC = F.pad(x if x.ndim == 4 else x.unsqueeze(2), self.fill)
        x_BhpwqC = x_BHWC.unflatten(1, (self.grid[0], self.patch[0])).unflatten(3, (self.grid[1], self.patch[1]))
        return self.project(x_BhpwqC.transpose(2, 3).flatten(3))


class Noise(nn.Module):
    """Map noise to features_BGD linearly. The bias acts as a learned query for each place of the grid."""

    def __init__(self, *, latent_dim: int, grid: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.shape = (*grid, width)
        self.project = nn.Linear(latent_dim, math.prod(self.shape))

    def forward(self, z_BZ: Tensor) -> Tensor:
        return self.project(z_BZ).unflatten(1, self.shape)


class Unpatchify(nn.Module):
    """Map features_BGD, G = (h, w) patches, to pixels_BHWC: the reverse of `Patches`, without its padding."""

    def __init__(self, *, pixels: Pixels, patch: tuple[int, int], width: int) -> None:
        super().__init__()
        self.size = (pixels.height, pixels.width)
        self.patch = (*patch, pixels.channels)
        self.project = nn.Linear(width, math.prod(self.patch))

    def forward(self, x_BhwD: Tensor) -> Tensor:
        x_BhwpqC = self.project(x_BhwD).unflatten(-1, self.patch)
        x_BHWC = x_BhwpqC.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return x_BHWC[:, : self.size[0], : self.size[1]]
