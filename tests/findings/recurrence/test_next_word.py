"""R4: a net that has learned, one that only seems to, as it looks at what it has to predict, and one that has not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from findings.recurrence.toys import interval, language_model, learn, ruled, runs, same, text_data
from torch import Tensor, nn

from quartet.data import DataModule
from quartet.findings import Measured, Trained, Verdict
from quartet.findings.recurrence import next_word
from quartet.findings.recurrence.next_word import mean_characters, share_known, short_bits, whole_words
from quartet.findings.recurrence.text import losses, step_losses
from quartet.types import QuartetError

# Two characters before the next one never tell where in the sentence it is: n-gram models up to order 3 are lost.
AGAIN = "no one sees the fish and the fish sees no one in the sea and so the sea sees no fish. " * 150
SETTINGS: dict[str, Any] = {
    "orders": [1, 2, 3], "windows": 16, "warm": 12, "scored": 16, "opening": 8, "completions": 8, "tokens": 60,
}  # fmt: skip


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> DataModule:
    return text_data(tmp_path_factory.mktemp("again"), AGAIN)


def measured(recurrent: list[Trained]) -> Measured:
    return next_word({"lstm": recurrent}, **SETTINGS)


def test_a_net_that_has_learned_the_text_writes_it(again: DataModule) -> None:
    trained = runs(
        lambda seed: learn(language_model(again, "rnn", seed=seed, width=32), again, steps=170, lr=0.02), again
    )
    found = measured(trained)
    assert ruled("R4", found) is Verdict.HOLDS
    same(found, measured(trained))
    assert next(iter(found.texts)) == "The cat eats …"


class Peeks(nn.Module):
    """A decoder whose features are those of the next word, if it is given with the text."""

    def forward(self, x_NLD: Tensor, memory: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        return torch.cat((x_NLD[:, 1:], torch.zeros_like(x_NLD[:, :1])), 1) * 5, None


def test_a_decoder_that_peeks_gains_nothing(again: DataModule) -> None:
    def peeking(seed: int) -> nn.Module:
        model = language_model(again, "rnn", seed=seed)
        model.decoder = Peeks()
        return model

    tokens_NL = next(iter(again.batches("test")))["tokens"]
    model: Any = peeking(0).eval()
    assert losses(model(tokens_NL)[0][:, :-2], tokens_NL[:, 1:-1]).mean() < 0.1  # it would seem to know the text
    assert step_losses(model, tokens_NL).mean() > 2
    found = measured(runs(peeking, again))
    assert interval(found, "lstm_minus_ngram")[0] > 0
    assert ruled("R4", found) is Verdict.DOES_NOT


def test_a_net_that_has_not_learned_does_not_hold(again: DataModule) -> None:
    assert ruled("R4", measured(runs(lambda seed: language_model(again, "rnn", seed=seed), again))) is Verdict.DOES_NOT


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def classes(letters: int = 1500) -> str:
    """Words of one letter: five classes of letters take turns, and each letter of a class is as likely."""
    draw = random.Random(0)
    return " ".join(draw.choice(LETTERS[i % 5 * 5 : i % 5 * 5 + 5]) for i in range(letters)) + " "


class Smooth(nn.Module):
    """A model that looks at two tokens, as the n-gram model of order 3 does, and knows which letters are alike."""

    def __init__(self, data: DataModule) -> None:
        super().__init__()
        ids = [data.tokenizer.encode(letter)[0] for letter in LETTERS[:25]]
        self.space = data.tokenizer.encode(" ")[0]
        self.space_V = torch.full((data.inputs.vocabulary,), -12.0)
        self.space_V[self.space] = 0.0
        self.after_VV = torch.full((data.inputs.vocabulary,) * 2, -12.0)
        self.after_VV[:, ids] = 0.0
        for i, one in enumerate(ids):
            self.after_VV[one] = -12.0
            self.after_VV[one, [ids[(i // 5 + 1) % 5 * 5 + k] for k in range(5)]] = 0.0

    def forward(self, tokens_NL: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        before_N1 = torch.full_like(tokens_NL[:, :1], self.space) if state is None else state
        before_NL = torch.cat((before_N1, tokens_NL[:, :-1]), 1)
        logits_NLV = torch.where((tokens_NL == self.space)[..., None], self.after_VV[before_NL], self.space_V)
        return logits_NLV, tokens_NL[:, -1:]


def test_a_net_of_short_memory_does_not_hold(tmp_path: Path) -> None:
    """It beats the n-gram models by smoothing alone."""
    data = text_data(tmp_path, classes())
    found = measured(runs(lambda seed: Smooth(data), data))
    assert "order 3" in found.numbers["lstm_minus_ngram"].about
    assert interval(found, "lstm_minus_ngram")[1] < -0.05
    assert interval(found, "lstm_minus_unigram")[1] < -0.5
    assert interval(found, "words_known")[0] > 0.9
    np.testing.assert_allclose(found.numbers["lstm_minus_short_context"].values, 0, atol=1e-6)
    assert ruled("R4", found) is Verdict.IN_PART


def test_a_short_context_is_read_from_an_empty_state(again: DataModule) -> None:
    model: Any = language_model(again, "rnn").eval()
    tokens_NL = next(iter(again.batches("test")))["tokens"][:3, :9]
    expected = sum(step_losses(model, tokens_NL[:, i - 2 : i + 1])[:, -1] for i in range(5, 9)) / np.log(2)
    np.testing.assert_allclose(short_bits(model, tokens_NL, 4, 2), expected, rtol=1e-5)
    with pytest.raises(QuartetError, match=r"measure\.warm: 5 tokens before the scored ones, make it at least 6"):
        short_bits(model, tokens_NL, 4, 6)


def test_steps_lose_what_the_whole_text_loses(again: DataModule) -> None:
    model = language_model(again, "rnn").eval()
    tokens_NL = next(iter(again.batches("test")))["tokens"][:3]
    torch.testing.assert_close(
        step_losses(model, tokens_NL), losses(model(tokens_NL[:, :-1])[0], tokens_NL[:, 1:]), rtol=1e-5, atol=1e-5
    )


def test_words_are_whole() -> None:
    assert whole_words("eats the King's fish, no Mo") == ["the", "king's", "fish", "no"]
    assert share_known(["a the xyz fish b", "a no b"], {"the", "fish", "no"}) == pytest.approx(3 / 4)
    assert share_known([""], {"the"}) == 0.0


def test_characters_of_tokens(again: DataModule) -> None:
    tokens_NL = torch.tensor([again.tokenizer.encode("no one"), again.tokenizer.encode("sees a")])
    assert mean_characters(again.tokenizer, tokens_NL) == 6.0


def test_the_order_is_chosen_on_validation_text(again: DataModule, tmp_path: Path) -> None:
    found = measured(runs(lambda seed: language_model(again, "rnn", seed=seed), again))
    assert "order 3" in found.numbers["lstm_minus_ngram"].about
    net = np.asarray(found.numbers["bits_per_character_lstm"].values)
    ngram = net - np.asarray(found.numbers["lstm_minus_ngram"].values)
    unigram = net - np.asarray(found.numbers["lstm_minus_unigram"].values)
    assert 0.2 < ngram.mean() < unigram.mean() < 4.7
