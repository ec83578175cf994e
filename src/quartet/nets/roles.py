"""The two halves that a family gives and the models are made of: an encoder and a causal decoder.

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
    """Everything at once: (x, mask_BL or None) → features_BGD.

    `x` is pixels_BHWC or series_BLC, normalised, or embedded tokens_BLD; `mask` is True where there is content, and
    what stands where it is False changes no feature elsewhere. `width` is D; `grid` is G, None if it follows the input.
    """

    def __init__(self, *, width: int, grid: tuple[int, ...] | None) -> None:
        super().__init__()
        self.width = width
        self.grid = grid

    @abstractmethod
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor: ...


class Decoder(nn.Module, ABC):
    """One after the other: (x_BTD, memory, state) → (features_BTD, state), no position seeing a later one.

    `state` is what the positions so far left behind (None before the first), so that T steps of length 1 equal one of
    length T. `memory` comes from `precompute_kv` and is None for a decoder that was built without.
    """

    @abstractmethod
    def precompute_kv(self, source_BSD: Tensor, mask_BS: Tensor) -> Memory:
        """What the decoder needs of the encoded source, computed once for all steps."""

    @abstractmethod
    def forward(self, x_BTD: Tensor, memory: Memory = None, state: State = None) -> tuple[Tensor, State]: ...
