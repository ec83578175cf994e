"""The modules that the text roles export: one for each step in which a predictor calls the model.

Shapes: B batch, S and T lengths of source and target, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


def whole(tree: Any) -> Any:
    """Return the tensors as copies, none of them a view: a program would record the layout of a view's base."""
    return pytree.tree_map(lambda part: part.clone(memory_format=torch.contiguous_format), tree)


class Program(nn.Module):
    """A module that wraps a model for export."""

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Begin(Program):
    """Read a prompt: tokens_BT → logits_BV of the next token, and the state from which to continue."""

    def forward(self, tokens_BT: Tensor) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model(tokens_BT)
        return logits_BTV[:, -1].clone(), whole(state)


class Step(Program):
    """Read one more token: (token_B1, state) → logits_BV of the next token, and the new state."""

    def forward(self, token_B1: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model(token_B1, state)
        return logits_B1V[:, -1].clone(), whole(state)


class Encode(Program):
    """Encode a source: source_BS → memory."""

    def forward(self, source_BS: Tensor) -> Any:
        return whole(self.model.encode(source_BS))


class Decode(Program):
    """Begin a translation: (target_BT, memory) → logits_BV of the next token, and the state from which to continue."""

    def forward(self, target_BT: Tensor, memory: Any) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model.decode(target_BT, memory)
        return logits_BTV[:, -1].clone(), whole(state)


class DecodeStep(Program):
    """Continue a translation: (token_B1, memory, state) → logits_BV of the next token, and the new state."""

    def forward(self, token_B1: Tensor, memory: Any, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model.decode(token_B1, memory, state)
        return logits_B1V[:, -1].clone(), whole(state)
