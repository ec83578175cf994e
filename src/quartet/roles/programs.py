"""What the roles of texts have torch.export follow: a model in the steps in which a predictor calls it.

Shapes: B batch, S and T lengths of source and target, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


def whole(tree: Any) -> Any:
    """The same with no part a view: a program that is given views notes how they lay in their base."""
    return pytree.tree_map(lambda part: part.clone(memory_format=torch.contiguous_format), tree)


class Program(nn.Module):
    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Begin(Program):
    """tokens_BT → logits_BV of what comes next, and the state to go on from."""

    def forward(self, tokens_BT: Tensor) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model(tokens_BT)
        return logits_BTV[:, -1].clone(), whole(state)


class Step(Program):
    """(token_B1, state) → the same after one more token."""

    def forward(self, token_B1: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model(token_B1, state)
        return logits_B1V[:, -1].clone(), whole(state)


class Encode(Program):
    """source_BS → memory."""

    def forward(self, source_BS: Tensor) -> Any:
        return whole(self.model.encode(source_BS))


class Decode(Program):
    """(target_BT, memory) → logits_BV of what comes next, and the state to go on from."""

    def forward(self, target_BT: Tensor, memory: Any) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model.decode(target_BT, memory)
        return logits_BTV[:, -1].clone(), whole(state)


class DecodeStep(Program):
    """(token_B1, memory, state) → the same after one more token."""

    def forward(self, token_B1: Tensor, memory: Any, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model.decode(token_B1, memory, state)
        return logits_B1V[:, -1].clone(), whole(state)
