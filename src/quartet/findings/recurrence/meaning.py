"""R2: whether a net's states after a sentence are nearer to those of a paraphrase than to those of a scramble.

Shapes: S seeds, N triples, B sentences, L tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.recurrence.nearness import draw_article, draw_shares
from quartet.findings.recurrence.nets import called
from quartet.findings.recurrence.sentences import ARTICLE, Triple, triples
from quartet.findings.seeds import Runs, by_seed, of_each
from quartet.types import EOS, PAD

ROWS = 128  # sentences that are encoded at once
COIN = 0.5  # how often a coin calls the paraphrase nearer
SHOWN = 8  # triples on the page, the first ones


def meaning(runs: Runs, *, triples: int, seed: int) -> Measured:
    """Measure how often a sentence's vector is nearer to its paraphrase's than to its scramble's.

    `runs`: "rnn", "transformer" and "untrained", translators, whose encoders read the sentences. A vector is the mean
    of the encoder's states over the sentence; that of "bag" is the mean of the rnn's word embeddings, and "counts"
    counts the tokens: both know no order. Nearness is the cosine after the mean of all vectors is taken off.
    Beside a net whose scrambles are nearer, the RNN is compared with a coin: to be less wrong than it is no merit.
    """
    made = some(triples, seed)
    cosines = of_each(runs, lambda run: nearness(states(run, made)), list(runs))  # (S, N, 2)
    cosines["bag"] = by_seed(runs["rnn"], lambda run: nearness(embeddings(run, made)))
    cosines["counts"] = by_seed(runs["rnn"], lambda run: nearness(counts(run, made)))
    nearer = {name: (pair_SN2[:, 1:, 0] > pair_SN2[:, 1:, 1]).astype(float) for name, pair_SN2 in cosines.items()}
    last_SN2 = by_seed(runs["rnn"], lambda run: nearness(last_states(run, made)))[:, 1:]
    numbers = numbers_of(nearer, {name: pair_SN2[:, 0] for name, pair_SN2 in cosines.items()})
    numbers["paraphrase_nearer_rnn_last"] = Number(
        (last_SN2[..., 0] > last_SN2[..., 1]).astype(float),
        "that share, RNN, by the forward state at the sentence's last token and the backward one at its first",
    )
    pattern_N = [triple.pattern for triple in made[1:]]
    article = {name: pair_SN2[:, 0] for name, pair_SN2 in cosines.items()}
    return Measured(
        numbers=numbers,
        figures={
            "shares": draw_shares(nearer, pattern_N),
            "article": draw_article(article),
        },
        texts=shown(made, cosines["rnn"]),
    )


def numbers_of(nearer: Mapping[str, np.ndarray], article: Mapping[str, np.ndarray]) -> dict[str, Number]:
    """Return the numbers from whose paraphrase is nearer (S, N), and the cosines of the article's sentences (S, 2)."""
    numbers = {
        f"paraphrase_nearer_{name}": Number(
            nearer_SN, f"share of triples whose paraphrase is nearer than the scramble, {called(name)}"
        )
        for name, nearer_SN in nearer.items()
    }
    for other in ("untrained", "bag"):
        numbers[f"rnn_minus_{other}"] = Number(
            nearer["rnn"] - np.maximum(nearer[other].mean(1, keepdims=True), COIN),
            f"that share, RNN less {called(other)}, or less a coin's {COIN} where this is more",
        )
    numbers["rnn_minus_transformer"] = Number(
        nearer["rnn"] - nearer["transformer"], f"that share, RNN less {called('transformer')}"
    )
    for name, cosine_S2 in article.items():
        numbers[f"article_margin_{name}"] = Number(
            cosine_S2[:, 0] - cosine_S2[:, 1],
            f"the article's sentences: cosine to paraphrase less that to scramble, {called(name)}",
        )
    return numbers


def some(count: int, seed: int) -> list[Triple]:
    """Return the article's triple and `count` made ones."""
    return [ARTICLE, *triples(count, seed=seed)]


