"""The six models: each joins a stem, a family's encoder or decoder, and a head.

Shapes: B batch, H height, W width, C channels, L length (S source, T target), D width, G grid, K classes, V vocabulary,
Z noise; in attention maps H is heads.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.nets.attention import CrossAttention, SelfAttention
from quartet.nets.roles import Decoder, Encoder, Memory, State
from quartet.nets.stem import Embedding, Normalise, mean
from quartet.types import PAD, Classes, Pixels, Series, Tokens

SMALL = 0.05  # largest entry of a classifier's embeddings at first


class Classifier(nn.Module):
    """Classify images (uint8 or float 0..255, B,H,W,C) or series (float, B,L,C): x → logits_BK.

    `digest` names the weights of a frozen classifier; `shape` (H, W, C) and `names` then describe its data.
    """

    digest: str | None = None
    shape: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def __init__(self, *, encoder: Encoder, inputs: Pixels | Series, outputs: Classes, dropout: float) -> None:
        super().__init__()
        self.normalise = Normalise(inputs=inputs) if inputs.mean else nn.Identity()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, outputs.count)

    def features(self, x: Tensor) -> Tensor:
        """Return f_BD: the encoder's features averaged over the grid, the input of the linear head."""
        return self.encoder(self.normalise(x)).flatten(1, -2).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(x)))

    @property
    def kernels(self) -> Tensor | None:
        """Return the first layer's convolution kernels (out, in, height, width); None for nets without such kernels."""
        kernels = getattr(self.encoder, "kernels", None)
        return kernels if isinstance(kernels, Tensor) and kernels.ndim == 4 else None


class TextClassifier(nn.Module):
    """Classify texts, padded with PAD at their ends: tokens_BL → logits_BK. Padding changes no answer.

    Embeddings begin small and grow with what they are good for, so that a token that training hardly saw says little.
    Rows of variance 1, as a language model has them, would let random features tell the training texts apart.
    """

    def __init__(self, *, encoder: Encoder, inputs: Tokens, width: int, outputs: Classes, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(inputs.vocabulary, width)
        nn.init.uniform_(self.embedding.weight, -SMALL, SMALL)
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.width, outputs.count)

    def features(self, tokens_BL: Tensor) -> Tensor:
        """Return f_BD: the encoder's features averaged over the text, the input of the linear head."""
        mask_BL = tokens_BL != PAD
        x = self.encoder(self.dropout(self.embedding(tokens_BL)), mask_BL)
        if self.encoder.grid is not None:  # one place: the encoder has summed the text up
            return x.flatten(1)
        return mean(x, mask_BL)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(tokens_BL)))


class Vocabulary(nn.Module):
    """Turn token ids into features and features into logits, by one matrix if `tie_embeddings` (Press & Wolf 2017)."""

    def __init__(self, *, tokens: Tokens, width: int, tie_embeddings: bool, dropout: float) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary=tokens.vocabulary, width=width)
        self.dropout = nn.Dropout(dropout)
        self.head = None if tie_embeddings else nn.Linear(width, tokens.vocabulary, bias=False)
        if self.head is not None:
            nn.init.normal_(self.head.weight, std=width**-0.5)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.dropout(self.embedding(tokens_BL))

    def logits(self, x_BLD: Tensor) -> Tensor:
        """Return logits_BLV for features x_BLD."""
        return F.linear(x_BLD, self.embedding.weight if self.head is None else self.head.weight)


class LanguageModel(nn.Module):
    """Predict the next token at each place: tokens_BL → logits_BLV, and the state from which to continue."""

    def __init__(self, *, decoder: Decoder, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.decoder = decoder

    def forward(self, tokens_BL: Tensor, state: State = None) -> tuple[Tensor, State]:
        x_BLD, state = self.decoder(self.vocabulary(tokens_BL), None, state)
        return self.vocabulary.logits(x_BLD), state


class Translator(nn.Module):
    """Encoder, decoder and cross-attention between them; source and target share one vocabulary."""

    def __init__(self, *, encoder: Encoder, decoder: Decoder, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.encoder = encoder
        self.decoder = decoder
        self.longest = decoder.longest

    def encode(self, source_BS: Tensor) -> Memory:
        """Return the memory that `decode` attends to. The mask hides PAD at the end of a source."""
        mask_BS = source_BS != PAD
        return self.decoder.precompute_kv(self.encoder(self.vocabulary(source_BS), mask_BS), mask_BS)

    def decode(self, target_BT: Tensor, memory: Memory, state: State = None) -> tuple[Tensor, State]:
        """Return logits_BTV of the token after each target token, and the state from which to continue."""
        x_BTD, state = self.decoder(self.vocabulary(target_BT), memory, state)
        return self.vocabulary.logits(x_BTD), state

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        return self.decode(target_BT, self.encode(source_BS))[0]

    @torch.no_grad()
    def attention(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """Return a_BHTS of the last cross-attention: each target position's weights over the source positions.

        A decoder without cross-attention reads the source as the past of its own text: then these are the last
        self-attention's weights, without those of the target.
        """
        seen: list[Tensor] = []
        modules = list(self.decoder.modules())
        crosses = [module for module in modules if isinstance(module, CrossAttention)]
        selves = [module for module in modules if isinstance(module, SelfAttention)]
        last: Any = crosses[-1] if crosses else selves[-1]
        hook = last.register_forward_hook(
            lambda module, inputs, options, _: seen.append(last.weights(*inputs, **options)), with_kwargs=True
        )
        try:
            self(source_BS, target_BT)
        finally:
            hook.remove()
        if crosses:
            return seen[0]
        a_BHTS = seen[-1][..., : source_BS.shape[1]]
        return a_BHTS / a_BHTS.sum(-1, keepdim=True)


class Generator(nn.Module):
    """Generate images x_BHWC in [-1, 1] from noise z_BZ."""

    def __init__(self, *, painter: nn.Module) -> None:
        super().__init__()
        self.painter = painter

    def forward(self, z_BZ: Tensor) -> Tensor:
        return torch.tanh(self.painter(z_BZ))


class Discriminator(nn.Module):
    """Score images x_BHWC in [-1, 1]: score_B is the logit of being real. Every grid place has its own weights."""

    def __init__(self, *, encoder: Encoder) -> None:
        super().__init__()
        assert encoder.grid is not None
        self.encoder = encoder
        self.head = nn.Linear(math.prod(encoder.grid) * encoder.width, 1)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        return self.head(self.encoder(x_BHWC).flatten(1)).squeeze(1)
