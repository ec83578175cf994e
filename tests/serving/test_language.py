"""A text written token by token: what the whole-sequence computation gives, each token at the same cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import nn

from quartet import roles
from quartet.data.loading.tokenizer import train_tokenizer
from quartet.description import describe
from quartet.methods.flops import count_flops
from quartet.nets import RNN
from quartet.tasks.decoding import write_on
from quartet.types import Tokens

Make = Callable[..., tuple[nn.Module, Any]]
CONTEXT = 16
FAMILIES = [("rnn", {}), ("rnn", {"cell": "gru"}), ("cnn", {}), ("transformer", {})]
FAMILIES += [("transformer", {"position": "learned"}), ("transformer", {"position": "sinusoidal"})]


def greedy(tokens: int) -> dict[str, Any]:
    return {"tokens": tokens, "temperature": 0.0}


def written(writer: Any, prompt: list[int], **params: Any) -> list[int]:
    return list(writer._write(list(prompt), writer.params | params))


@pytest.mark.parametrize(("family", "changes"), FAMILIES)
@pytest.mark.parametrize("length", [1, 5, CONTEXT, 2 * CONTEXT + 3])
def test_the_stream_is_what_the_whole_sequence_gives(
    family: str, changes: dict[str, Any], length: int, make: Make
) -> None:
    model, writer = make(family, "language", **changes)
    prompt = [4 + 7 * i % 270 for i in range(length)]
    found = written(writer, prompt, **greedy(3 * CONTEXT))
    text = [*prompt, *found]
    start = 0
    for place in range(1, len(text)):
        if writer.grows and place - start > CONTEXT:  # attention begins again from half a context
            start = place - CONTEXT // 2
        if place >= length:
            logits = model(torch.tensor([text[start:place]]))[0][0, -1]
            logits[:4] = -torch.inf
            assert text[place] == int(logits.argmax())


@pytest.mark.parametrize("family", ["rnn", "cnn", "transformer"])
def test_it_writes_what_the_evaluation_writes(family: str, make: Make) -> None:
    model, writer = make(family, "language")

    def evaluated(prompt: list[int], temperature: float) -> list[int]:
        return write_on(
            model, [prompt], tokens=40, context=CONTEXT, temperature=temperature, top_p=0.9,
            generator=torch.Generator().manual_seed(3), device=torch.device("cpu"),
        )[0]  # fmt: skip

    ask = {"tokens": 40, "top_p": 0.9, "seed": 3}
    assert written(writer, [9, 8, 7], **ask, temperature=0.0) == evaluated([9, 8, 7], 0.0)
    assert written(writer, [9], **ask, temperature=0.8) == evaluated([9], 0.8)


@pytest.mark.parametrize("family", ["rnn", "cnn", "transformer"])
def test_a_token_costs_the_same_however_long_the_text(family: str, make: Make) -> None:
    _, writer = make(family, "language")
    stream = writer._write([9], writer.params | greedy(241))
    costs = [count_flops(lambda: next(stream)) for _ in range(241)]
    whole = count_flops(lambda: writer.begin(torch.tensor([[9] * CONTEXT])))
    assert costs[1] > 0
    if family == "transformer":  # keys of up to a context; now and then half a context is read again
        assert max(costs) <= whole
        assert sum(costs[151:241]) == pytest.approx(sum(costs[1:91]), rel=0.1)
    else:
        assert set(costs[1:]) == {costs[1]}
        assert costs[1] < whole / 4


def test_writing_does_not_wait_for_the_end(make: Make) -> None:
    _, writer = make("rnn", "language")
    calls = []
    step = writer.step

    def counted(*given: Any) -> Any:
        calls.append(given)
        return step(*given)

    writer.step = counted
    stream = writer.stream("the cat", {"tokens": 5_000, "temperature": 1.0})
    assert not calls
    next(stream)
    assert len(calls) < 50
    stream.close()


@pytest.mark.parametrize("prompt", ["the cat", "Käse", "", "😀"])
def test_pieces_make_the_text_of_the_tokens(prompt: str, make: Make) -> None:
    _, writer = make("rnn", "language")
    ids = writer.tokenizer.encode(prompt).ids
    ask = {"tokens": 300, "temperature": 2.0, "top_p": 1.0}
    text = prompt + "".join(writer.stream(prompt, ask))
    assert text == writer.tokenizer.decode([*ids, *written(writer, ids, **ask)])
    assert writer.predict(None, [prompt], ask) == [text]


def small_rnn(cell: Literal["gru", "lstm"], *, width: int) -> RNN:
    """Return a net of one layer, without dropout."""
    return RNN(
        cell=cell,
        width=width,
        layers=1,
        residual=False,
        heads=2,
        dropout=0.0,
        spectral=False,
        tie_embeddings=False,
    )


def test_no_character_is_cut(tmp_path: Any) -> None:
    """A net that has learned by heart a text whose characters are several tokens each."""
    text = "ä€😀ñ漢字 ¿qué? "
    learned = train_tokenizer([text], kind="subword", vocabulary=260)  # the single bytes
    learned.save(tmp_path / "tokenizer.json")
    tokens = Tokens(vocabulary=260, context=64)
    torch.manual_seed(0)
    model = small_rnn("gru", width=64).language_model(tokens)
    ids = torch.tensor([learned.encode(text * 4)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(ids[:, :-1])[0][0], ids[0, 1:]).backward()
        optimizer.step()
    described = describe(role="language", outputs=tokens, tokenizer=tmp_path / "tokenizer.json")
    role = roles.find("language")
    writer = role.predictor(described, role.programs(model.eval()))
    after = text[2:] + text
    pieces = list(writer.stream(text[:2], greedy(len(after.encode()))))
    assert pieces == list(after)
    cut = "".join(writer.stream(text[:2], greedy(2)))
    assert cut == "\ufffd"  # asked to end in the middle of a character


def test_characters_that_are_tokens(tmp_path: Any) -> None:
    learned = train_tokenizer(["aä€😀 "], kind="character", vocabulary=20)
    learned.save(tmp_path / "tokenizer.json")
    tokens = Tokens(vocabulary=learned.vocabulary, context=8)
    described = describe(role="language", outputs=tokens, tokenizer=tmp_path / "tokenizer.json")
    role = roles.find("language")
    writer = role.predictor(described, role.programs(small_rnn("lstm", width=8).language_model(tokens).eval()))
    pieces = list(writer.stream("a?", {"tokens": 30, "temperature": 1.0}))
    assert len(pieces) == 30
    assert set(pieces) <= set("aä€😀 ")
    assert len(set(pieces)) > 1


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"temperature": -1.0}, "temperature: -1.0 given"),
        ({"temperature": float("nan")}, "temperature: nan given"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": None}, "top_p: None given"),
        ({"tokens": 0}, "tokens: 0 given"),
        ({"tokens": 10**9}, "tokens"),
        ({"seed": 10**30}, "seed"),
    ],
)
def test_params_that_make_no_sense_are_refused(params: dict[str, Any], said: str, make: Make) -> None:
    from mlflow.exceptions import MlflowException

    _, writer = make("rnn", "language")
    with pytest.raises(MlflowException, match=said) as caught:
        writer.stream("the cat", params)
    assert caught.value.get_http_status_code() == 400
