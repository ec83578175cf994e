from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quartet.tasks.decoding import beam_search, greedy_search, length_penalty_of, sample, top_p_filter, write_on
from quartet.types import BOS, EOS, Tokens

SPECIFICATION = Tokens(vocabulary=7, context=8)
CPU = torch.device("cpu")


def sharpened(model: nn.Module) -> nn.Module:
    """Random weights answer nearly alike everywhere; larger ones have opinions."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.7)
    return model.double().eval()


@pytest.fixture(params=["rnn", "transformer", "cnn"])
def translator(request: pytest.FixtureRequest, recipe: Callable[..., Any]) -> nn.Module:
    torch.manual_seed(3)
    return sharpened(recipe(request.param).translator(SPECIFICATION))


@pytest.fixture
def source() -> Tensor:
    return torch.tensor([[4, 5, 6, 2], [6, 6, 2, 0], [5, 2, 0, 0], [4, 4, 5, 2]])


def every_text(limit: int) -> list[list[int]]:
    """All texts of the letters 4, 5, 6 with room for EOS."""
    return [list(text) for length in range(limit) for text in itertools.product((4, 5, 6), repeat=length)]


def log_p(model: Any, source_S: Tensor, text: list[int]) -> float:
    tokens = torch.tensor([[BOS, *text, EOS]])
    scores = model(source_S[None], tokens[:, :-1]).log_softmax(-1)
    return scores[0].gather(1, tokens[0, 1:, None]).sum().item()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(translator: Any, source: Tensor, alpha: float) -> None:
    limit = torch.tensor([4, 3, 4, 2])
    found, score = beam_search(translator, source, limit_B=limit, beam=200, length_penalty=alpha)
    for i in range(len(source)):
        own = source[i][source[i] != 0]
        ranked = {
            tuple(text): log_p(translator, own, text) / length_penalty_of(len(text) + 1.0, alpha)
            for text in every_text(int(limit[i]))
        }
        best = max(ranked, key=ranked.__getitem__)
        assert tuple(found[i]) == best
        assert score[i].item() == pytest.approx(ranked[best], abs=1e-9)


def test_a_beam_of_one_is_greedy(translator: Any, source: Tensor) -> None:
    limit = torch.tensor([12, 9, 3, 12])
    greedy = greedy_search(translator, source, limit_B=limit)
    for alpha in (0.0, 1.0):
        assert beam_search(translator, source, limit_B=limit, beam=1, length_penalty=alpha)[0] == greedy
    assert all(len(text) < bound for text, bound in zip(greedy, limit.tolist(), strict=True))


def test_sentences_do_not_disturb_each_other(translator: Any, source: Tensor) -> None:
    limit = torch.tensor([12, 9, 3, 12])
    together, _ = beam_search(translator, source, limit_B=limit, beam=4, length_penalty=0.6)
    for i in range(len(source)):
        own = source[i][source[i] != 0][None]
        alone, _ = beam_search(translator, own, limit_B=limit[i : i + 1], beam=4, length_penalty=0.6)
        assert alone == [together[i]]


def test_length_penalty_is_that_of_the_paper() -> None:
    assert length_penalty_of(1.0, 0.6) == pytest.approx(1.0)
    assert length_penalty_of(7.0, 0.6) == pytest.approx(2.0**0.6)


def test_top_p_keeps_the_smallest_sufficient_set() -> None:
    p = torch.tensor([[0.1, 0.5, 0.15, 0.25]], dtype=torch.float64)
    torch.testing.assert_close(top_p_filter(p, 0.7), torch.tensor([[0, 2 / 3, 0, 1 / 3]], dtype=torch.float64))
    torch.testing.assert_close(top_p_filter(p, 0.76)[0] > 0, torch.tensor([False, True, True, True]))
    torch.testing.assert_close(top_p_filter(p, 1.0), p)
    torch.testing.assert_close(top_p_filter(p, 0.01), torch.tensor([[0, 1.0, 0, 0]], dtype=torch.float64))


def test_temperature_sharpens_and_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0]).expand(4000, 3)

    def shares(temperature: float) -> Tensor:
        drawn = sample(logits, temperature=temperature, top_p=1.0, generator=torch.Generator().manual_seed(0))
        return drawn.bincount(minlength=3) / len(drawn)

    torch.testing.assert_close(shares(0.5), (logits[0] * 2).softmax(0), atol=0.03, rtol=0)
    assert shares(0.0).tolist() == [0, 0, 1]


@pytest.mark.parametrize("family", ["rnn", "transformer", "cnn"])
def test_writing_side_by_side_equals_writing_alone(family: str, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(1)
    model = sharpened(recipe(family).language_model(SPECIFICATION))
    prompts = [[4, 5], [6], [5, 5, 6, 4]]

    def write(some: list[list[int]], context: int) -> list[list[int]]:
        draw = torch.Generator().manual_seed(0)
        return write_on(model, some, tokens=10, context=context, temperature=0.0, top_p=1.0, generator=draw, device=CPU)

    together = write(prompts, 100)
    for prompt, text in zip(prompts, together, strict=True):
        assert write([prompt], 100) == [text]
        whole = model(torch.tensor([[*prompt, *text]]))[0][0, len(prompt) - 1 : -1]
        whole[:, :4] = float("-inf")
        assert whole.argmax(-1).tolist() == text


def test_a_growing_state_starts_afresh_within_the_context(recipe: Callable[..., Any]) -> None:
    torch.manual_seed(1)
    seen: list[int] = []

    class Watched(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model, self.held = model, 0

        def forward(self, tokens: Tensor, state: Any = None) -> Any:
            self.held = tokens.shape[1] + (0 if state is None else self.held)
            seen.append(self.held)
            return self.model(tokens, state)

    def write(model: nn.Module) -> int:
        seen.clear()
        draw = torch.Generator().manual_seed(0)
        (text,) = write_on(
            Watched(model), [[4, 5]], tokens=30, context=8, temperature=1.0, top_p=1.0, generator=draw, device=CPU
        )
        assert len(text) == 30
        return max(seen)

    assert write(recipe("transformer").language_model(SPECIFICATION).eval()) == 8
    assert write(recipe("rnn").language_model(SPECIFICATION).eval()) == 31


def test_a_seed_writes_the_same_text_again(recipe: Callable[..., Any]) -> None:
    torch.manual_seed(1)
    model = recipe("rnn").language_model(SPECIFICATION).eval()

    def write(seed: int) -> list[list[int]]:
        draw = torch.Generator().manual_seed(seed)
        return write_on(model, [[4]], tokens=20, context=8, temperature=1.0, top_p=0.9, generator=draw, device=CPU)

    assert write(5) == write(5) != write(6)
