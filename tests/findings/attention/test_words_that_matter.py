"""Heads are removed, weights replaced, influences compared; the rule hears of attention that ignores the words."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from findings.attention.toys import Pairs, found, seeds, settings, taught, translator
from running import recipe

from quartet.findings import Measured, Verdict
from quartet.findings.attention import words_that_matter
from quartet.findings.attention.heads import attending_by_distance, by_distance, watched, without_head
from quartet.findings.attention.influence import attention, closeness, gradients, leaving_out, rank_correlation
from quartet.findings.attention.sentences import encoded, losses, pairs
from quartet.findings.attention.words_that_matter import most_needed
from quartet.types import QuartetError

DATA = Pairs(keyed=True)


@cache
def moving() -> Any:
    """A translator that moves letters on by a key, which stands anywhere: every letter must find it."""
    return taught(translator(), keyed=True, steps=350)


def indifferent() -> Any:
    """The same translator, but its encoder attends to all words alike."""
    model = copy.deepcopy(moving())
    with torch.no_grad():
        qkv = model.get_submodule("encoder.blocks.0.attend.qkv").weight
        qkv[: 2 * qkv.shape[1]] = 0.0
    return model


def measured(model: Any) -> Measured:
    return words_that_matter({"net": seeds(model, DATA)}, **settings("T3") | {"sentences": 40, "shown": ["a1bcd"]})


def test_attention_that_ignores_the_words_flips_the_verdict() -> None:
    assert found("T3", measured(moving())) is Verdict.HOLDS
    assert found("T3", measured(indifferent())) is not Verdict.HOLDS


def test_a_head_without_an_output_costs_nothing_and_hooks_leave_no_trace() -> None:
    model, chosen = copy.deepcopy(moving()), pairs(DATA, "test", count=8)
    with torch.no_grad():
        out = model.get_submodule("encoder.blocks.0.attend.out").weight
        out[:, out.shape[1] // 2 :] = 0.0
    before = losses(model, chosen.sources, chosen.targets)
    with without_head(model, 0, 1):
        np.testing.assert_allclose(losses(model, chosen.sources, chosen.targets), before)
    with without_head(model, 0, 0):
        assert not np.allclose(losses(model, chosen.sources, chosen.targets), before)
    assert np.array_equal(losses(model, chosen.sources, chosen.targets), before)


def test_weights_by_distance_are_means_and_replace_those_of_a_net_that_has_no_others() -> None:
    chosen = pairs(DATA, "test", count=12)
    model = translator(position="none")
    with torch.no_grad():
        model.get_submodule("encoder.blocks.0.attend.qkv").weight[:48] = 0.0  # uniform: 1 / tokens, at each distance
    one = [chosen.sources[0]] * 2
    (pattern,) = by_distance(model, one)
    assert pattern.shape == (2, 2 * len(one[0]) - 1)
    torch.testing.assert_close(pattern, torch.full_like(pattern, 1 / len(one[0])))
    before, _ = encoded(model, chosen.sources)
    _, mask = encoded(model, chosen.sources)
    with attending_by_distance(model, by_distance(model, chosen.sources)):
        after, _ = encoded(model, chosen.sources[:1])
    torch.testing.assert_close(after[0], before[0][mask[0]], rtol=0.1, atol=0.1)


def test_attention_is_rolled_out_over_the_layers() -> None:
    model, source = translator(layers=2), [4, 5, 6, 7, 2]
    with watched(model) as seen:
        encoded(model, [source])
    assert [a.shape for a in seen] == [(1, 2, 5, 5)] * 2
    eye = torch.eye(5)
    first, second = ((a[0].mean(0) + eye) / 2 for a in seen)
    rolled, layers = attention(model, source)
    np.testing.assert_allclose(rolled, (second @ first)[:4, :4].numpy(), rtol=1e-5)
    assert [a.shape for a in layers] == [(2, 4, 4)] * 2


def test_gradients_are_the_norms_of_jacobians() -> None:
    model, source = translator(), [4, 5, 6, 7, 2]
    x = model.get_submodule("vocabulary")(torch.tensor([source])).detach()
    encoder = model.get_submodule("encoder")
    jacobian = torch.autograd.functional.jacobian(lambda x: encoder(x, torch.ones(1, 5, dtype=torch.bool)), x)
    exact = jacobian[0, :, :, 0].pow(2).sum((1, 3)).sqrt()[:4, :4].numpy()
    found = gradients(model, source)
    np.testing.assert_allclose(found, exact, rtol=0.6)
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


def test_a_word_that_nobody_attends_to_can_be_left_out() -> None:
    model, source = translator(layers=1), [4, 5, 6, 7, 2]
    moved = leaving_out(model, source)
    assert moved.shape == (4, 4)
    assert (moved > 0).all()
    with torch.no_grad():
        model.get_submodule("encoder.blocks.0.attend.out").weight.zero_()
    assert not leaving_out(model, source).any()


def test_rank_correlations_are_spearmans_over_other_words() -> None:
    first = np.array([[9.0, 1.0, 2.0, 3.0], [1.0, 9.0, 2.0, 3.0], [1.0, 2.0, 9.0, 3.0], [1.0, 2.0, 3.0, 9.0]])
    assert rank_correlation(first, first**3) == pytest.approx(1.0)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)
    second = np.array([[0.0, 1.0, 3.0, 2.0], *first[1:]])
    assert rank_correlation(first, second) == pytest.approx((0.5 + 3) / 4)
    assert rank_correlation(first, np.ones((4, 4))) == 0.0
    assert closeness(3).tolist() == [[0, -1, -2], [-1, 0, -1], [-2, -1, 0]]


def test_the_most_needed_head_is_measured_on_other_sentences_than_chose_it() -> None:
    cost = np.zeros((1, 1, 2, 4))
    cost[0, 0, 0] = [5.0, 1.0, 5.0, 2.0]
    cost[0, 0, 1] = [1.0, 9.0, 1.0, 9.0]
    assert most_needed(cost).tolist() == [1.5]


def test_a_net_without_self_attention_is_refused() -> None:
    recurrent = translator(recipe("rnn", width=16, heads=2, layers=1))
    with pytest.raises(QuartetError, match="RNNEncoder: has no self-attention to look into"):
        measured(recurrent)
