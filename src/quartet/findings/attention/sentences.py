"""Take sentence pairs from a run's data, and judge its translator on them.

Shapes: N sentences, B sentences at a time, S source tokens, T target tokens, D width, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.types import BOS, EOS, PAD, QuartetError

Ids = list[int]
AT_ONCE = 64  # sentences


@dataclass(frozen=True)
class Pairs:
    """Sources, which end with EOS, and their targets, from BOS to EOS."""

    sources: list[Ids]
    targets: list[Ids]

    def __len__(self) -> int:
        return len(self.sources)


def pairs(data: Any, split: str, *, count: int, words: tuple[int, int] = (4, 30)) -> Pairs:
    """Return the first `count` pairs of a split, in its own order, whose source has so many tokens (least, most).

    EOS is not counted. There may be fewer; QuartetError where there is none.
    """
    rows: list[tuple[int, Ids, Ids]] = []
    for batch in data.batches(split):
        sides = (unpadded(batch["source"]), unpadded(batch["target"]))
        rows += zip(batch["index"].tolist(), *sides, strict=True)
    chosen = [row for row in sorted(rows) if words[0] < len(row[1]) <= words[1] + 1][:count]
    if not chosen:
        raise QuartetError(f"{split}: no source has {words[0]} to {words[1]} tokens; take other data")
    return Pairs([source for _, source, _ in chosen], [target for _, _, target in chosen])


def padded(rows: Sequence[Ids]) -> Tensor:
    """Return rows of ids as one tensor, padded with PAD at the end."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def unpadded(tokens_BL: Tensor) -> list[Ids]:
    """Return the rows of a tensor without PAD."""
    return [[token for token in row if token != PAD] for row in tokens_BL.tolist()]


@torch.no_grad()
def losses(model: Any, sources: Sequence[Ids], targets: Sequence[Ids]) -> np.ndarray:
    """Return -log p of each target, given its source and the true tokens before: nats per token, (N,)."""
    found = []
    for start in range(0, len(sources), AT_ONCE):
        source_BS, target_BT = (padded(rows[start : start + AT_ONCE]) for rows in (sources, targets))
        logits_BTV = model(source_BS, target_BT[:, :-1])
        due_BT = target_BT[:, 1:]
        loss_BT = F.cross_entropy(logits_BTV.transpose(1, 2), due_BT, ignore_index=PAD, reduction="none")
        found.append((loss_BT.double().sum(1) / (due_BT != PAD).sum(1)).numpy())
    return np.concatenate(found)


@torch.no_grad()
def encoded(model: Any, sources: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """Return the encoder's outputs y_BSD and mask_BS, True at real tokens."""
    source_BS = padded(sources)
    mask_BS = source_BS != PAD
    return model.encoder(model.vocabulary(source_BS), mask_BS), mask_BS


@torch.no_grad()
def written(model: Any, source: Ids, *, limit: int) -> Ids:
    """Return the translation of a source, the likeliest token at each step until EOS or `limit` tokens."""
    memory, state, text = model.encode(torch.tensor([source])), None, [BOS]
    while len(text) <= limit:
        logits_1TV, state = model.decode(torch.tensor([text[-1:]]), memory, state)
        text.append(int(logits_1TV[0, -1].argmax()))
        if text[-1] == EOS:
            break
    return [token for token in text if token not in (BOS, EOS)]


def in_double(model: nn.Module) -> Any:
    """Return a copy in double precision, so that what is equal but for rounding is equal to many digits."""
    return copy.deepcopy(model).double()
