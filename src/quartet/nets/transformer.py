"""The Transformer (Vaswani et al. 2017), pre-norm (Xiong et al. 2020).

Shapes: B batch, L length (T target, S source), D width, G grid of patches, Z noise, H height, W width, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from quartet.nets.attention import CrossAttention, KVCache, SelfAttention
from quartet.nets.base import Net, require
from quartet.nets.position import Position
from quartet.nets.roles import Decoder, Encoder, Memory, State
from quartet.nets.stem import Noise, Patches, Unpatchify
from quartet.types import Pixels, Series, Tokens

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}


@dataclass(frozen=True, kw_only=True)
class Transformer(Net):
    """Blocks of attention and a perceptron: over words, over patches of an image, over patches of a series."""

    ROLES: ClassVar[tuple[str, ...]] = ("classify", "language", "translate", "generate", "discriminate")
    FINE: ClassVar[str | None] = "mlp_ratio"

    width: int  # features of each position
    heads: int  # of attention; they share the width
    layers: int  # blocks; in translation, the encoder and the decoder have this many each
    mlp_ratio: float  # the perceptron's hidden features, as a multiple of the width
    activation: Literal["gelu", "relu", "silu"]
    position: Literal["none", "sinusoidal", "learned", "rotary"]
    norm: Literal["layer", "rms"]
    patch: int  # side of the square patches of an image, in pixels
    steps: int  # length of the patches of a series, in steps
    dropout: float
    spectral: bool  # whether a discriminator's linear layers are bounded by spectral norm
    tie_embeddings: bool  # whether the embedding is the head's matrix too

    def __post_init__(self) -> None:
        require(
            self.width % self.heads == 0,
            f"net.width={self.width} with net.heads={self.heads}: the width must be a multiple of the heads",
        )

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        if isinstance(inputs, Tokens):
            return TransformerEncoder(net=self, stem=nn.Identity(), grid=None, context=inputs.context)
        patch = (self.patch, self.patch) if isinstance(inputs, Pixels) else (self.steps, 1)
        stem = Patches(inputs=inputs, patch=patch, width=self.width)
        return TransformerEncoder(net=self, stem=stem, grid=stem.grid, context=0)

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        return TransformerDecoder(net=self, context=tokens.context, memory=memory)

    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        patch = (self.patch, self.patch)
        grid = (math.ceil(pixels.height / self.patch), math.ceil(pixels.width / self.patch))
        stem = Noise(latent_dim=latent_dim, grid=grid, width=self.width)
        places = TransformerEncoder(net=self, stem=stem, grid=grid, context=0)
        return nn.Sequential(places, Unpatchify(pixels=pixels, patch=patch, width=self.width))


class Block(nn.Module):
    """Self-attention, cross-attention to a memory if any, and a perceptron. Each reads the normalised x and adds to
    x."""

    def __init__(self, *, net: Transformer, memory: bool) -> None:
        super().__init__()
        self.attend_norm = normalisation(net)
        self.attend = SelfAttention(width=net.width, heads=net.heads)
        if memory:
            self.cross_norm = normalisation(net)
            self.cross = CrossAttention(width=net.width, heads=net.heads)
        self.feed_norm = normalisation(net)
        hidden = max(1, round(net.mlp_ratio * net.width))
        self.expand = nn.Linear(net.width, hidden)
        self.contract = nn.Linear(hidden, net.width)
        self.activation = ACTIVATIONS[net.activation]
        self.dropout = nn.Dropout(net.dropout)
        initialise(self, residuals=(3 if memory else 2) * net.layers)

    def forward(
        self, x_BLD: Tensor, *, causal: bool, mask_BL: Tensor | None, rotation: tuple[Tensor, Tensor] | None,
        past: KVCache | None = None, memory: KVCache | None = None, memory_mask_BS: Tensor | None = None,
    ) -> tuple[Tensor, KVCache]:  # fmt: skip
        y, past = self.attend(self.attend_norm(x_BLD), causal=causal, mask_BL=mask_BL, rotation=rotation, past=past)
        x_BLD = x_BLD + self.dropout(y)
        if memory is not None:
            x_BLD = x_BLD + self.dropout(self.cross(self.cross_norm(x_BLD), memory, memory_mask_BS))
        y = self.contract(self.activation(self.expand(self.feed_norm(x_BLD))))
        return x_BLD + self.dropout(y), past


class TransformerEncoder(Encoder):
    """A stem, positions, and blocks in which every position sees all others."""

    blocks: Sequence[Block]

    def __init__(self, *, net: Transformer, stem: nn.Module, grid: tuple[int, ...] | None, context: int) -> None:
        super().__init__(width=net.width, grid=grid)
        self.stem = stem
        self.position = Position(kind=net.position, width=net.width, heads=net.heads, grid=grid, context=context)
        self.blocks = stack(net, memory=False)
        self.norm = normalisation(net)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x_BGD = self.stem(x)
        x_BLD, rotation = self.position(x_BGD.flatten(1, -2), 0)
        for block in self.blocks:
            x_BLD, _ = block(x_BLD, causal=False, mask_BL=mask, rotation=rotation)
        return self.norm(x_BLD).unflatten(1, x_BGD.shape[1:-1])


class TransformerDecoder(Decoder):
    """Causal blocks. The state is each block's keys and values of the past positions."""

    blocks: Sequence[Block]

    def __init__(self, *, net: Transformer, context: int, memory: bool) -> None:
        super().__init__()
        self.position = Position(kind=net.position, width=net.width, heads=net.heads, grid=None, context=context)
        self.longest = context if net.position == "learned" else None
        self.blocks = stack(net, memory=memory)
        self.norm = normalisation(net)

    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        return mask_BS, tuple(block.cross.precompute_kv(source_BSD) for block in self.blocks)

    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]:
        offset = 0 if state is None else state[0][0].shape[2]
        x_BTD, rotation = self.position(x_BTD, offset)
        mask_BS, memories = (None, (None,) * len(self.blocks)) if memory is None else memory
        pasts = []
        for i, block in enumerate(self.blocks):
            x_BTD, past = block(
                x_BTD, causal=True, mask_BL=None, rotation=rotation, past=None if state is None else state[i],
                memory=memories[i], memory_mask_BS=mask_BS,
            )  # fmt: skip
            pasts.append(past)
        return self.norm(x_BTD), tuple(pasts)


def stack(net: Transformer, *, memory: bool) -> Any:  # a ModuleList, whose members no type checker knows
    """Return `layers` blocks."""
    return nn.ModuleList(Block(net=net, memory=memory) for _ in range(net.layers))


def normalisation(net: Transformer) -> nn.Module:
    """Return the norm layer for x_BLD."""
    return nn.LayerNorm(net.width) if net.norm == "layer" else nn.RMSNorm(net.width, eps=1e-6)


def initialise(block: Block, *, residuals: int) -> None:
    """Draw weights that keep the variance (LeCun et al. 1998). GPT-2's 0.02 suits widths of 768 and more; it leaves the
    attention of narrow nets flat for their first thousand steps. Layers that add to the residual stream get smaller
    weights, so that its sum does not grow (Radford et al. 2019)."""
    for name, child in block.named_modules():
        if isinstance(child, nn.Linear):
            deviation = child.in_features**-0.5
            last = name.endswith(("out", "contract"))
            nn.init.normal_(child.weight, std=deviation / math.sqrt(residuals) if last else deviation)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
