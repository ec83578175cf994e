"""Look into an encoder's self-attention, remove its heads, and replace its weights.

Works on encoders with `blocks`, each with a self-attention `attend` that has `heads`, `weights` and a last map `out`:
the Transformer's. Nothing is changed for good: each context manager takes its hooks out again.

Shapes: K layers, H heads, B sentences, L tokens (T queries, S keys), D width, d = D / H, R distances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from quartet.findings.attention.sentences import AT_ONCE, Ids, encoded
from quartet.types import QuartetError


def layers_of(model: Any) -> list[Any]:
    """Return the encoder's self-attentions, the first layer's first; QuartetError for an encoder without any."""
    found = [block.attend for block in getattr(model.encoder, "blocks", []) if hasattr(block, "attend")]
    if not found:
        raise QuartetError(f"{type(model.encoder).__name__}: has no self-attention to look into; take net=transformer")
    return found


@contextmanager
def watched(model: Any) -> Iterator[list[Tensor]]:
    """Within it, the list gets a_BHTS of each self-attention of the encoder that is computed, layer by layer."""
    seen: list[Tensor] = []

    def note(attend: Any, inputs: Any, options: Any, _: Any) -> None:
        seen.append(attend.weights(*inputs, **options))

    with ExitStack() as stack:
        for attend in layers_of(model):
            stack.callback(attend.register_forward_hook(note, with_kwargs=True).remove)
        yield seen


@contextmanager
def without_head(model: Any, layer: int, head: int) -> Iterator[None]:
    """Within it, one head of the encoder adds nothing (Michel et al. 2019)."""
    attend = layers_of(model)[layer]

    def silence(_: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
        y_BTHd = inputs[0].unflatten(-1, (attend.heads, -1)).clone()
        y_BTHd[..., head, :] = 0.0
        return (y_BTHd.flatten(-2),)

    hook = attend.out.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def by_distance(model: Any, sources: Sequence[Ids]) -> list[Tensor]:
    """Return each layer's mean weight of a key by its distance, (H, R): place R // 2 is the query itself.

    These are fixed patterns, the same for all words, as in Raganato et al. (2020). Distances that do not occur have 0.
    """
    longest = max(map(len, sources))
    reach = 2 * longest - 1
    sums: list[Tensor] = []
    for start in range(0, len(sources), AT_ONCE):
        with watched(model) as seen:
            _, mask_BL = encoded(model, sources[start : start + AT_ONCE])
        place = torch.arange(mask_BL.shape[1])
        far_LL = (place - place[:, None]) + longest - 1
        both_BLL = mask_BL[:, None] & mask_BL[:, :, None]
        for layer, a_BHLL in enumerate(seen):
            if len(sums) <= layer:
                sums.append(torch.zeros(a_BHLL.shape[1] + 1, reach, dtype=torch.float64))
            sums[layer][:-1] += summed(a_BHLL.transpose(0, 1) * both_BLL, far_LL, reach)
            sums[layer][-1:] += summed(both_BLL[None], far_LL, reach)
    return [each[:-1] / each[-1:].clamp(min=1) for each in sums]


def summed(values_HBLL: Tensor, far_LL: Tensor, reach: int) -> Tensor:
    """Return sums (H, R) of values over sentences and over pairs of places at the same distance."""
    flat = values_HBLL.double().sum(1).flatten(1)
    return torch.zeros(len(flat), reach, dtype=torch.float64).index_add_(1, far_LL.flatten(), flat)


@contextmanager
def attending_by_distance(model: Any, patterns: Sequence[Tensor]) -> Iterator[None]:
    """Within it, the encoder's weights depend on distances alone, as `patterns` (H, R) of `by_distance` say."""

    def replace(pattern_HR: Tensor) -> Any:
        def hook(attend: Any, inputs: Any, options: Any, result: Any) -> Any:
            v_BHLd, middle = result[1][1], pattern_HR.shape[1] // 2
            place = torch.arange(v_BHLd.shape[2])
            far_LL = (place - place[:, None] + middle).clamp(0, pattern_HR.shape[1] - 1)
            a_HLL = pattern_HR.to(v_BHLd.dtype)[:, far_LL]
            a_BHLL = a_HLL * options["mask_BL"][:, None, None]
            a_BHLL = a_BHLL / a_BHLL.sum(-1, keepdim=True).clamp(min=1e-9)
            return attend.out((a_BHLL @ v_BHLd).transpose(1, 2).flatten(2)), result[1]

        return hook

    with ExitStack() as stack:
        for attend, pattern_HR in zip(layers_of(model), patterns, strict=True):
            stack.callback(attend.register_forward_hook(replace(pattern_HR), with_kwargs=True).remove)
        yield
