"""A served translator finds what the evaluation's beam search finds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from quartet.methods.flops import count_flops
from quartet.tasks.decoding import beam_search
from quartet.types import EOS

Make = Callable[..., tuple[nn.Module, Any]]
SENTENCES = ["the cat eats", "a dog", "the dog eats the cat"]


@pytest.mark.parametrize("family", ["rnn", "cnn", "transformer", "alone"])
@pytest.mark.parametrize(("num_beams", "alpha"), [(1, 1.0), (4, 0.6), (7, 0.0)])
def test_it_finds_what_the_evaluation_finds(family: str, num_beams: int, alpha: float, make: Make) -> None:
    model, translator = make(family, "translate")
    params = {"num_beams": num_beams, "length_penalty": alpha, "max_ratio": 1.0, "max_extra": 3}
    for sentence in SENTENCES:
        source = [*translator.tokenizer.encode(sentence).ids, EOS]
        limit_B = torch.tensor([math.ceil(len(source)) + 3])
        (expected,), _ = beam_search(
            model, torch.tensor([source]), limit_B=limit_B, beam=num_beams, length_penalty=alpha
        )
        assert translator._search(source, translator.params | params) == expected
    found = translator.predict(None, SENTENCES, params)
    assert found == [translator.predict(None, sentence, params)[0] for sentence in SENTENCES]


@pytest.mark.parametrize("family", ["rnn", "cnn", "transformer", "alone"])
def test_a_token_costs_the_same_however_long_the_translation(family: str, make: Make) -> None:
    _, translator = make(family, "translate")
    costs: list[float] = []
    step = translator.step

    def counted(*given: Any) -> Any:
        found: list[Any] = []
        costs.append(count_flops(lambda: found.append(step(*given))))
        return found[0]

    translator.step = counted
    translator.predict(None, "the cat eats", {"max_ratio": 0.0, "max_extra": 14, "num_beams": 2})
    assert len(costs) > 8
    assert max(costs) < 1.5 * min(costs)


@pytest.mark.parametrize(
    ("sentence", "params", "said"),
    [
        ("", {}, "0 tokens"),
        (" \n", {}, "0 tokens"),
        ("a " * 100, {}, "1 to 15"),
        ("a dog", {"num_beams": 0}, "beams: 0 given"),
        ("a dog", {"num_beams": 1000}, "1 to 64"),
        ("a dog", {"length_penalty": -0.5}, "length_penalty"),
        ("a dog", {"max_ratio": None}, "max_ratio"),
        (None, {}, "texts, one or more"),
    ],
)
def test_bad_input_is_refused(sentence: Any, params: dict[str, Any], said: str, make: Make) -> None:
    from mlflow.exceptions import MlflowException

    _, translator = make("rnn", "translate")
    with pytest.raises(MlflowException, match=said) as caught:
        translator.predict(None, [sentence], params)
    assert caught.value.get_http_status_code() == 400
