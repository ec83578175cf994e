"""Scores of translations by sacrebleu (Post 2018), so that they compare with the literature's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TranslationScores:
    """BLEU (Papineni et al. 2002) and chrF (Popović 2015), 0 to 100; sacrebleu's signatures record the settings."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str


def score_translations(translations: list[str], references: list[str]) -> TranslationScores:
    """Return corpus scores of plain (detokenised) texts, with one reference each."""
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    return TranslationScores(
        bleu=float(bleu.corpus_score(translations, [references]).score),
        chrf=float(chrf.corpus_score(translations, [references]).score),
        bleu_signature=str(bleu.get_signature()),
        chrf_signature=str(chrf.get_signature()),
    )
