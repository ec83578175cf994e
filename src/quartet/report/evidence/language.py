"""Show evidence of language modelling: the net's continuations of prompts."""

from __future__ import annotations

from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.run import Run
from quartet.report.table import missing


def panels(run: Run, *, family: str) -> Markup:
    """Return the completions of a language run."""
    completions = run.texts.get("completions") or []
    if not completions:
        return missing("The completions are missing.")
    passages = [
        _passage(str(completion.get("prompt", "")), str(completion.get("continuation", "")))
        for completion in completions
    ]
    return join(
        tag("h4", "How it writes on"),
        tag("p", _how(run), class_="note"),
        tag("div", passages, class_=f"pages {family}"),
    )


def _how(run: Run) -> str:
    """Return a sentence on how the text was sampled."""
    sampling = run.texts.get("sampling") or {}
    text = "The coloured words were given; the rest is the net's, the first it wrote."
    known = [name for name in ("temperature", "top_p", "seed") if name in sampling]
    named = [f"{name.replace('_', '-')} {sampling[name]}" for name in known]
    return text + (f" Drawn with {', '.join(named)}." if named else "")


def _passage(prompt: str, continuation: str) -> Markup:
    """Return a prompt and its continuation."""
    return tag("figure", tag("blockquote", tag("b", prompt), continuation), class_="passage")
