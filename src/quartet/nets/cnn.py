"""Convolutional nets: a residual network with pooling (He et al. 2016) for images and series; a causal dilated network
(van den Oord et al. 2016; Dauphin et al. 2017; Gehring et al. 2017) for text; windows of words with max-pooling (Kim
2014) that classify a text; an upsampling network (Radford et al. 2016) that generates images.

Shapes: B batch, H height, W width, L length (T target, S source), C channels, D width, G grid, Z noise, k kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.nets.attention import CrossAttention
from quartet.nets.base import Net, require
from quartet.nets.convolution import Residual, Windows, covering, halving, lay_channels_last, start_small
from quartet.nets.norm import Norm, normalisation
from quartet.nets.roles import Decoder, Encoder, Memory, State
from quartet.nets.stem import Noise
from quartet.types import Pixels, QuartetError, Series, Tokens


@dataclass(frozen=True, kw_only=True)
class CNN(Net):
    """Convolutional nets. For images and series: `stages`, each halves the grid and then has `depth` residual blocks;
    with `pool=none` all keep the grid.
    For text: `layers` residual blocks with dilations 1, 2, 4, … in a cycle, always with layer norm. The other norms
    would let a position see later ones.
    To classify a text: one layer of windows of `kernel`, `kernel` + 1 and `kernel` + 2 tokens, `growth` × `width` of
    each."""

    ROLES: ClassVar[tuple[str, ...]] = ("classify", "language", "translate", "generate", "discriminate")
    FINE: ClassVar[str | None] = "growth"

    width: int  # features of the first stage; of each position in text
    growth: float  # ratio of a stage's width to the width before it
    stages: int  # each halves the grid, in a generator doubles it
    depth: int  # residual blocks of each stage
    kernel: int | Literal["whole"]  # side of the kernels, odd; whole: each kernel covers its layer's grid
    pool: Literal["max", "average", "stride", "none"]  # how a stage halves the grid; stride: kernels of 4 with stride 2
    norm: Literal["batch", "group", "layer", "none"]  # on images and series
    discriminator_norm: Literal["batch", "group", "layer", "none"]  # the same in a discriminator
    spectral: bool  # whether a discriminator's layers are bounded by spectral norm
    layers: int  # residual blocks in text; in translation, encoder and decoder have this many each
    cycle: int  # dilations in text before they begin again at 1
    gated: bool  # whether blocks in text have gated linear units instead of rectified ones
    heads: int  # of the attention to the source in translation
    dropout: float
    tie_embeddings: bool  # whether the embedding is the head's matrix too

    def __post_init__(self) -> None:
        odd = self.kernel == "whole" or self.kernel % 2 == 1
        require(odd, f"net.kernel={self.kernel}: a kernel needs a middle; give an odd number")
        able = self.kernel != "whole" or self.pool != "stride"
        require(able, "net.kernel=whole: net.pool=stride halves by kernels of 4; give another net.pool")
        require(self.stages >= 1, f"net.stages={self.stages}: at least 1")

    def widths(self) -> list[int]:
        """Return the channels of each stage, in multiples of 8 if the first is one."""
        unit = 8 if self.width % 8 == 0 else 1
        return [unit * round(self.width * self.growth**i / unit) for i in range(self.stages)]

    def sides(self, grid: Sequence[int]) -> tuple[int, ...]:
        """Return the sides of the kernels that step over `grid`."""
        return covering(grid) if self.kernel == "whole" else (self.kernel,) * len(grid)

    def side(self) -> int:
        """Return the side of the kernels; QuartetError for kernels that cover a grid, as text has none."""
        if self.kernel == "whole":
            raise QuartetError("net.kernel=whole: only for reading images or series; give an odd number, such as 3")
        return self.kernel

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        if isinstance(inputs, Tokens):
            return TextEncoder(net=self)
        size = (inputs.height, inputs.width) if isinstance(inputs, Pixels) else (inputs.length,)
        return ResNetEncoder(net=self, channels=inputs.channels, size=size, discriminating=discriminating)

    def sum_up(self, tokens: Tokens) -> Encoder:
        sizes = tuple(self.side() + i for i in range(3))
        return Windows(width=self.width, filters=max(1, round(self.growth * self.width)), sizes=sizes)

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        return TextDecoder(net=self, memory=memory)

    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        return CNNGenerator(net=self, latent_dim=latent_dim, pixels=pixels)


class ResNetEncoder(Encoder):
    """Encode pixels_BHWC or series_BLC as features of a grid that every stage halves.

    Channels stay last in memory. The convolutions get a view with the channels on dim 1.
    """

    def __init__(self, *, net: CNN, channels: int, size: tuple[int, ...], discriminating: bool) -> None:
        halvings = 0 if net.pool == "none" else 1
        grids = [tuple(side >> i * halvings for side in size) for i in range(net.stages + 1)]
        require(min(grids[-1]) >= 1, f"net.stages={net.stages} halve {size} to nothing; make it less")
        super().__init__(width=net.widths()[-1], grid=grids[-1])
        norm: Norm = net.discriminator_norm if discriminating else net.norm
        self.layers = nn.Sequential()
        for width, before, grid in zip(net.widths(), grids, grids[1:], strict=False):
            sides = net.sides(before)
            parts = halving(channels, width, pool=net.pool, kernel=sides, norm=norm, discriminating=discriminating)
            self.layers.extend(parts)
            for _ in range(net.depth):
                self.layers.append(Residual(width, kernel=net.sides(grid), norm=norm, discriminating=discriminating))
            channels = width
        if discriminating:
            self.layers.apply(start_small)
        if len(size) == 2:
            lay_channels_last(self.layers)

    @property
    def kernels(self) -> Tensor:
        """Return the first convolution's weights (out, in, height, width), or (out, in, length) for series."""
        weight = self.layers[0].weight
        assert isinstance(weight, Tensor)
        return weight

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.layers(x.movedim(-1, 1)).movedim(1, -1)