def nearness(vectors_N3D: np.ndarray) -> np.ndarray:
    """Return the cosines of each sentence to its paraphrase and to its scramble, (N, 2), after centring all vectors."""
    centred_N3D = vectors_N3D - vectors_N3D.mean((0, 1))
    unit_N3D = centred_N3D / np.linalg.norm(centred_N3D, axis=2, keepdims=True).clip(1e-12)
    return np.einsum("nd,nkd->nk", unit_N3D[:, 0], unit_N3D[:, 1:])


def tokens_of(run: Trained, made: Sequence[Triple]) -> Tensor:
    """Return the tokens of all sentences in order, three a triple, with EOS as in training, padded: (B, L)."""
    texts = [text for triple in made for text in triple[:3]]
    rows = [[*ids, EOS] for ids in run.data.tokenizer.encode_all(texts)]
    padded_BL = torch.full((len(rows), max(map(len, rows))), PAD)
    for row_L, ids in zip(padded_BL, rows, strict=True):
        row_L[: len(ids)] = torch.tensor(ids)
    return padded_BL


@torch.no_grad()
def states(run: Trained, made: Sequence[Triple]) -> np.ndarray:
    """Return the mean of the encoder's states over each sentence, (N, 3, D)."""
    model: Any = run.model
    parts = []
    for tokens_BL in tokens_of(run, made).split(ROWS):
        mask_BL = tokens_BL != PAD
        parts.append(mean_of(model.encoder(model.vocabulary(tokens_BL), mask_BL), mask_BL))
    return torch.cat(parts).double().unflatten(0, (-1, 3)).numpy()


@torch.no_grad()
def last_states(run: Trained, made: Sequence[Triple]) -> np.ndarray:
    """Return what each direction of the encoder has when it has read the whole sentence, (N, 3, D).

    The first half of the features reads forwards, and has read all at the last token; the other half at the first.
    """
    model: Any = run.model
    parts = []
    for tokens_BL in tokens_of(run, made).split(ROWS):
        mask_BL = tokens_BL != PAD
        x_BLD = model.encoder(model.vocabulary(tokens_BL), mask_BL)
        ahead = x_BLD.shape[2] - x_BLD.shape[2] // 2
        last_BD = x_BLD[torch.arange(len(x_BLD)), mask_BL.sum(1) - 1]
        parts.append(torch.cat((last_BD[:, :ahead], x_BLD[:, 0, ahead:]), 1))
    return torch.cat(parts).double().unflatten(0, (-1, 3)).numpy()


@torch.no_grad()
def embeddings(run: Trained, made: Sequence[Triple]) -> np.ndarray:
    """Return the mean of the model's word embeddings over each sentence, (N, 3, D): a bag of words."""
    tokens_BL = tokens_of(run, made)
    vectors_BD = mean_of(run.model.vocabulary(tokens_BL), tokens_BL != PAD)  # type: ignore[operator]
    return vectors_BD.double().unflatten(0, (-1, 3)).numpy()


def counts(run: Trained, made: Sequence[Triple]) -> np.ndarray:
    """Return how often each token occurs in each sentence, (N, 3, V)."""
    tokens_BL = tokens_of(run, made)
    count_BV = torch.zeros(len(tokens_BL), run.data.inputs.vocabulary, dtype=torch.float64)
    count_BV.scatter_add_(1, tokens_BL, (tokens_BL != PAD).double())
    return count_BV.unflatten(0, (-1, 3)).numpy()


def mean_of(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the mean over the real places, (B, D)."""
    return (x_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True)


def shown(made: Sequence[Triple], cosines_SN2: np.ndarray) -> dict[str, str]:
    """Return the article's sentences and the first made ones with the mean cosines of the RNN."""
    found = {}
    for i, (triple, (same, other)) in enumerate(zip(made[: SHOWN + 1], cosines_SN2.mean(0), strict=False)):
        heading = "The article's sentences" if i == 0 else f"Triple {i}: {triple.pattern}"
        found[heading] = f"{triple.sentence}\n{same:+.2f}  {triple.paraphrase}\n{other:+.2f}  {triple.scramble}"
    return found
