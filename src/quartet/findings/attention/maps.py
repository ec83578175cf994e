"""Draw the heads of an encoder: what each costs when it is removed, and where each looks in one sentence.

Shapes: S seeds, K layers, H heads, L words.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.attention.influence import attention, gradients, leaving_out
from quartet.findings.drawing import COLOURS, SMALL, literal, panels, plain, reference
from quartet.findings.finding import Trained
from quartet.types import EOS


def head_costs(cost_SKH: np.ndarray) -> Figure:
    """Draw the cost of each head's removal: a dot a seed. Heads have no names, so that each seed's are in order."""
    _, layers, heads = cost_SKH.shape
    title = "What a head of the encoder is worth: loss when it is removed (the most needed first; a line a seed)"
    figure, axes = panels(layers, title=title)
    ordered = np.sort(cost_SKH, axis=-1)[..., ::-1]
    for layer, panel in enumerate(axes):
        about = "" if layer else "loss added, nats per token"
        plain(panel, title=f"layer {layer + 1}", x="head", y=about)
        for seed, value_H in enumerate(ordered[:, layer]):
            panel.plot(np.arange(1, heads + 1), value_H, "o-", ms=4, lw=0.8, color=COLOURS[seed % 5], alpha=0.7)
        reference(panel, y=0.0)
        panel.set_xticks(range(1, heads + 1))
        panel.set_ylim(min(0.0, ordered.min()) - 0.05 * np.ptp(ordered), ordered.max() + 0.05 * np.ptp(ordered) + 1e-9)
    return figure


def maps(run: Trained, sentence: str) -> Figure:
    """Draw, for one sentence, attention rolled out over layers, beside gradient and leaving out; rows sum to 1."""
    tokenizer = run.data.tokenizer
    source = [*tokenizer.encode(sentence), EOS]
    names = [literal(tokenizer.decode([token]).strip()) for token in source[:-1]]
    parts = {
        "attention, all layers": attention(run.model, source)[0],
        "gradient": gradients(run.model, source),
        "leaving the word out": leaving_out(run.model, source),
    }
    figure, axes = panels(len(parts), title="Which word matters to which? (without the word itself; first seed)")
    for panel, (label, matrix_LL) in zip(axes, parts.items(), strict=True):
        plain(panel, title=label).grid(False)
        others = matrix_LL * (1 - np.eye(len(names)))
        panel.imshow(others / others.sum(1, keepdims=True).clip(1e-12), cmap="Purples", vmin=0)
        panel.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=SMALL)
        panel.set_yticks(range(len(names)), names if panel is axes[0] else [], fontsize=SMALL)
    axes[0].set_ylabel("word")
    axes[1].set_xlabel("word that it depends on")
    return figure
