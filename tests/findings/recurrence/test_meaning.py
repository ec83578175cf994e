"""R2: a net that reads the order of words, a bag of words, and the sentences themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from findings.recurrence.toys import pairs_data, ruled, run, runs, same
from running import recipe
from torch import Tensor, nn

from quartet.data import DataModule
from quartet.findings import Measured, Verdict
from quartet.findings.recurrence import meaning
from quartet.findings.recurrence.meaning import counts, embeddings, last_states, nearness, states, tokens_of
from quartet.findings.recurrence.sentences import ARTICLE, Triple, triples
from quartet.types import EOS, PAD

LEARNED = [ARTICLE, *triples(400, seed=1)]
SETTINGS: dict[str, Any] = {"triples": 120, "seed": 0}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> DataModule:
    return pairs_data(tmp_path_factory.mktemp("pairs"), LEARNED)


def translator(data: DataModule, family: str = "rnn", seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    small = {"dropout": 0.0, "layers": 1, "width": 32, "heads": 2, **changes}
    return recipe(family, **small).translator(data.inputs)


def taught(data: DataModule, seed: int, *, wrong: Sequence[str] = ()) -> Any:
    """An RNN that has been shown what is alike: of other triples, those that mean the same.

    In the patterns that are `wrong` it was shown that the scramble is alike.
    """
    alike_N = torch.tensor([int(triple.pattern in wrong) for triple in LEARNED])
    model = translator(data, seed=seed)
    tokens_BL = tokens_of(run(model, data), LEARNED)
    optimizer, draw = torch.optim.Adam(model.parameters(), lr=0.01), torch.Generator().manual_seed(seed)
    for _ in range(140):
        chosen = torch.randint(len(LEARNED), (32,), generator=draw)
        read_BL = tokens_BL.view(len(LEARNED), 3, -1)[chosen].flatten(0, 1)
        mask_BL = read_BL != PAD
        states_BLD = model.encoder(model.vocabulary(read_BL), mask_BL) * mask_BL[..., None]
        vectors_N3D = F.normalize(states_BLD.sum(1), dim=1).unflatten(0, (-1, 3))
        cosine_N2 = (vectors_N3D[:, :1] * vectors_N3D[:, 1:]).sum(2)
        loss = F.cross_entropy(cosine_N2 / 0.1, alike_N[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


class Bag(nn.Module):
    """An encoder that leaves each word as it is."""

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        return x_BLD


def bag(data: DataModule, seed: int) -> Any:
    model = translator(data, seed=seed)
    model.encoder = Bag()
    return model


def measured(data: DataModule, make: Any) -> Measured:
    return meaning(
        {
            "rnn": runs(lambda seed: make(data, seed), data),
            "transformer": runs(lambda seed: translator(data, "transformer", seed), data),
            "untrained": runs(lambda seed: translator(data, seed=seed), data),
        },
        **SETTINGS,
    )


def test_a_net_that_knows_what_is_alike_holds(pairs: DataModule) -> None:
    found = measured(pairs, taught)
    assert ruled("R2", found) is Verdict.HOLDS
    assert "The fluffy cat came here on Sunday" in found.texts["The article's sentences"]


def test_a_bag_of_words_does_not_hold(pairs: DataModule) -> None:
    """It cannot tell a scramble from the sentence itself."""
    found = measured(pairs, bag)
    assert np.mean(found.numbers["paraphrase_nearer_rnn"].values) < 0.05
    assert ruled("R2", found) is Verdict.DOES_NOT
    same(found, measured(pairs, bag))


def test_a_net_far_below_a_coin_does_not_hold(pairs: DataModule) -> None:
    """It is right in one pattern of four, which is far more than a bag of words or an untrained net."""
    wrong = ("the article's", "who came on a day", "who is where", "who does what to whom")
    found = measured(pairs, lambda data, seed: taught(data, seed, wrong=wrong))
    share = {name: np.mean(found.numbers[f"paraphrase_nearer_{name}"].values) for name in ("rnn", "bag", "untrained")}
    assert max(share["bag"], share["untrained"]) + 0.1 < share["rnn"] < 0.4
    for other in ("bag", "untrained"):
        assert np.mean(found.numbers[f"rnn_minus_{other}"].values) == pytest.approx(share["rnn"] - 0.5)
        assert "coin's 0.5" in found.numbers[f"rnn_minus_{other}"].about
    assert ruled("R2", found) is Verdict.DOES_NOT


def test_last_states_have_read_the_whole_sentence(pairs: DataModule) -> None:
    """Each direction's has, and padding adds nothing."""
    model = translator(pairs)
    one = run(model, pairs)
    alone, together = last_states(one, LEARNED[:1]), last_states(one, LEARNED[:9])
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)
    tokens_1L = torch.tensor([[*pairs.tokenizer.encode(ARTICLE.sentence), EOS]])
    with torch.no_grad():
        x_1LD = model.vocabulary(tokens_1L)
        ahead, back = model.encoder.ahead[0](x_1LD)[0][0, -1], model.encoder.back[0](x_1LD.flip(1))[0][0, -1]
    np.testing.assert_allclose(alone[0, 0], torch.cat((ahead, back)), atol=1e-6)


def test_an_encoder_is_read_without_its_padding(pairs: DataModule) -> None:
    one = run(translator(pairs), pairs)
    alone, together = states(one, LEARNED[:1]), states(one, LEARNED[:9])
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)
    of_words = run(bag(pairs, 0), pairs)
    np.testing.assert_allclose(states(of_words, LEARNED[:3]), embeddings(of_words, LEARNED[:3]), atol=1e-6)


def test_counts_are_those_of_tokens(pairs: DataModule) -> None:
    (vector_V,) = counts(run(translator(pairs), pairs), LEARNED[:1])[:, 0]
    ids = pairs.tokenizer.encode(ARTICLE.sentence)
    assert vector_V.sum() == len(ids) + 1
    assert all(vector_V[i] == times for i, times in Counter(ids).items())


def test_nearness_is_the_cosine_of_centred_vectors() -> None:
    vectors_132 = np.array([[[2.0, 1.0], [3.0, 1.0], [1.0, 1.0]]])
    np.testing.assert_allclose(nearness(vectors_132), [[0.0, 0.0]])
    vectors_132 = np.array([[[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]]])
    np.testing.assert_allclose(nearness(vectors_132), [[1.0, -1.0]])


def words(text: str) -> Counter[str]:
    return Counter(text.lower().replace(",", "").rstrip(".").split())


def test_triples_are_many_different_and_of_their_kind() -> None:
    made = triples(600, seed=0)
    assert made == triples(600, seed=0)
    assert len({triple.sentence for triple in made}) == 600
    assert set(Counter(triple.pattern for triple in made).values()) == {150}
    for triple in made:
        assert_of_its_kind(triple)


def test_the_articles_triple_is_of_the_kind() -> None:
    assert_of_its_kind(ARTICLE)


def assert_of_its_kind(triple: Triple) -> None:
    """A scramble has the sentence's words, but for an article; a paraphrase has all that carry meaning, and others."""
    sentence, paraphrase, scramble = (words(text) for text in triple[:3])
    assert sum(((sentence - scramble) + (scramble - sentence)).values()) <= 1, triple
    assert triple.sentence != triple.scramble
    small = Counter({"the": 1, "a": 2, "is": 1, "has": 2, "and": 1})
    assert not sentence - paraphrase - small - doing(sentence), triple
    assert paraphrase - sentence, triple


def doing(sentence: Counter[str]) -> Counter[str]:
    """The verbs that a passive changes."""
    return Counter(word for word in sentence if word.endswith("ing"))
