"""Scores of translations by sacrebleu (Post 2018), so that they compare with the literature's.

Shapes: N sentences; … any leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TranslationScores:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015), 0 to 100; sacrebleu's signatures record the settings.

    `counts` holds what sacrebleu counts in each sentence, as it sums it for a corpus: for `bleu` (N, 10) the lengths of
    translation and reference, then the right and all n-grams; for `chrf` (N, 18) the n-grams of translation, reference
    and both, for each n.
    """

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str
    counts: dict[str, np.ndarray]


def score_translations(translations: list[str], references: list[str]) -> TranslationScores:
    """Return corpus scores of plain (detokenised) texts, with one reference each."""
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    scores, counts = {}, {}
    for name, metric in (("bleu", bleu), ("chrf", chrf)):
        counted: list[Any] = metric._extract_corpus_statistics(translations, [references])  # as its own tests do
        scores[name] = float(metric._aggregate_and_compute(counted).score)
        counts[name] = np.array(counted, dtype=np.int32)
    return TranslationScores(
        **scores,
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
        counts=counts,
    )


def bleu_of(sums: np.ndarray) -> np.ndarray:
    """Return BLEU (…,) from summed counts (…, 10), as sacrebleu does with its smoothing "exp"."""
    written, due = sums[..., 0], sums[..., 1]
    right, all_ = sums[..., 2:6], sums[..., 6:10]
    with np.errstate(divide="ignore", invalid="ignore"):
        smoothed = 100.0 / (2.0 ** np.cumsum(right == 0, -1) * all_)
        precision = np.where(right > 0, 100.0 * right / all_, smoothed)
        brevity = np.where(written < due, np.exp(1 - due / written), 1.0)
        score = brevity * np.exp(np.log(precision).mean(-1))
    possible = (right > 0).any(-1) & (all_ > 0).all(-1)
    return np.where(possible, score, 0.0)


def chrf_of(sums: np.ndarray) -> np.ndarray:
    """Return chrF (…,) from summed counts (…, 18), as sacrebleu does: β = 2, mean over the n that occur."""
    written, due, both = (sums[..., i::3] for i in range(3))
    occurs = (written > 0) & (due > 0)
    count = np.maximum(occurs.sum(-1), 1)
    precision = np.where(occurs, both / np.where(occurs, written, 1), 0.0).sum(-1) / count
    recall = np.where(occurs, both / np.where(occurs, due, 1), 0.0).sum(-1) / count
    return 100 * 5 * precision * recall / np.maximum(4 * precision + recall, 1e-300)
