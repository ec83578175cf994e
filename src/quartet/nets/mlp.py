"""The multilayer perceptron: each layer connects all features. A baseline for nets that use the layout of their inputs.

Shapes: B batch, D width, H height, W width, C channels, L length, Z noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from quartet.nets.base import Net
from quartet.nets.norm import BatchNorm
from quartet.nets.roles import Decoder, Encoder
from quartet.nets.stem import mean
from quartet.types import Pixels, QuartetError, Series, Tokens


@dataclass(frozen=True, kw_only=True)
class MLP(Net):
    """Hidden layers of one width with rectifiers. Inputs have a fixed size, so that it cannot write text or translate.

    It classifies a text by the mean of its embedded tokens, whatever their order (Iyyer et al. 2015).
    """

    ROLES: ClassVar[tuple[str, ...]] = ("classify", "generate", "discriminate")

    width: int  # features of each hidden layer
    layers: int  # hidden layers
    norm: Literal["batch", "layer", "none"]  # none in a discriminator
    dropout: float
    spectral: bool  # whether a discriminator's layers are bounded by spectral norm

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        if isinstance(inputs, Tokens):
            raise QuartetError("net: MLP cannot read tokens in their order; take CNN, RNN or Transformer")
        places = inputs.height * inputs.width if isinstance(inputs, Pixels) else inputs.length
        return Perceptron(net=self, inputs=places * inputs.channels, discriminating=discriminating)

    def sum_up(self, tokens: Tokens) -> Encoder:
        return Bag(net=self)

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        raise QuartetError("net: MLP cannot write tokens; take CNN, RNN or Transformer")

    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        shape = (pixels.height, pixels.width, pixels.channels)
        hidden = Perceptron(net=self, inputs=latent_dim, discriminating=False)
        head = nn.Linear(self.width, pixels.height * pixels.width * pixels.channels)
        return nn.Sequential(hidden, nn.Flatten(), head, nn.Unflatten(1, shape))


class Perceptron(Encoder):
    """Flatten the input and apply the hidden layers: features_B1D, on a grid of one place."""

    def __init__(self, *, net: MLP, inputs: int, discriminating: bool) -> None:
        super().__init__(width=net.width, grid=(1,))
        widths = (inputs, *[net.width] * net.layers)
        norm = "none" if discriminating else net.norm
        self.layers = nn.Sequential()
        for before, after in pairwise(widths):
            linear = nn.Linear(before, after, bias=norm != "batch")
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            activation = nn.LeakyReLU(0.2) if discriminating else nn.ReLU()
            self.layers.extend((linear, normalisation(norm, after), activation, nn.Dropout(net.dropout)))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.layers(x.flatten(1)).unsqueeze(1)


class Bag(Encoder):
    """Apply the hidden layers to the mean of a text's features: x_BLD → features_B1D."""

    def __init__(self, *, net: MLP) -> None:
        super().__init__(width=net.width, grid=(1,))
        self.layers = Perceptron(net=net, inputs=net.width, discriminating=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.layers(x.mean(1) if mask is None else mean(x, mask))


def normalisation(kind: str, width: int) -> nn.Module:
    """Return the norm layer for x_BD."""
    return {"batch": BatchNorm, "layer": nn.LayerNorm}[kind](width) if kind != "none" else nn.Identity()
