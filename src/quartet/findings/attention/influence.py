"""How much each word of a sentence matters to each other in an encoder, by three measures.

Shapes: L words, E the end of the sentence beside them, H heads, D width, P projections.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from quartet.findings.attention.heads import watched
from quartet.findings.attention.sentences import Ids, encoded
from quartet.types import PAD

PROJECTIONS = 16  # random directions of the gradient's norm: its relative error is about 1 / sqrt(2 × 16)


@torch.no_grad()
def attention(model: Any, source: Ids) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return r_LL, what each word takes from each by the attention of all layers, and each layer's a_HLL.

    It is attention rollout (Abnar and Zuidema 2020): the product over layers of half the mean weights over heads, half
    the word itself, for the residual stream. EOS takes part, and is left out of the result.
    """
    with watched(model) as seen:
        encoded(model, [source])
    whole = torch.eye(len(source), dtype=torch.float64)
    for a_BHLL in seen:
        whole = (a_BHLL[0].double().mean(0) + torch.eye(len(source), dtype=torch.float64)) / 2 @ whole
    return whole[:-1, :-1].numpy(), [a_BHLL[0, :, :-1, :-1].double().numpy() for a_BHLL in seen]


def gradients(model: Any, source: Ids) -> np.ndarray:
    """Return g_LL, the Frobenius norm of the derivative of output i by the embedding of word j.

    Estimated from `PROJECTIONS` random directions v of the output: the mean of |vᵀJ|² is |J|².
    """
    words = len(source) - 1
    generator = torch.Generator().manual_seed(0)
    tokens = torch.tensor([source]).expand(words * PROJECTIONS, -1)
    x_BED = model.vocabulary(tokens).detach().requires_grad_()
    y_BED = model.encoder(x_BED, tokens != PAD)
    place_B = torch.arange(words).repeat_interleave(PROJECTIONS)
    v_PD = torch.randn(PROJECTIONS, y_BED.shape[2], generator=generator).to(y_BED.dtype)
    chosen_BD = y_BED[torch.arange(len(place_B)), place_B]
    (g_BED,) = torch.autograd.grad((chosen_BD * v_PD.repeat(words, 1)).sum(), x_BED)
    squares = g_BED[:, :-1].square().sum(-1).unflatten(0, (words, PROJECTIONS)).mean(1)
    return squares.sqrt().double().numpy()


@torch.no_grad()
def leaving_out(model: Any, source: Ids) -> np.ndarray:
    """Return o_LL, how far output i moves when word j is hidden from all others, in all layers (a Euclidean norm).

    The other words keep their places: leaving one out of the text would also move those behind it.
    """
    words = len(source) - 1
    tokens = torch.tensor([source]).expand(words + 1, -1)
    mask = torch.ones(words + 1, len(source), dtype=torch.bool)
    mask[torch.arange(words), torch.arange(words)] = False
    y_BED = model.encoder(model.vocabulary(tokens), mask)
    moved_LL: Tensor = (y_BED[:-1, :-1] - y_BED[-1:, :-1]).norm(dim=-1)
    return moved_LL.T.double().numpy()


def closeness(words: int) -> np.ndarray:
    """Return c_LL = -|i - j|: what one would guess without a net."""
    place = np.arange(words)
    return -np.abs(place[:, None] - place).astype(float)


def rank_correlation(first_LL: np.ndarray, second_LL: np.ndarray) -> float:
    """Return Spearman's correlation of two matrices over the other words j ≠ i, the mean over the words i.

    A row without differences, in which nothing matters more than the rest, counts as 0. Rounding makes no differences.
    """
    found = []
    for i in range(len(first_LL)):
        a, b = (rankdata(np.round(np.delete(matrix[i], i), 12)) for matrix in (first_LL, second_LL))
        a, b = a - a.mean(), b - b.mean()
        norm = np.sqrt((a @ a) * (b @ b))
        found.append(a @ b / norm if norm > 0 else 0.0)
    return float(np.mean(found))
