"""Does it pay that one stack reads and another writes? A translator beside a decoder alone of as many parameters.

A decoder alone reads the source as the beginning of its own text, causally: no word of the source sees a later one.

Shapes: N sentences, S source tokens, T target tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from quartet.findings.attention.figures import dots_in_panels, training
from quartet.findings.attention.sentences import Pairs, in_double, losses, padded, pairs
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.seeds import Runs, by_seed, gain, side_by_side, values_of
from quartet.types import UNK

METRICS = {"test/bleu": "test BLEU", "test/loss": "test loss, nats per token"}
NAMES = {"both": "encoder and decoder", "alone": "decoder alone"}


def reading_and_writing(runs: Runs, *, sentences: int) -> Measured:
    """Compare translators with encoder and decoder (`both`) with decoders `alone`; see that the writer reads and cannot
    peek.

    Args:
        runs: translators, by the keys of `NAMES`.
        sentences: how many of the test split are read with other sources, and how many searched for peeking.
    """
    group = side_by_side(runs, *NAMES)
    chosen = pairs(group["both"][0].data, "test", count=sentences)
    numbers = in_metrics(group)
    for name, suffix in (("both", ""), ("alone", "_alone")):
        peeks = by_seed(group[name], lambda run: peeking(run.model, chosen))
        about = "largest relative change of a prediction when later words of the translation change"
        numbers[f"peeking{suffix}"] = Number(peeks, f"{about}, {NAMES[name]}")
        costs = by_seed(group[name], lambda run: other_source_costs(run.model, chosen))
        about = "nats per token that another sentence's source costs the translation"
        numbers[f"other_source_costs{suffix}"] = Number(costs, f"{about}, {NAMES[name]}")
    scores = {
        label: {NAMES[name]: values_of(group[name], metric) for name in NAMES} for metric, label in METRICS.items()
    }
    figures = {
        "two_stacks": dots_in_panels(
            scores, title="Encoder and decoder beside a decoder alone of as many parameters", paired=True
        ),
        "training": training({NAMES[name]: group[name] for name in NAMES}),
    }
    return Measured(numbers, figures)


def in_metrics(group: Mapping[str, Sequence[Trained]]) -> dict[str, Number]:
    """Return the differences of the metrics, seed by seed, and the relations of the sizes."""
    bleu, loss = (gain(group["both"], group["alone"], metric.removeprefix("test/")) for metric in METRICS)
    size, work = (
        np.array([getattr(run, of) for run in group["alone"]]) / [getattr(run, of) for run in group["both"]]
        for of in ("parameters", "flops")
    )
    return {
        "bleu_both_minus_alone": Number(bleu, "test BLEU, encoder and decoder less a decoder alone"),
        "loss_both_minus_alone": Number(loss, "test loss in nats per token, encoder and decoder less a decoder alone"),
        "parameters_alone_by_both": Number(size, "parameters of the decoder alone, as a multiple"),
        "operations_alone_by_both": Number(work, "operations of a training sample in the decoder alone, as a multiple"),
    }


@torch.no_grad()
def peeking(model: Any, chosen: Pairs) -> float:
    """Return the largest change of logits, over their root mean square, at places before a change of the target.

    The second half of each target is replaced by UNK. 0 for a causal decoder but for rounding, in double precision.
    """
    double, largest = in_double(model), 0.0
    for source, target in zip(chosen.sources, chosen.targets, strict=True):
        half = len(target) // 2
        changed = [*target[:half], *[UNK] * (len(target) - half)]
        before, after = double(padded([source, source]), padded([target[:-1], changed[:-1]]))[:, :half]
        largest = max(largest, ((after - before).abs().max() / before.square().mean().sqrt()).item())
    return largest


def other_source_costs(model: Any, chosen: Pairs) -> np.ndarray:
    """Return what the loss of each target rises by when the next sentence's source is read, nats per token (N,)."""
    others = [*chosen.sources[1:], chosen.sources[0]]
    return losses(model, others, chosen.targets) - losses(model, chosen.sources, chosen.targets)
