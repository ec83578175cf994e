"""Show evidence of translation: sentences with their references, and attention maps.

Shape suffixes: H heads, T target tokens, S source tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quartet.report.drawing.diagram import heat_map
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.picture import image, shade
from quartet.report.run import Run
from quartet.report.table import missing

if TYPE_CHECKING:
    import numpy as np

MAX_SENTENCES, MAX_MAPS, MAX_TOKENS = 12, 4, 40


def panels(run: Run, *, family: str) -> Markup:
    """Return all evidence of a translation run."""
    return join(_translations(run), _attention(run, family))


def _translations(run: Run) -> Markup:
    """Return sentences with source, reference and the net's translation."""
    translations = run.texts.get("translations") or []
    if not translations:
        return missing("The translations are missing.")
    search = run.texts.get("search") or {}
    text = "Sentences drawn before anything was translated, so none of them is chosen."
    text += f" Beam search keeps {search['beam']} at a time." if "beam" in search else ""
    signature = run.texts.get("bleu_signature")
    return join(
        tag("h4", "Translations"),
        tag("p", text, class_="note"),
        [_pair(translation) for translation in translations[:MAX_SENTENCES]],
        tag("p", "BLEU as ", tag("code", signature), class_="note") if signature else None,
    )


def _pair(translation: dict[str, Any]) -> Markup:
    """Return one sentence with its translations; the greedy one only where it differs."""
    lines = [("Source", "source", None), ("Reference", "reference", None), ("System", "beam", "system")]
    if translation.get("greedy") not in (None, translation.get("beam")):
        lines.append(("Greedy", "greedy", "greedy"))
    terms = [
        join(tag("dt", name), tag("dd", translation[key], class_=style))
        for name, key, style in lines
        if translation.get(key) is not None
    ]
    return tag("div", tag("dl", terms), class_="pair")


def _attention(run: Run, family: str) -> Markup:
    """Return the attention maps of some sentences."""
    arrays, sentences = run.arrays, run.texts.get("attention") or []
    found = [(arrays[f"attention_{i}"], tokens) for i, tokens in enumerate(sentences) if f"attention_{i}" in arrays]
    if not found:
        return missing("The attention maps are missing.")
    text = (
        "A row is a word piece as it was written, a column one of the source; the stronger the colour, the more it was "
        "looked at. Large is the mean over heads, small is each head."
    )
    maps = [_map(weights_HTS, tokens, family) for weights_HTS, tokens in found[:MAX_MAPS]]
    return join(tag("h4", "Attention"), tag("p", text, class_="note"), maps)


def _map(weights_HTS: np.ndarray, tokens: dict[str, list[str]], family: str) -> Markup:
    """Return one sentence's attention `(H, T, S)`: the mean over heads large, each head small."""
    weights_HTS = weights_HTS[:, :MAX_TOKENS, :MAX_TOKENS]
    _, t, s = weights_HTS.shape
    rows = _names(tokens["target_tokens"], t)
    columns = _names(tokens["source_tokens"], s)
    title = f"Attention from {' '.join(rows)} to {' '.join(columns)}"
    mean = heat_map(weights_HTS.mean(0).tolist(), rows=rows, columns=columns, title=title, family=family, cell=18)
    heads = [
        tag("figure", image(shade(head), alt=f"Head {h + 1}", width=max(5, 96 // s) * s),
            tag("figcaption", f"head {h + 1}"))
        for h, head in enumerate(weights_HTS)
    ]  # fmt: skip
    body = tag("div", mean, tag("div", heads, class_="maps heads"), class_="heats")
    return tag("div", body, class_="scroll", tabindex=0, role="region", aria_label=title)


def _names(tokens: list[str], count: int) -> list[str]:
    """Return `count` names of tokens, a visible mark for a token that is only a space."""
    return [str(token).strip() or "␣" for token in [*tokens, *[" "] * count][:count]]
