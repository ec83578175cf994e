"""Read a text through its data module, and put parts of it to language models.

Shapes: N windows, L length, T tokens of a split, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from quartet.types import BOS, EOS, PAD, UNK, QuartetError

ROWS = 16  # windows that a model reads at once: their logits fit into a small machine


def held_out(data: Any, split: str) -> Tensor:
    """Return the tokens of "val" or "test" in order, (T,) int64, from batches of overlapping windows."""
    parts: list[Tensor] = []
    for batch in data.batches(split):
        if not parts:
            parts.append(batch["tokens"][0, :1])
        parts.append(batch["tokens"][:, 1:][batch["scored"]])
    return torch.cat(parts)


def training_windows(data: Any) -> Tensor:
    """Return the windows of an epoch of the training text, (N, L + 1): each token is a target once."""
    due, found = data.examples["train"], []
    for batch in data.batches("train"):
        found.append(batch["tokens"][:due])
        due -= len(found[-1])
        if not due:
            break
    return torch.cat(found)


def windows(tokens_T: Tensor, *, count: int, length: int) -> Tensor:
    """Return `count` windows that are spread evenly over the text, (N, length); they overlap in a short text.

    Raises QuartetError for a text that is shorter than a window.
    """
    room = len(tokens_T) - length
    if room < 0:
        raise QuartetError(
            f"the text has {len(tokens_T)} tokens, a window of the measurement {length}; measure shorter windows"
        )
    start_N = torch.linspace(0, room, count, dtype=torch.float64).round().long()
    return tokens_T[start_N[:, None] + torch.arange(length)]


def losses(logits_NLV: Tensor, target_NL: Tensor) -> Tensor:
    """Return −log p of each target, nats, (N, L) float64."""
    return -log_probabilities(logits_NLV).gather(-1, target_NL[..., None])[..., 0]


def log_probabilities(logits: Tensor) -> Tensor:
    """Return log p over the last dimension in double precision: small differences of two predictions stay exact."""
    return logits.double().log_softmax(-1)


@torch.no_grad()
def step_losses(model: Any, tokens_NL: Tensor) -> Tensor:
    """Return the loss of each token but the first, nats, (N, L − 1), read one token at a time.

    A model that is only given the past cannot look at what it has to predict.
    """
    found, state = [], None
    for place in range(tokens_NL.shape[1] - 1):
        logits_N1V, state = model(tokens_NL[:, place : place + 1], state)
        found.append(losses(logits_N1V, tokens_NL[:, place + 1 : place + 2]))
    return torch.cat(found, 1)


@torch.no_grad()
def write_on(
    model: Any, prompts: Sequence[Sequence[int]], *, tokens: int, temperature: float, seed: int
) -> list[list[int]]:
    """Return `tokens` drawn tokens after each prompt; all prompts have one length. A seed writes the same texts."""
    generator = torch.Generator().manual_seed(seed)
    fed_NL, state, drawn = torch.tensor([list(prompt) for prompt in prompts]), None, []
    for _ in range(tokens):
        logits_NLV, state = model(fed_NL, state)
        logits_NV = logits_NLV[:, -1].double() / temperature
        logits_NV[:, [PAD, BOS, EOS, UNK]] = -torch.inf
        fed_NL = torch.multinomial(logits_NV.softmax(-1), 1, generator=generator)
        drawn.append(fed_NL)
    return torch.cat(drawn, 1).tolist()
