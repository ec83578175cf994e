"""A net is a recipe: what a family of architecture is made of, before it is known what it will be asked.

Each family answers three questions (`encode`, `decode`, `make_generator`); the five models follow from them here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from quartet.nets.models import Classifier, Discriminator, Generator, LanguageModel, Translator, Vocabulary
from quartet.nets.norm import spectrally_normalise
from quartet.nets.roles import Decoder, Encoder
from quartet.types import Classes, Pixels, QuartetError, Series, Tokens


class Net(ABC):
    """The recipe of a family: a frozen, keyword-only dataclass of plain numbers and names, cheap to make and compare.

    A family lists in `ROLES` what it can be asked; `FINE` names a real number of the recipe by which a size between two
    widths can be met. It has a `width` and a `dropout`; `spectral` bounds the layers of a discriminator; if it speaks,
    `tie_embeddings` says whether the embedding is the head's matrix too. Here these are only announced: fields of a
    base would hide them from a reader of the family.
    """

    ROLES: ClassVar[tuple[str, ...]]
    FINE: ClassVar[str | None] = None  # a real number that sizes it too, for what lies between two widths
    width: int
    dropout: float
    spectral: bool
    tie_embeddings: bool

    @abstractmethod
    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        """From what `inputs` describes (tokens come embedded) to features; `discriminating` tells real from made."""

    @abstractmethod
    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        """From embedded tokens to features, causally; with `memory`, attending to an encoded source."""

    @abstractmethod
    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        """From noise z_BZ to pixels x_BHWC, unbounded."""

    def classifier(self, inputs: Pixels | Series, outputs: Classes) -> Classifier:
        """x (uint8 or float B,H,W,C in 0..255, or float B,L,C) → logits_BK; `.features(x)` → f_BD."""
        self._can("classify")
        return Classifier(encoder=self.encode(inputs), inputs=inputs, outputs=outputs, dropout=self.dropout)

    def language_model(self, tokens: Tokens) -> LanguageModel:
        """(tokens_BL, state=None) → (logits_BLV, state)."""
        self._can("language")
        return LanguageModel(decoder=self.decode(tokens, memory=False), vocabulary=self._vocabulary(tokens))

    def translator(self, tokens: Tokens) -> Translator:
        """(source_BS, target_BT) → logits_BTV, by `.encode(source)` → memory and `.decode(target, memory, state)`."""
        self._can("translate")
        decoder = self.decode(tokens, memory=True)
        return Translator(encoder=self.encode(tokens), decoder=decoder, vocabulary=self._vocabulary(tokens))

    def generator(self, latent_dim: int, pixels: Pixels) -> Generator:
        """z_BZ → x_BHWC in [-1, 1]."""
        self._can("generate")
        return Generator(painter=self.make_generator(latent_dim, pixels))

    def discriminator(self, pixels: Pixels) -> Discriminator:
        """x_BHWC in [-1, 1] → score_B, a logit."""
        self._can("discriminate")
        model = Discriminator(encoder=self.encode(pixels, discriminating=True))
        return spectrally_normalise(model) if self.spectral else model

    def _vocabulary(self, tokens: Tokens) -> Vocabulary:
        return Vocabulary(tokens=tokens, width=self.width, tie_embeddings=self.tie_embeddings, dropout=self.dropout)

    def _can(self, role: str) -> None:
        if role not in self.ROLES:
            name = type(self).__name__
            raise QuartetError(f"net: {name} cannot {role}; it can {', '.join(self.ROLES)}")


def require(holds: bool, message: str) -> None:
    """Refuse a recipe: `message` names the key, what was given and what would do."""
    if not holds:
        raise QuartetError(message)
