from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quartet.tasks import Language
from quartet.tasks.language import openings, token_lengths
from quartet.tasks.task import add
from quartet.types import Evidence, QuartetError

CPU = torch.device("cpu")


class Fixed(nn.Module):
    """The same probabilities always."""

    def __init__(self, p: list[float]) -> None:
        super().__init__()
        self.p = torch.tensor(p, dtype=torch.float64)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self.p.log().expand(*tokens.shape, -1), state


class Subwords:
    """Ids 4, 5 and 6 are "a", "bc" and " def"; a leading space is lost, as some tokenizers do."""

    WORDS = ("", "", "", "\ufffd", "a", "bc", " def")

    def encode(self, text: str) -> list[int]:
        return [4] * len(text)

    def decode(self, ids: list[int]) -> str:
        return "".join(self.WORDS[i] for i in ids).removeprefix(" ")


def language(**changes: Any) -> Language:
    settings: dict[str, Any] = {"prompts": ["the cat", "o"], "tokens": 6, "temperature": 0.8, "top_p": 0.9, "seed": 0}
    return Language(**settings | changes)


def test_a_token_is_as_long_as_its_text() -> None:
    assert token_lengths(Subwords(), 7).tolist() == [0, 0, 0, 1, 1, 2, 4]


def test_bits_per_character_by_hand() -> None:
    task = language()
    task.lengths_V = token_lengths(Subwords(), 7)
    model = Fixed([0.0625, 0.0625, 0.0625, 0.0625, 0.5, 0.125, 0.125])
    tokens = torch.tensor([[1, 4, 5, 6], [6, 6, 6, 4]])
    scored = torch.tensor([[True, True, True], [False, False, True]])
    batch = {"tokens": tokens, "scored": scored, "count": 4}
    metrics = task.summarize(task.measure(model, batch))
    bits, characters = 1 + 3 + 3 + 1, 1 + 2 + 4 + 1
    assert metrics["bits_per_character"] == pytest.approx(bits / characters)
    assert metrics["loss"] == pytest.approx(bits * math.log(2) / 4)
    assert metrics["perplexity"] == pytest.approx(2 ** (bits / 4))
    assert task.loss(model, batch).item() == pytest.approx(bits * math.log(2))


def test_sums_add(text: Any, assert_adds: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    task = language()
    net = recipe("rnn", cell="gru", dropout=0.0)
    model = task.build(net, text).double().eval()
    first, second = text.batches("test")
    whole = {key: torch.cat((first[key], second[key])) for key in ("tokens", "scored")}
    assert_adds(task, model, whole | {"count": first["count"]}, 1, 50, len(whole["tokens"]) - 51)


def test_evaluation_writes_on(text: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    task = language()
    model = task.build(recipe("rnn", cell="lstm", dropout=0.5), text)
    evidence = task.evaluate(model, text, device=CPU)
    assert evidence.metrics["bits_per_character"] == pytest.approx(evidence.metrics["loss"] / math.log(2))
    assert evidence.texts["characters"] == evidence.texts["scored_tokens"] == text.manifest["characters"]["test"]
    completions = evidence.texts["completions"]
    assert [one["prompt"] for one in completions] == ["the cat", "o"]
    assert all(len(one["continuation"]) == 6 for one in completions)
    assert task.evaluate(model, text, device=CPU).texts["completions"] == completions


def test_prompts_that_are_not_given_come_from_what_is_read(text: Any, recipe: Callable[..., Any]) -> None:
    task = language(prompts=None)
    model = task.build(recipe("rnn", cell="gru", dropout=0.0), text)
    prompts = [one["prompt"] for one in task.evaluate(model, text, device=CPU).texts["completions"]]
    read = [text.tokenizer.decode(row.tolist()) for batch in text.batches("test") for row in batch["tokens"]]
    assert len(prompts) == len(set(prompts)) == 4
    assert set(prompts) <= set(read)  # letters without a space between them


def test_a_prompt_is_of_whole_words() -> None:
    class Sentences:
        def decode(self, ids: list[int]) -> str:
            return ["ing went to the market today", "x", "日本語には空白がない" * 9][ids[0]]

    class Read:
        tokenizer = Sentences()

        def batches(self, split: str) -> list[dict[str, Tensor]]:
            assert split == "val"
            return [{"tokens": torch.tensor([[0], [1], [2], [0]])}]

    assert openings(Read(), "val") == ["went to the market", "x", ("日本語には空白がない" * 9)[:40]]


def test_the_characters_that_the_data_counted_are_taken(text: Any, recipe: Callable[..., Any]) -> None:
    task = language(prompts=["a"], tokens=1)
    text.manifest["characters"]["test"] *= 2
    model = task.build(recipe("rnn", cell="plain", dropout=0.0), text)
    metrics = task.evaluate(model, text, device=CPU).metrics
    assert metrics["bits_per_character"] == pytest.approx(metrics["loss"] / math.log(2) / 2)


def test_impossible_sampling_is_refused() -> None:
    with pytest.raises(QuartetError, match="top_p=0"):
        language(top_p=0)


def test_the_guess_is_a_net_that_knows_frequencies_alone(text: Any) -> None:
    task = language(prompts=["a"], tokens=1)
    task.lengths_V = token_lengths(text.tokenizer, 31)
    text.splits["train"] = text.splits["test"][:1]
    (batch,) = text.splits["train"]
    count = 1 + batch["tokens"][:, 1:][batch["scored"]].bincount(minlength=31).double()
    sums: dict[str, Tensor] = {}
    for read in text.batches("test"):
        sums = add(sums, task.measure(Fixed((count / count.sum()).tolist()), read))
    evidence = Evidence(task.summarize(sums), {}, {"characters": int(sums["characters"])})
    guess = task.guess(text, evidence)
    assert guess["value"] == pytest.approx(evidence.metrics[guess["metric"]])
