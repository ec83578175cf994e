"""The two halves that a family builds and the models use: an encoder and a causal decoder.

Shapes: B batch, L length (S of the source, T of the target), D width, G grid: (length,) or (height, width).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

# Tuples (or dicts) of tensors with the batch on dim 0, so that beam search reorders them by `index_select`.
Memory = Any
State = Any


class Encoder(nn.Module, ABC):
    """Encode a whole input at once: (x, mask_BL or None) → features_BGD.

    `x` is normalised pixels_BHWC or series_BLC, or embedded tokens_BLD. `mask` is True at real positions; values at
    other positions change no real feature. `width` is D. `grid` is G, or None if it follows from the input.
    """

    def __init__(self, *, width: int, grid: tuple[int, ...] | None) -> None:
        super().__init__()
        self.width = width
        self.grid = grid

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor: ...


class Decoder(nn.Module, ABC):
    """Decode causally: (x_BTD, memory, state) → (features_BTD, state). No position sees a later position.

    `state` holds the past positions (None at the start), so that T steps of length 1 equal one step of length T.
    `memory` comes from `precompute_kv`; it is None for a decoder that was built without a memory. `longest` is the most
    target tokens that it can take, None for any number.
    """

    longest: int | None = None

    @abstractmethod
    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        """Return the keys and values of the encoded source, computed once for all steps."""

    @abstractmethod
    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]: ...
