"""Summaries of a series, and layers on them.

Shapes: B batch, L length, C channels, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from quartet.nets import Net
from quartet.nets.roles import Decoder, Encoder
from quartet.types import Pixels, QuartetError, Series, Tokens

SLOPE = 0.1


@dataclass(frozen=True, kw_only=True)
class Summaries(Net):
    """Classes as any net tells them apart, and a number, which no shipped net gives."""

    ROLES: ClassVar[tuple[str, ...]] = ("classify", "score")

    width: int
    dropout: float

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        if not isinstance(inputs, Series):
            raise QuartetError("net: Summaries reads series alone")
        return Summary(width=self.width, channels=inputs.channels)

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        raise QuartetError("net: Summaries writes nothing")

    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        raise QuartetError("net: Summaries draws nothing")

    def scorer(self, inputs: Series) -> Scorer:
        """x_BLC → score_B."""
        return Scorer(self.encode(inputs))


class Summary(Encoder):
    """x_BLC → features_B1D of each channel's mean, deviation and mean step."""

    def __init__(self, *, width: int, channels: int) -> None:
        super().__init__(width=width, grid=(1,))
        self.layers = nn.Sequential(nn.Linear(3 * channels, width), nn.LeakyReLU(SLOPE), nn.Linear(width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        steps = (x[:, 1:] - x[:, :-1]).abs().mean(1)
        return self.layers(torch.cat((x.mean(1), x.std(1), steps), -1)).unsqueeze(1)


class Scorer(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, 1)

    def forward(self, x_BLC: Tensor) -> Tensor:
        return self.head(self.encoder(x_BLC)).flatten()
