"""A net is a recipe: the settings of a family, from which it builds a model once the task and the data are known.

Each family implements `encode`, `decode` and `make_generator`. The six models follow from these three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, overload

from torch import nn

from quartet.nets.models import (
    Classifier,
    Discriminator,
    Generator,
    LanguageModel,
    TextClassifier,
    Translator,
    Vocabulary,
)
from quartet.nets.norm import spectrally_normalise
from quartet.nets.roles import Decoder, Encoder
from quartet.types import Classes, Pixels, QuartetError, Series, Tokens


class Net(ABC):
    """The recipe of a family: a frozen, keyword-only dataclass of plain numbers and names, cheap to make and compare.

    A family lists in `ROLES` the models that it can build. All have `width` and `dropout`. `spectral` bounds the layers
    of a discriminator. `tie_embeddings` uses the embedding's matrix for the head too, in families that read text. These
    fields are only declared here: the family lists them itself, so that a reader finds them in one file.
    """

    ROLES: ClassVar[tuple[str, ...]]
    FINE: ClassVar[str | None] = None  # a real-valued setting that reaches sizes between two widths
    width: int
    dropout: float
    spectral: bool
    tie_embeddings: bool

    @abstractmethod
    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        """Return an encoder of `inputs` (tokens come embedded); `discriminating` builds it for a discriminator."""

    def sum_up(self, tokens: Tokens) -> Encoder:
        """Return the encoder of embedded tokens that classifies a text: `encode`'s, whose features are averaged, unless
        a family has one of its own. Such a one has a grid of one place, (1,)."""
        return self.encode(tokens)

    @abstractmethod
    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        """Return a causal decoder of embedded tokens; with `memory`, it attends to an encoded source."""

    @abstractmethod
    def make_generator(self, latent_dim: int, pixels: Pixels) -> nn.Module:
        """Return a module from noise z_BZ to unbounded pixels x_BHWC."""

    @overload
    def classifier(self, inputs: Pixels | Series, outputs: Classes) -> Classifier: ...

    @overload
    def classifier(self, inputs: Tokens, outputs: Classes) -> TextClassifier: ...

    def classifier(self, inputs: Pixels | Series | Tokens, outputs: Classes) -> Classifier | TextClassifier:
        """Return the model x (uint8 or float B,H,W,C in 0..255, float B,L,C, or tokens_BL) → logits_BK.

        `.features(x)` → f_BD."""
        self._can("classify")
        if isinstance(inputs, Tokens):
            encoder = self.sum_up(inputs)
            return TextClassifier(
                encoder=encoder, inputs=inputs, width=self.width, outputs=outputs, dropout=self.dropout
            )
        return Classifier(encoder=self.encode(inputs), inputs=inputs, outputs=outputs, dropout=self.dropout)

    def language_model(self, tokens: Tokens) -> LanguageModel:
        """Return the model (tokens_BL, state=None) → (logits_BLV, state)."""
        self._can("language")
        return LanguageModel(decoder=self.decode(tokens, memory=False), vocabulary=self._vocabulary(tokens))

    def translator(self, tokens: Tokens) -> Translator:
        """Return the model (source_BS, target_BT) → logits_BTV; `.encode` and `.decode` are its two steps."""
        self._can("translate")
        decoder = self.decode(tokens, memory=True)
        return Translator(encoder=self.encode(tokens), decoder=decoder, vocabulary=self._vocabulary(tokens))

    def generator(self, latent_dim: int, pixels: Pixels) -> Generator:
        """Return the model z_BZ → x_BHWC in [-1, 1]."""
        self._can("generate")
        return Generator(painter=self.make_generator(latent_dim, pixels))

    def discriminator(self, pixels: Pixels) -> Discriminator:
        """Return the model x_BHWC in [-1, 1] → score_B, a logit that is high for real images."""
        self._can("discriminate")
        model = Discriminator(encoder=self.encode(pixels, discriminating=True))
        return spectrally_normalise(model) if self.spectral else model

    def _vocabulary(self, tokens: Tokens) -> Vocabulary:
        return Vocabulary(tokens=tokens, width=self.width, tie_embeddings=self.tie_embeddings, dropout=self.dropout)

    def _can(self, role: str) -> None:
        """Raise QuartetError if the family does not list `role`."""
        if role not in self.ROLES:
            name = type(self).__name__
            raise QuartetError(f"net: {name} cannot {role}; it can {', '.join(self.ROLES)}")


def require(holds: bool, message: str) -> None:
    """Raise QuartetError unless `holds`; `message` names the key, the given value and a remedy."""
    if not holds:
        raise QuartetError(message)
