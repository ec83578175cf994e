"""Two stacks are compared with a decoder alone, and the rule hears of a decoder that peeks or does not read."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from findings.attention.toys import Pairs, found, seeds, settings, taught, translator
from running import recipe
from torch import Tensor, nn

from quartet.findings import Verdict
from quartet.findings.attention import reading_and_writing
from quartet.findings.attention.reading_and_writing import peeking
from quartet.findings.attention.sentences import pairs

DATA = Pairs(keyed=False)


class Peeking(nn.Module):
    """A translator whose decoder also sees the word after each."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        logits: Tensor = self.model(source, target)
        return logits + 0.01 * logits.roll(-1, 1)


class Deaf(Peeking):
    """A translator that writes whatever the source is."""

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.model(source.clamp(max=4), target)  # type: ignore[no-any-return]


@cache
def copying() -> nn.Module:
    return taught(translator(), keyed=False, steps=120)


@cache
def alone() -> nn.Module:
    return translator(
        recipe("transformer", _target_="quartet.nets.DecoderOnlyTransformer", width=24, heads=2, layers=2)
    )


def verdict_of(both: nn.Module, *, bleu: float) -> Verdict:
    runs = {"both": seeds(both, DATA, bleu=bleu, loss=2.0), "alone": seeds(alone(), DATA, bleu=17.0, loss=2.2)}
    return found("T4", reading_and_writing(runs, **settings("T4") | {"sentences": 48}))


@pytest.mark.parametrize("model", [copying, alone])
def test_no_net_of_ours_peeks(model: Any) -> None:
    chosen = pairs(DATA, "test", count=8)
    assert peeking(model(), chosen) < 1e-12
    assert peeking(Peeking(model()), chosen) > 1e-3


def test_parameters_and_operations_are_compared() -> None:
    runs = {"both": seeds(copying(), DATA, bleu=20.0, loss=2.0), "alone": seeds(alone(), DATA, bleu=17.0, loss=2.2)}
    numbers = reading_and_writing(runs, sentences=4).numbers
    sizes = [sum(weight.numel() for weight in model().parameters()) for model in (alone, copying)]
    assert list(numbers["parameters_alone_by_both"].values) == pytest.approx([sizes[0] / sizes[1]] * 3)
    assert list(numbers["operations_alone_by_both"].values) == [1.0] * 3


def test_a_decoder_that_peeks_or_does_not_read_flips_the_verdict() -> None:
    assert verdict_of(copying(), bleu=20.0) is Verdict.HOLDS
    assert verdict_of(Peeking(copying()), bleu=20.0) is Verdict.DOES_NOT
    assert verdict_of(Deaf(copying()), bleu=20.0) is Verdict.DOES_NOT


def test_a_decoder_alone_that_is_as_good_flips_the_verdict() -> None:
    assert verdict_of(copying(), bleu=17.2) is Verdict.DOES_NOT
