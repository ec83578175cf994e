"""A Transformer that translates without an encoder: source and target are one text, as in GPT (Radford et al. 2018).

Shapes: B batch, L length (S source, T target), D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from quartet.nets.roles import Decoder, Encoder, Memory, State
from quartet.nets.transformer import Transformer, TransformerDecoder
from quartet.types import Pixels, Series, Tokens


@dataclass(frozen=True, kw_only=True)
class DecoderOnlyTransformer(Transformer):
    """A Transformer whose decoder reads the source as the beginning of the text that it goes on with.

    Its settings are the Transformer's; `layers` counts the blocks of the one stack. Run it with
    `net=transformer net._target_=quartet.nets.DecoderOnlyTransformer`.
    """

    ROLES: ClassVar[tuple[str, ...]] = ("language", "translate")

    def encode(self, inputs: Pixels | Series | Tokens, *, discriminating: bool = False) -> Encoder:
        return Unread(width=self.width, grid=None)

    def decode(self, tokens: Tokens, *, memory: bool) -> Decoder:
        if not memory:
            return super().decode(tokens, memory=False)
        return JoinedDecoder(net=self, context=tokens.context)


class Unread(Encoder):
    """Return the embedded source as it is: the decoder reads it."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x


class JoinedDecoder(TransformerDecoder):
    """Causal blocks over the source and then the target, whose first position follows the last real one of the source.

    The memory is each block's keys and values of the source. The state holds those of the source and of the past
    target. So a batch's padding lies between source and target: it is hidden, and counts in no position.
    """

    def __init__(self, *, net: Transformer, context: int) -> None:
        super().__init__(net=net, context=2 * context, memory=False)
        self.longest = context if net.position == "learned" else None

    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        _, past = super().forward(source_BSD)
        return mask_BS, past

    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]:
        mask_BS, source = memory
        state = source if state is None else state
        written = state[0][0].shape[2] - mask_BS.shape[1]
        x_BTD, rotation = self.position(x_BTD, mask_BS.sum(1) + written)
        mask_BL = F.pad(mask_BS, (0, written + x_BTD.shape[1]), value=True)
        pasts = []
        for block, past in zip(self.blocks, state, strict=True):
            x_BTD, after = block(x_BTD, causal=True, mask_BL=mask_BL, rotation=rotation, past=past)
            pasts.append(after)
        return self.norm(x_BTD), tuple(pasts)