class CNNGenerator(nn.Module):
    """Generate pixels_BHWC from a small grid of noise features. Every stage doubles the grid; the surplus is cut off.

    The last stage goes straight to pixels (as in InfoGAN, Chen et al. 2016): features on the full grid would cost the
    most.
    """

    def __init__(self, *, net: CNN, latent_dim: int, pixels: Pixels) -> None:
        super().__init__()
        widths = net.widths()[::-1]
        self.size = (pixels.height, pixels.width)
        grid = tuple(math.ceil(side / 2**net.stages) for side in self.size)
        self.stem = Noise(latent_dim=latent_dim, grid=grid, width=widths[0])
        self.layers = nn.Sequential()
        for width, narrower in zip(widths, [*widths[1:], pixels.channels], strict=True):
            self.layers.extend((normalisation(net.norm, width), nn.ReLU()))
            for _ in range(net.depth):
                self.layers.append(Residual(width, kernel=(net.side(),) * 2, norm=net.norm, discriminating=False))
            self.layers.append(nn.ConvTranspose2d(width, narrower, 4, 2, 1))
        self.layers.apply(start_small)
        lay_channels_last(self.layers)

    def forward(self, z_BZ: Tensor) -> Tensor:
        x_BHWC = self.layers(self.stem(z_BZ).movedim(-1, 1)).movedim(1, -1)
        return x_BHWC[:, : self.size[0], : self.size[1]]


class TextBlock(nn.Module):
    """A residual branch for text: a dilated convolution of the normalised x, and attention to a memory if there is one.

    The convolution is one matrix product over shifted copies. On narrow features this is faster than the convolution
    kernels, and the layout stays as it is.
    """

    def __init__(self, *, net: CNN, dilation: int, memory: bool) -> None:
        super().__init__()
        self.kernel, self.dilation, self.gated = net.side(), dilation, net.gated
        self.reach = (self.kernel - 1) * dilation
        self.norm = nn.LayerNorm(net.width)
        self.convolve = nn.Linear(self.kernel * net.width, (2 if net.gated else 1) * net.width)
        self.mix = nn.Linear(net.width, net.width)
        if memory:
            self.cross_norm = nn.LayerNorm(net.width)
            self.cross = CrossAttention(width=net.width, heads=net.heads)
        self.dropout = nn.Dropout(net.dropout)

    def forward(self, padded_BLD: Tensor) -> Tensor:
        """Return the branch's output, to be added to x; `padded_BLD` is the normalised x with `reach` extra places."""
        length = padded_BLD.shape[1] - self.reach
        shifted = [padded_BLD[:, i * self.dilation : i * self.dilation + length] for i in range(self.kernel)]
        y_BLD = self.convolve(torch.cat(shifted, -1))
        return self.dropout(self.mix(F.glu(y_BLD) if self.gated else F.relu(y_BLD)))


class TextEncoder(Encoder):
    """Blocks that see both sides. Masked positions count as zeros, as positions beyond the ends do."""

    blocks: Sequence[TextBlock]

    def __init__(self, *, net: CNN) -> None:
        super().__init__(width=net.width, grid=None)
        self.blocks = stack(net, memory=False)
        self.norm = nn.LayerNorm(net.width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            y_BLD = block.norm(x)
            y_BLD = y_BLD if mask is None else y_BLD * mask[..., None]
            x = x + block(F.pad(y_BLD, (0, 0, block.reach // 2, block.reach // 2)))
        return self.norm(x)


class TextDecoder(Decoder):
    """Blocks that see only the past. The state is the last `reach` places of each block's padded input."""

    blocks: Sequence[TextBlock]

    def __init__(self, *, net: CNN, memory: bool) -> None:
        super().__init__()
        self.blocks = stack(net, memory=memory)
        self.norm = nn.LayerNorm(net.width)

    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        return mask_BS, tuple(block.cross.precompute_kv(source_BSD) for block in self.blocks)

    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]:
        seen = []
        for i, block in enumerate(self.blocks):
            y_BTD = block.norm(x_BTD)
            padded = F.pad(y_BTD, (0, 0, block.reach, 0)) if state is None else torch.cat((state[i], y_BTD), 1)
            seen.append(padded[:, padded.shape[1] - block.reach :])
            x_BTD = x_BTD + block(padded)
            if memory is not None:
                mask_BS, pasts = memory
                x_BTD = x_BTD + block.dropout(block.cross(block.cross_norm(x_BTD), pasts[i], mask_BS))
        return self.norm(x_BTD), tuple(seen)


def stack(net: CNN, *, memory: bool) -> Any:  # a ModuleList, whose members no type checker knows
    """Return the blocks of a text encoder or decoder, with their dilations."""
    dilations = (2 ** (i % net.cycle) for i in range(net.layers))
    return nn.ModuleList(TextBlock(net=net, dilation=dilation, memory=memory) for dilation in dilations)
