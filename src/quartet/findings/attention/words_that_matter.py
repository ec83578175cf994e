"""Does self-attention learn which words matter to which? Heads removed, weights replaced, attention beside influence.

That heads can be removed: Michel et al. (2019), Voita et al. (2019). That attention need not agree with influence: Jain
and Wallace (2019).

Shapes: S seeds, N sentences, K layers, H heads.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from quartet.findings.attention.figures import dots_in_panels
from quartet.findings.attention.heads import attending_by_distance, by_distance, layers_of, without_head
from quartet.findings.attention.influence import attention, closeness, gradients, leaving_out, rank_correlation
from quartet.findings.attention.maps import head_costs, maps
from quartet.findings.attention.sentences import Pairs, losses, pairs
from quartet.findings.finding import Measured, Number
from quartet.findings.seeds import Runs, by_seed, one_a_seed

CORRELATIONS = {
    "attention_and_leaving_out": "attention and leaving a word out",
    "attention_and_gradient": "attention and gradient",
    "closeness_and_leaving_out": "closeness and leaving a word out",
}


def words_that_matter(runs: Runs, *, sentences: int, shown: Sequence[str]) -> Measured:
    """Measure what an encoder's attention is worth to the translation, and whether it says what influences what.

    Args:
        runs: Transformers that translate, as "net".
        sentences: how many of the test split are used; the validation split's are for the patterns by distance.
        shown: sentences whose attention the first seed's map shows, the first of them.
    """
    group = one_a_seed(runs, "net")
    chosen = pairs(group[0].data, "test", count=sentences)
    fitted = pairs(group[0].data, "val", count=sentences)
    cost_SKHN = by_seed(group, lambda run: removal_costs(run.model, chosen))
    agreed = [agreements(run.model, chosen) for run in group]
    found = {name: np.array([agreement[name] for agreement in agreed]) for name in CORRELATIONS}
    mixed = by_seed(group, lambda run: agreement_by_chance(run.model, chosen))
    distance = by_seed(group, lambda run: replacement_costs(run.model, chosen, fitted))
    labelled = {label.replace(" and ", "\nand "): found[name].mean(1) for name, label in CORRELATIONS.items()}
    figures = {
        "heads": head_costs(cost_SKHN.mean(-1)),
        "map": maps(group[0], shown[0]),
        "agreement": dots_in_panels(
            {"Spearman's rank correlation": labelled}, title="Attention beside what influences a word"
        ),
    }
    return Measured(of_heads(cost_SKHN, distance) | of_agreement(found, mixed), figures)


def of_heads(cost_SKHN: np.ndarray, distance_SN: np.ndarray) -> dict[str, Number]:
    """Return what the encoder's heads and their weights are worth to the translation."""
    needed = (
        "nats per token that the encoder's most needed head costs when it is removed; chosen on one half of the "
        "sentences, measured on the other"
    )
    idle = "share of the encoder's heads whose removal costs less than 0.01 nats per token"
    fixed = "nats per token that fixed weights, the mean of each distance, cost the translation"
    return {
        "attending_by_distance_costs": Number(distance_SN, fixed),
        "most_needed_head_costs": Number(most_needed(cost_SKHN), needed),
        "heads_not_needed": Number((cost_SKHN.mean(-1) < 0.01).mean((1, 2)), idle),
    }


def of_agreement(found: Mapping[str, np.ndarray], mixed_SN: np.ndarray) -> dict[str, Number]:
    """Return how well attention and influence agree, and how that compares with closeness and with mixed weights."""
    left_out = found["attention_and_leaving_out"]
    return {
        **{name: Number(found[name], f"rank correlation over the other words, {CORRELATIONS[name]}") for name in found},
        "attention_minus_closeness": Number(
            left_out - found["closeness_and_leaving_out"],
            "rank correlation with leaving a word out, attention's less that of closeness in the sentence",
        ),
        "learned_minus_mixed": Number(
            left_out - mixed_SN,
            "rank correlation of attention and leaving a word out, less that of the same net with mixed weights",
        ),
    }


def removal_costs(model: Any, chosen: Pairs) -> np.ndarray:
    """Return what each target's loss rises by when a head of the encoder is removed, (K, H, N)."""
    before = losses(model, chosen.sources, chosen.targets)
    costs = []
    for layer, attend in enumerate(layers_of(model)):
        for head in range(attend.heads):
            with without_head(model, layer, head):
                costs.append(losses(model, chosen.sources, chosen.targets) - before)
    return np.array(costs).reshape(layer + 1, -1, len(chosen))


def most_needed(cost_SKHN: np.ndarray) -> np.ndarray:
    """Return the mean cost of the head that costs most, (S,): chosen on the even sentences, its cost that on the odd.

    The largest of several means is too large for the sentences that chose it.
    """
    flat = cost_SKHN.reshape(len(cost_SKHN), -1, cost_SKHN.shape[-1])
    head_S = flat[..., ::2].mean(-1).argmax(1)
    odd = flat[..., 1::2] if flat.shape[-1] > 1 else flat
    return odd.mean(-1)[np.arange(len(flat)), head_S]


def replacement_costs(model: Any, chosen: Pairs, fitted: Pairs) -> np.ndarray:
    """Return what each target's loss rises by when attention depends on distance alone, (N,)."""
    before = losses(model, chosen.sources, chosen.targets)
    with attending_by_distance(model, by_distance(model, fitted.sources)):
        return losses(model, chosen.sources, chosen.targets) - before


def agreements(model: Any, chosen: Pairs) -> dict[str, np.ndarray]:
    """Return the rank correlations of `CORRELATIONS`, (N,) each."""
    found: dict[str, list[float]] = {name: [] for name in CORRELATIONS}
    for source in chosen.sources:
        weight_LL, left_out_LL = attention(model, source)[0], leaving_out(model, source)
        found["attention_and_leaving_out"].append(rank_correlation(weight_LL, left_out_LL))
        found["attention_and_gradient"].append(rank_correlation(weight_LL, gradients(model, source)))
        found["closeness_and_leaving_out"].append(rank_correlation(closeness(len(source) - 1), left_out_LL))
    return {name: np.array(values) for name, values in found.items()}


def agreement_by_chance(model: Any, chosen: Pairs) -> np.ndarray:
    """Return the rank correlation of attention and leaving a word out, (N,), of the model with mixed weights."""
    mixed = with_mixed_weights(model)
    both = ((attention(mixed, source)[0], leaving_out(mixed, source)) for source in chosen.sources)
    return np.array([rank_correlation(weight_LL, left_out_LL) for weight_LL, left_out_LL in both])


def with_mixed_weights(model: Any) -> Any:
    """Return a copy of the model with the entries of each matrix in a random order: as large, with nothing learned."""
    mixed, generator = copy.deepcopy(model), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in mixed.parameters():
            if weight.ndim > 1:
                order = torch.randperm(weight.numel(), generator=generator)
                weight.copy_(weight.flatten()[order].view_as(weight))
    return mixed
