"""Does word order come from the position encoding? Translators with none, and with three kinds.

Without positions an encoder of self-attention is equivariant: it treats its input as a set, so that shuffled words give
the same outputs, shuffled (Vaswani et al. 2017, section 3.5; Lee et al. 2019). Sinusoids and learned vectors are added
to the embeddings; rotary encodings turn queries and keys instead (Su et al. 2021).

Shapes: N sentences, S source tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quartet.findings.attention.figures import dots_in_panels
from quartet.findings.attention.sentences import AT_ONCE, Ids, Pairs, encoded, in_double, losses, pairs, written
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, gain, of_each, side_by_side, values_of
from quartet.types import EOS

ENCODINGS = ("none", "sinusoidal", "learned", "rotary")


def word_order(runs: Runs, *, sentences: int, shown: Sequence[str]) -> Measured:
    """Measure what shuffled words change in translators with each of `ENCODINGS`, and what each encoding is worth.

    Args:
        runs: translators, by encoding.
        sentences: how many of the test split are shuffled.
        shown: sentences of the same words in other orders, whose translations are shown.
    """
    group = side_by_side(runs, *ENCODINGS)
    chosen = pairs(group["none"][0].data, "test", count=sentences)
    mixed, orders = shuffled(chosen.sources)
    change = of_each(runs, lambda run: changes(run.model, chosen.sources, mixed, orders), ENCODINGS)
    cost = of_each(runs, lambda run: costs(run.model, chosen, mixed), ENCODINGS)
    bleu, loss = ({name: values_of(group[name], metric) for name in group} for metric in ("test/bleu", "test/loss"))
    worth = {"test BLEU": bleu, "test loss, nats per token": loss}
    shuffling = {
        "relative change of the encoder's outputs": {name: change[name].mean(1) for name in change},
        "cost of a shuffled source, nats per token": {name: cost[name].mean(1) for name in cost},
    }
    figures = {
        "encodings": dots_in_panels(worth, title="What a position encoding is worth"),
        "shuffled": dots_in_panels(shuffling, title="What shuffled words change"),
    }
    texts = {"Translations of the first seed": translations(group, shown)}
    return Measured(of_shuffling(change, cost) | of_metrics(group), figures, texts)


def of_shuffling(change: Mapping[str, np.ndarray], cost: Mapping[str, np.ndarray]) -> dict[str, Number]:
    """Return what shuffled words change in the encoder's outputs, and what they cost the translation."""
    about = "relative change of the encoder's outputs, put back in order, when words are shuffled; positions"
    numbers = {"change_none": Number(change["none"].max(1), f"largest {about}: none")}
    numbers |= {f"change_{name}": Number(change[name], f"{about}: {name}") for name in ENCODINGS[1:]}
    about = "nats per token that a shuffled source costs the translation, positions"
    return numbers | {f"shuffling_costs_{name}": Number(cost[name], f"{about}: {name}") for name in ENCODINGS}


def of_metrics(group: Runs) -> dict[str, Number]:
    """Return what each encoding is worth beside none, seed by seed."""
    numbers = {}
    for name in ENCODINGS[1:]:
        numbers[f"bleu_{name}_minus_none"] = Number(
            gain(group[name], group["none"], "bleu"), f"test BLEU, {name} less none"
        )
        about = f"test loss in nats per token, {name} less none"
        numbers[f"loss_{name}_minus_none"] = Number(gain(group[name], group["none"], "loss"), about)
    added = max(("sinusoidal", "learned"), key=lambda name: float(values_of(group[name], "test/bleu").mean()))
    about = f"test BLEU, rotary less {added}, the better of the two that are added to the embeddings"
    return numbers | {"bleu_rotary_minus_added": Number(gain(group["rotary"], group[added], "bleu"), about)}


def shuffled(sources: Sequence[Ids]) -> tuple[list[Ids], list[list[int]]]:
    """Return the sources with their words in another order, EOS still last, and the orders: new place → old place."""
    generator = torch.Generator().manual_seed(0)
    orders = []
    for source in sources:
        order = torch.randperm(len(source) - 1, generator=generator).tolist()
        if order == sorted(order):
            order = order[1:] + order[:1]
        orders.append([*order, len(source) - 1])
    return [[source[i] for i in order] for source, order in zip(sources, orders, strict=True)], orders


def changes(model: Any, sources: list[Ids], mixed: list[Ids], orders: list[list[int]]) -> np.ndarray:
    """Return the relative change of each sentence's outputs y by a shuffled input, put back in order, (N,).

    It is |y(shuffled) - shuffled(y)| / |y|, over positions and features, in double precision: 0 but for rounding for an
    encoder that knows no order.
    """
    double, found = in_double(model), []
    for start in range(0, len(sources), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        straight, (other, _) = encoded(double, sources[part]), encoded(double, mixed[part])
        for y_SD, z_SD, order in zip(straight[0], other, orders[part], strict=True):
            found.append(relative(z_SD[: len(order)], y_SD[order]))
    return np.array(found)


def relative(z_SD: Tensor, y_SD: Tensor) -> float:
    """Return |z - y| / |y|."""
    return ((z_SD - y_SD).norm() / y_SD.norm()).item()


def costs(model: Any, chosen: Pairs, mixed: list[Ids]) -> np.ndarray:
    """Return what the loss of each target rises by when its source is shuffled, nats per token (N,)."""
    return losses(model, mixed, chosen.targets) - losses(model, chosen.sources, chosen.targets)


def translations(group: Mapping[str, Sequence[Trained]], shown: Sequence[str]) -> str:
    """Return the translations of the sentences `shown` by the first seed with each encoding.

    What is longer than the longest sentence of the data is cut, as learned positions end there.
    """
    lines = []
    for sentence in shown:
        lines.append(sentence)
        for name, (run, *_) in group.items():
            tokenizer, longest = run.data.tokenizer, run.data.inputs.context
            source = [*tokenizer.encode(sentence)[: longest - 1], EOS]
            text = written(run.model, source, limit=min(longest, 2 * len(source)))
            lines.append(f"  {name}: {tokenizer.decode(text)}")
    return "\n".join(lines)
