"""Recurrent nets: Elman (1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014).

Shapes: B batch, L length (T target, S source), D width, H height, W width, C channels, Z noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from quartet.nets.attention import CrossAttention
from quartet.nets.base import Net, require
from quartet.nets.roles import Decoder, Encoder, Memory, State
from quartet.nets.stem import Noise, Patches, Unpatchify
from quartet.nets.tracing import open_length
from quartet.types import Pixels, Series, Tokens

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"plain": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True, kw_only=True)
class RNN(Net):
    """Recurrent layers of one kind of cell: over words, over the rows of an image, over the steps of a series.

    Encoders read in both directions. In translation the decoder's first layer attends to the source, and the other
    layers read its result (Luong et al. 2015; Wu et al. 2016).
    """

    ROLES: ClassVar[tuple[str, ...]] = ("classify", "language", "translate", "generate", "discriminate")

    cell: Literal["plain", "gru", "lstm"]
    width: int  # features of each position; an encoder's directions get half each
    layers: int  # in translation, the encoder and the decoder have this many each
    residual: bool  # whether each layer but the first adds its input to its output
    heads: int  # of the attention to the source in translation
    dropout: float
    spectral: bool  # whether a discriminator's linear layers are bounded by spectral norm
    tie_embeddings: bool  # whether the embedding is the head's matrix too

    def __post_init__(self) -> None:
        require(self.width >= 2, f"net.width={self.width}: two directions share the width, make it at least 2")

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        if isinstance(inputs, Tokens):
            return RNNEncoder(net=self, stem=nn.Identity(), grid=None)
        patch = (1, inputs.width) if isinstance(inputs, Pixels) else (1, 1)
        stem = Patches(inputs=inputs, patch=patch, width=self.width)
        return RNNEncoder(net=self, stem=nn.Sequential(stem, nn.Flatten(1, 2)), grid=stem.grid[:1])

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        return RNNDecoder(net=self, memory=memory)

    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        return RNNGenerator(net=self, latent_dim=latent_dim, pixels=pixels)


class RNNEncoder(Encoder):
    """Layers that read forwards and backwards, half of the width each.

    Masked positions are at the end; the backward layers read them last.
    """

    ahead: Sequence[nn.RNNBase]
    back: Sequence[nn.RNNBase]

    def __init__(self, *, net: RNN, stem: nn.Module, grid: tuple[int, ...] | None) -> None:
        super().__init__(width=net.width, grid=grid)
        self.stem = stem
        self.residual = net.residual
        self.ahead = stack(net, net.width - net.width // 2)
        self.back = stack(net, net.width // 2)
        self.dropout = nn.Dropout(net.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x_BLD = self.stem(x)
        for i, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            back_BLD = reverse(step(back, reverse(x_BLD, mask), None)[0], mask)
            y_BLD = torch.cat((step(ahead, x_BLD, None)[0], back_BLD), -1)
            y_BLD = self.dropout(y_BLD) if i + 1 < len(self.ahead) else y_BLD
            x_BLD = x_BLD + y_BLD if self.residual and i > 0 else y_BLD
        return x_BLD


class RNNDecoder(Decoder):
    """Layers of cells; the state is each layer's hidden state_BD, with the cell state_BD for LSTM."""

    layers: Sequence[nn.RNNBase]

    def __init__(self, *, net: RNN, memory: bool) -> None:
        super().__init__()
        self.residual = net.residual
        self.layers = stack(net, net.width)
        self.cross = CrossAttention(width=net.width, heads=net.heads) if memory else None
        self.dropout = nn.Dropout(net.dropout)

    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        assert self.cross is not None
        return mask_BS, self.cross.precompute_kv(source_BSD)

    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]:
        left = []
        for i, layer in enumerate(self.layers):
            y_BTD, after = step(layer, x_BTD, None if state is None else state[i])
            left.append(after)
            y_BTD = self.dropout(y_BTD)
            x_BTD = x_BTD + y_BTD if self.residual and i > 0 else y_BTD
            if i == 0 and self.cross is not None:
                mask_BS, past = memory
                x_BTD = x_BTD + self.dropout(self.cross(x_BTD, past, mask_BS))
        return x_BTD, tuple(left)


class RNNGenerator(nn.Module):
    """Generate an image row by row.

    Each row has its own linear map of the whole noise, and the state that the rows above it left.
    """

    def __init__(self, *, net: RNN, latent_dim: int, pixels: Pixels) -> None:
        super().__init__()
        self.stem = Noise(latent_dim=latent_dim, grid=(pixels.height,), width=net.width)
        self.rows = RNNDecoder(net=net, memory=False)
        self.canvas = Unpatchify(pixels=pixels, patch=(1, pixels.width), width=net.width)

    def forward(self, z_BZ: Tensor) -> Tensor:
        x_BHD, _ = self.rows(self.stem(z_BZ))
        return self.canvas(x_BHD.unsqueeze(2))


def stack(net: RNN, width: int) -> Any:  # a ModuleList, whose members no type checker knows
    """Return `layers` recurrent layers with `width` output features each."""
    return nn.ModuleList(make(net.cell, net.width, width) for _ in range(net.layers))


def make(cell: str, inputs: int, width: int) -> nn.RNNBase:
    """Return a layer: Glorot input weights, orthogonal recurrence, LSTM forget bias 1 (Jozefowicz et al. 2015)."""
    layer = CELLS[cell](inputs, width, batch_first=True)
    for name, weight in layer.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
        else:
            for gate in weight.data.split(width):
                (nn.init.orthogonal_ if "_hh" in name else nn.init.xavier_uniform_)(gate)
    if cell == "lstm":
        dict(layer.named_parameters())["bias_ih_l0"].data[width : 2 * width] = 1.0
    return layer


def step(layer: nn.RNNBase, x_BTD: Tensor, before: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a layer from its state, a tuple of state_BD (torch adds a dim); return its outputs and new state."""
    lstm = isinstance(layer, nn.LSTM)
    hidden = None if before is None else tuple(part_BD.unsqueeze(0) for part_BD in before)
    with open_length():
        y_BTD, after = layer(x_BTD, hidden if lstm or hidden is None else hidden[0])
    return y_BTD, tuple(part.squeeze(0) for part in (after if lstm else (after,)))


def reverse(x_BLD: Tensor, mask_BL: Tensor | None) -> Tensor:
    """Reverse each sequence within its length. The masked rest comes after it, so that a second call restores x."""
    if mask_BL is None:
        return x_BLD.flip(1)
    length_B1 = mask_BL.sum(1, keepdim=True)
    place_BL = (length_B1 - 1 - torch.arange(x_BLD.shape[1], device=x_BLD.device)) % x_BLD.shape[1]
    return x_BLD.gather(1, place_BL[..., None].expand_as(x_BLD))
