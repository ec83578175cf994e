"""R1: a net that takes any length, one that refuses some, and one whose state grows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from findings.recurrence.toys import interval, language_model, learn, ruled, run, runs, same
from torch import Tensor, nn

from quartet.data import DataModule
from quartet.findings import Measured, Trained, Verdict
from quartet.findings.recurrence import any_length
from quartet.findings.recurrence.any_length import loss_after, loss_alone, state_size
from quartet.findings.recurrence.text import held_out, losses, training_windows, windows
from quartet.types import QuartetError

SETTINGS: dict[str, Any] = {
    "lengths": [1, 8, 32, 200], "trained": 32, "prompts": 24, "targets": 4, "alone": 24, "tokens": 8,
}  # fmt: skip


def measured(data: DataModule, recurrent: list[Trained], **changes: Any) -> Measured:
    other = runs(lambda seed: language_model(data, "transformer", seed=seed, heads=2), data)
    return any_length({"lstm": recurrent, "transformer": other}, **{**SETTINGS, **changes})


def test_an_lstm_takes_any_length(data: DataModule, learned: list[Trained]) -> None:
    found = measured(data, learned)
    assert ruled("R1", found) is Verdict.HOLDS
    same(found, measured(data, learned))
    assert any("tokens of the test text" in heading for heading in found.texts)


def test_a_net_with_learned_positions_refuses_long_texts_and_does_not_hold(data: DataModule) -> None:
    """It has a position for each token of a window alone, and keeps all that it has read."""

    def fixed(seed: int) -> Any:
        fresh = language_model(data, "transformer", seed=seed, heads=2, position="learned")
        return learn(fresh, data, steps=60)

    recurrent = runs(fixed, data)
    found = measured(data, recurrent, lengths=[1, 8, 16, 200], trained=16)  # 16 and 4 targets are known positions
    blind = math.log(data.inputs.vocabulary)
    assert loss_after(recurrent[0].model, held_out(data, "test")[None, :201], 199, 2) == pytest.approx(blind)
    assert interval(found, "lstm_loss_beyond_training")[0] > 0.05
    assert interval(found, "lstm_state_growth")[0] == 16
    assert ruled("R1", found) in (Verdict.DOES_NOT, Verdict.IN_PART)
    assert any("refused: net.position=learned knows 32 positions" in text for text in found.texts.values())


class Late(nn.Module):
    """A model that knows nothing until it has read two tokens."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.vocabulary = model, model.vocabulary

    def forward(self, tokens_NL: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits_NLV, after = self.model(tokens_NL, state)
        if state is None:
            logits_NLV = torch.cat((torch.zeros_like(logits_NLV[:, :1]), logits_NLV[:, 1:]), 1)
        return logits_NLV, after


def test_a_net_that_is_useless_after_one_word_does_not_hold(data: DataModule, learned: list[Trained]) -> None:
    """The less it knows after one word, the more it gains from the others."""
    found = measured(data, [run(Late(one.model), data, seed=one.seed) for one in learned])
    assert interval(found, "lstm_gain_from_reading")[0] > 0.2
    assert interval(found, "lstm_one_word_minus_unigram")[0] > 0
    assert ruled("R1", found) is Verdict.IN_PART


class Deaf(nn.Module):
    """A model that foretells each token as often as it occurs in training, whatever it reads, of any length."""

    def __init__(self, data: DataModule) -> None:
        super().__init__()
        count_V = training_windows(data)[:, 1:].flatten().bincount(minlength=data.inputs.vocabulary)
        self.logits_V = nn.Parameter((count_V + 1.0).log())

    def forward(self, tokens_NL: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.logits_V.expand(*tokens_NL.shape, -1), torch.zeros(len(tokens_NL), 4)


def test_a_net_that_takes_any_length_by_reading_nothing_does_not_hold(data: DataModule) -> None:
    found = measured(data, runs(lambda seed: Deaf(data), data))
    np.testing.assert_allclose(found.numbers["lstm_gain_from_reading"].values, 0, atol=1e-6)
    np.testing.assert_allclose(found.numbers["lstm_one_word_minus_unigram"].values, 0, atol=1e-6)
    assert ruled("R1", found) is Verdict.DOES_NOT


def test_a_token_alone_is_read_from_an_empty_state(data: DataModule, learned: list[Trained]) -> None:
    tokens_NL = windows(held_out(data, "test"), count=20, length=5)
    expected = np.mean([loss_after(learned[0].model, tokens_NL[:, i : i + 2], 1, 1) for i in range(4)], axis=0)
    np.testing.assert_allclose(loss_alone(learned[0].model, tokens_NL), expected, rtol=1e-5)


def test_targets_alone_are_no_more_than_a_window_of_training(data: DataModule, learned: list[Trained]) -> None:
    same(measured(data, learned, alone=500), measured(data, learned, alone=32))


def test_a_growing_state_is_seen(data: DataModule, learned: list[Trained]) -> None:
    tokens_1L = held_out(data, "test")[None, :20]
    attention = language_model(data, "transformer", heads=2, layers=2).eval()
    assert state_size(attention, tokens_1L) == 2 * 2 * 20 * 24  # keys and values of two blocks
    assert state_size(learned[0].model, tokens_1L) == 2 * 32  # hidden state and cells


def test_held_out_text_is_whole_and_in_order(data: DataModule) -> None:
    tokens_T = held_out(data, "test")
    assert len(tokens_T) == data.manifest["tokens"]["test"] + 1
    text = data.tokenizer.decode(tokens_T.tolist())
    assert len(text) == data.characters["test"]
    assert np.array_equal(tokens_T, np.load(data.folder / "tokens_test.npy"))


def test_training_windows_hold_each_window_once(data: DataModule) -> None:
    found_NL = training_windows(data)
    assert len(found_NL) == data.examples["train"]
    begins = {tuple(row) for row in found_NL[:, :-1].tolist()}
    ends = [row[-1] for row in found_NL.tolist()]
    assert len(begins) > 0.9 * len(found_NL)
    assert len(ends) == len(found_NL)


def test_windows_are_spread_over_the_text() -> None:
    assert windows(torch.arange(10), count=3, length=4).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    with pytest.raises(QuartetError, match="the text has 3 tokens, a window of the measurement 4"):
        windows(torch.arange(3), count=1, length=4)


def test_losses_are_log_probabilities() -> None:
    logits_11V = torch.tensor([[[0.0, math.log(3.0)]]])
    assert losses(logits_11V, torch.tensor([[1]])).item() == pytest.approx(math.log(4 / 3))


def test_the_trained_length_is_one_of_the_lengths(data: DataModule, learned: list[Trained]) -> None:
    with pytest.raises(QuartetError, match=r"measure.trained: 33 is not among measure.lengths"):
        measured(data, learned, trained=33)
