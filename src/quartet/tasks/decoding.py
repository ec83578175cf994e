"""From a model's logits to tokens: sampling, greedy and beam search.

Shapes: B batch (sentences), K beam, N = B × K rows, S source, T tokens so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from quartet.tasks.task import at_least_float
from quartet.types import BOS, EOS, PAD, UNK

NEVER = float("-inf")


# Sampling.


def top_p_filter(probability_BV: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of likeliest tokens with probability `top_p` or more (nucleus; Holtzman et al. 2020)."""
    sorted_BV, order_BV = probability_BV.sort(dim=-1, descending=True, stable=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    kept_BV = sorted_BV.masked_fill(before_BV >= top_p, 0.0)
    kept_BV[:, 0] = sorted_BV[:, 0]
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, kept_BV / kept_BV.sum(-1, keepdim=True))


def sample(logits_BV: Tensor, *, temperature: float, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw one token_B per row from the tempered, filtered distribution; temperature 0 takes the likeliest token."""
    if temperature == 0:
        return logits_BV.argmax(-1)
    # On the CPU, so that a seed writes the same text on every device that computes the same logits.
    probability_BV = top_p_filter((logits_BV.double() / temperature).softmax(-1).cpu(), top_p)
    return torch.multinomial(probability_BV, 1, generator=generator)[:, 0].to(logits_BV.device)


@torch.no_grad()
def write_on(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    tokens: int,
    context: int,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
    device: torch.device,
) -> list[list[int]]:
    """Continue each prompt by `tokens` tokens. All prompts advance together, one token per step, from the state.

    A recurrent net's state has a constant size and serves any length. A cache of attention grows: once it holds a full
    context, it starts again from the last half of one, as the net was never trained on longer texts.
    """
    rows = [list(prompt) or [BOS] for prompt in prompts]
    lengths = [len(row) for row in rows]
    steps = max(lengths) + tokens - 1
    given = torch.full((len(rows), steps + 1), -1, device=device)
    for i, row in enumerate(rows):
        given[i, : len(row)] = torch.tensor(row, device=device)
    text_BT = fed_BT = given[:, :1]
    state, held, size = None, 0, 0
    for step in range(steps):
        logits_BTV, state = model(fed_BT, state)
        logits_BV = at_least_float(logits_BTV[:, -1]).clone()
        logits_BV[:, [PAD, BOS, EOS, UNK]] = NEVER
        drawn_B = sample(logits_BV, temperature=temperature, top_p=top_p, generator=generator)
        next_B = torch.where(given[:, step + 1] >= 0, given[:, step + 1], drawn_B)
        text_BT, fed_BT = torch.cat((text_BT, next_B[:, None]), 1), next_B[:, None]
        held, before, size = held + 1, size, sum(leaf.numel() for leaf in tree_leaves(state))
        if held >= context and size > before:
            fed_BT, state, held, size = text_BT[:, -max(1, context // 2) :], None, max(1, context // 2) - 1, 0
    return [row[start : start + tokens] for row, start in zip(text_BT.tolist(), lengths, strict=True)]


# Search.


def length_penalty_of(length: Tensor | float, alpha: float) -> Any:
    """Return ((5 + length) / 6)^alpha, the divisor of a log-probability (GNMT, Wu et al. 2016, equation 14)."""
    return ((5.0 + length) / 6.0) ** alpha


def select_rows(tree: Any, rows_N: Tensor) -> Any:
    """Return a memory or a state with the batch rows `rows_N`: reordered, repeated or fewer."""
    return tree_map(lambda leaf: leaf.index_select(0, rows_N) if isinstance(leaf, Tensor) else leaf, tree)


def next_log_probabilities(logits_NTV: Tensor) -> Tensor:
    """Return log p_NV of the next token. PAD, BOS and UNK are impossible: no translation holds them."""
    log_p_NV = at_least_float(logits_NTV[:, -1]).log_softmax(-1)
    log_p_NV[:, [PAD, BOS, UNK]] = NEVER
    return log_p_NV


@torch.no_grad()
def greedy_search(model: Any, source_BS: Tensor, *, limit_B: Tensor) -> list[list[int]]:
    """Return the likeliest token at each step until EOS or `limit_B` tokens (EOS included); without BOS and EOS."""
    memory, state = model.encode(source_BS), None
    alive_B = torch.arange(len(source_BS), device=source_BS.device)
    token_B1 = torch.full((len(source_BS), 1), BOS, device=source_BS.device)
    texts: list[list[int]] = [[] for _ in range(len(source_BS))]
    step = 0
    while len(alive_B):
        logits_BTV, state = model.decode(token_B1, memory, state)
        step += 1
        token_B = next_log_probabilities(logits_BTV).argmax(-1)
        (going,) = ((token_B != EOS) & (step < limit_B[alive_B])).nonzero(as_tuple=True)
        for sentence, token in zip(alive_B[going].tolist(), token_B[going].tolist(), strict=True):
            texts[sentence].append(token)
        if len(going) < len(alive_B):
            memory, state, alive_B = select_rows(memory, going), select_rows(state, going), alive_B[going]
        token_B1 = token_B[going, None]
    return texts


@torch.no_grad()
def beam_search(
    model: Any, source_BS: Tensor, *, limit_B: Tensor, beam: int, length_penalty: float
) -> tuple[list[list[int]], Tensor]:
    """Return each sentence's best text (without BOS and EOS) and its score_B: log p / `length_penalty_of`(length with
    EOS).

    The beams are rows of the batch. A finished hypothesis keeps its place, so that a beam of 1 equals greedy search. At
    `limit_B` tokens EOS is the only choice. A sentence leaves the batch when no unfinished hypothesis can beat its
    best, even with certain tokens from here on. With length_penalty >= 0 that changes no result.
    """
    place_K = torch.arange(beam, device=source_BS.device)
    sentence_B = torch.arange(len(source_BS), device=source_BS.device)
    memory, state = select_rows(model.encode(source_BS), sentence_B.repeat_interleave(beam)), None
    beams = Beams(limit_B=limit_B.to(source_BS.device), beam=beam, length_penalty=length_penalty)
    while len(beams.alive_B):
        logits_NTV, state = model.decode(beams.last_N1(), memory, state)
        log_p_BKV = next_log_probabilities(logits_NTV).unflatten(0, (-1, beam))
        parent_BK = beams.extend(log_p_BKV)
        beams.finish()
        going_B, all_go = beams.drop_decided()
        if not all_go:
            memory = select_rows(memory, (going_B[:, None] * beam + place_K).flatten())
        state = select_rows(state, (going_B[:, None] * beam + parent_BK[going_B]).flatten())
    return beams.best_texts, beams.best_B


class Beams:
    """The K hypotheses of each sentence still in the search, and the best finished text of every sentence."""

    def __init__(self, *, limit_B: Tensor, beam: int, length_penalty: float) -> None:
        sentences, device = len(limit_B), limit_B.device
        self.limit_B, self.beam, self.length_penalty = limit_B, beam, length_penalty
        self.alive_B = torch.arange(sentences, device=device)  # sentences still in the search
        self.text_BKT = torch.full((sentences, beam, 1), BOS, device=device)
        self.score_BK = torch.full((sentences, beam), NEVER, dtype=torch.float64, device=device)  # log p; NEVER: free
        self.score_BK[:, 0] = 0.0  # all begin alike, so that only the first counts
        self.ended_B = torch.zeros(sentences, dtype=torch.long, device=device)
        self.best_B = torch.full((sentences,), NEVER, dtype=torch.float64, device=device)
        self.best_texts: list[list[int]] = [[] for _ in range(sentences)]

    def last_N1(self) -> Tensor:
        """Return the newest token of each hypothesis."""
        return self.text_BKT[:, :, -1].reshape(-1, 1)

    def extend(self, log_p_BKV: Tensor) -> Tensor:
        """Replace the hypotheses by the likeliest longer ones, as many as places are free; return their parent_BK."""
        length = self.text_BKT.shape[2]  # with BOS, and no EOS yet
        full_B = length >= self.limit_B[self.alive_B]
        log_p_BKV[..., EOS + 1 :].masked_fill_(full_B[:, None, None], NEVER)
        # A hypothesis has at most `beam` children among the best: only these are added and sorted.
        log_p_BKk, token_BKk = log_p_BKV.topk(min(self.beam, log_p_BKV.shape[2]))
        score_BK, place_BK = (self.score_BK[..., None] + log_p_BKk).flatten(1).topk(self.beam)
        free_B = self.beam - self.ended_B
        taken_BK = torch.arange(self.beam, device=free_B.device) >= free_B[:, None]
        self.score_BK = score_BK.masked_fill(taken_BK, NEVER)
        parent_BK = place_BK // log_p_BKk.shape[2]
        parents_BKT = self.text_BKT.take_along_dim(parent_BK[..., None], 1)
        self.text_BKT = torch.cat((parents_BKT, token_BKk.flatten(1).take_along_dim(place_BK, 1)[..., None]), 2)
        return parent_BK

    def finish(self) -> None:
        """Take out the hypotheses that ended, and keep each sentence's best."""
        length = self.text_BKT.shape[2] - 1
        ends_BK = (self.text_BKT[:, :, -1] == EOS) & (self.score_BK > NEVER)
        final_BK = (self.score_BK / length_penalty_of(length, self.length_penalty)).masked_fill(~ends_BK, NEVER)
        final_B, which_B = final_BK.max(1)
        for i in (final_B > self.best_B[self.alive_B]).nonzero()[:, 0].tolist():
            self.best_texts[int(self.alive_B[i])] = self.text_BKT[i, which_B[i], 1:-1].tolist()
        self.best_B[self.alive_B] = self.best_B[self.alive_B].maximum(final_B)
        self.ended_B = self.ended_B + ends_BK.sum(1)
        self.score_BK = self.score_BK.masked_fill(ends_BK, NEVER)

    def drop_decided(self) -> tuple[Tensor, bool]:
        """Drop sentences whose best text can no longer be beaten; return the rows that stay, and whether all stay."""
        hope_B = self.score_BK.amax(1) / length_penalty_of(self.limit_B[self.alive_B].double(), self.length_penalty)
        (going_B,) = (hope_B > self.best_B[self.alive_B]).nonzero(as_tuple=True)
        all_go = len(going_B) == len(self.alive_B)
        self.text_BKT, self.score_BK = self.text_BKT[going_B], self.score_BK[going_B]
        self.ended_B, self.alive_B = self.ended_B[going_B], self.alive_B[going_B]
        return going_B, all_go
