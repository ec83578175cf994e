"""Without positions an encoder of self-attention takes a sentence for a set, and the rule hears when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from findings.attention.toys import Pairs, found, seeds, settings, taught, translator
from running import recipe
from torch import nn

from quartet.findings import Measured, Trained, Verdict
from quartet.findings.attention import word_order
from quartet.findings.attention.sentences import losses, pairs, written
from quartet.findings.attention.word_order import changes, shuffled

DATA = Pairs(keyed=False)


@cache
def copying(position: str) -> nn.Module:
    return taught(translator(position=position), keyed=False, steps=120)


def measured(none: nn.Module, bleu: Mapping[str, float]) -> Measured:
    models = {"none": none, "sinusoidal": copying("sinusoidal"), "learned": copying("learned")}
    models["rotary"] = models["sinusoidal"]
    runs: dict[str, list[Trained]] = {
        name: seeds(model, DATA, bleu=bleu.get(name, 20.0), loss=2.0) for name, model in models.items()
    }
    return word_order(runs, **settings("T1") | {"sentences": 48})


@pytest.mark.parametrize("position", ["none", "sinusoidal", "learned", "rotary"])
def test_only_an_encoder_without_positions_permutes_with_the_words(position: str) -> None:
    chosen = pairs(DATA, "test", count=8)
    mixed, orders = shuffled(chosen.sources)
    found = changes(translator(position=position), chosen.sources, mixed, orders)
    assert (found < 1e-12).all() if position == "none" else (found > 1e-2).all()


def test_shuffled_sources_hold_the_same_words_in_another_order() -> None:
    sources = [[4, 5, 6, 7, 2], [9, 8, 7, 6, 5, 2]]
    mixed, orders = shuffled(sources)
    for source, other, order in zip(sources, mixed, orders, strict=True):
        assert other != source
        assert sorted(other) == sorted(source)
        assert other[-1] == 2
        assert [source[i] for i in order] == other


def test_losses_and_texts_are_the_models_own() -> None:
    model, chosen = copying("sinusoidal"), pairs(DATA, "test", count=5)
    alone = [
        float(losses(model, [source], [target])[0])
        for source, target in zip(chosen.sources, chosen.targets, strict=True)
    ]
    np.testing.assert_allclose(losses(model, chosen.sources, chosen.targets), alone, rtol=1e-4)
    assert written(model, chosen.sources[0], limit=12) == chosen.sources[0][:-1]
    assert len(written(translator(), chosen.sources[0], limit=3)) <= 3


def test_an_encoder_that_knows_order_without_an_encoding_flips_the_verdict() -> None:
    bleu = {"none": 10.0}
    assert found("T1", measured(translator(position="none"), bleu)) is Verdict.HOLDS
    recurrent = translator(recipe("rnn", width=16, heads=2, layers=1))
    assert found("T1", measured(recurrent, bleu)) is Verdict.DOES_NOT


def test_encodings_without_a_gain_flip_the_verdict() -> None:
    assert found("T1", measured(translator(position="none"), {"none": 21.0})) is Verdict.IN_PART


def test_two_measurements_give_the_same_bits() -> None:
    first, second = (measured(translator(position="none"), {"none": 10.0}) for _ in range(2))
    assert first.texts == second.texts
    for name, number in first.numbers.items():
        assert np.array_equal(number.values, second.numbers[name].values)
