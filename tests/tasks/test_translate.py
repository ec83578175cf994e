from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sacrebleu import corpus_bleu, corpus_chrf
from torch import nn

from quartet.tasks import Translate
from quartet.tasks.scores import score_translations
from quartet.types import QuartetError

CPU = torch.device("cpu")


def translate(**changes: Any) -> Translate:
    search = {"num_beams": 3, "length_penalty": 0.6, "max_ratio": 1.5, "max_extra": 2, "sentences": 2}
    return Translate(**{"label_smoothing": 0.1, "samples": 4, "seed": 0} | search | changes)


@pytest.fixture
def build(recipe: Callable[..., Any]) -> Callable[..., Any]:
    def make(task: Translate, data: Any) -> nn.Module:
        torch.manual_seed(0)
        return task.build(recipe("transformer", layers=1), data).double().eval()

    return make


def test_loss_and_metrics_token_by_token(pairs: Any, build: Callable[..., Any]) -> None:
    task = translate()
    model = build(task, pairs)
    loss, smoothed, right, count = 0.0, 0.0, 0, 0
    for batch in pairs.batches("test"):
        for source, target in zip(batch["source"], batch["target"], strict=True):
            tokens = target[target != 0][None]
            log_p = model(source[source != 0][None], tokens[:, :-1])[0].log_softmax(-1)
            true = log_p.gather(1, tokens[0, 1:, None])[:, 0]
            loss, count = loss - true.sum().item(), count + len(true)
            smoothed -= (0.9 * true + 0.1 * log_p.mean(-1)).sum().item()
            right += (log_p.argmax(-1) == tokens[0, 1:]).sum().item()
    batches = pairs.batches("test")
    sums = [task.measure(model, batch) for batch in batches]
    metrics = task.summarize({name: sums[0][name] + sums[1][name] for name in sums[0]})
    assert count == batches[0]["count"]
    assert metrics["loss"] == pytest.approx(loss / count)
    assert metrics["token_accuracy"] == pytest.approx(right / count)
    assert sum(task.loss(model, batch).item() for batch in batches) == pytest.approx(smoothed)


def test_sums_add(pairs: Any, assert_adds: Any, build: Callable[..., Any]) -> None:
    task = translate()
    first, second = pairs.batches("test")
    whole = {key: torch.cat((first[key], second[key])) for key in ("source", "target")}
    assert_adds(task, build(task, pairs), whole | {"count": first["count"]}, 1, 4, 2)


def test_bleu_and_chrf_are_sacrebleus() -> None:
    found = ["The page margins are set here .", "Opens a dialog", "Nothing at all"]
    due = ["The page margins are set here.", "Opens the dialog", "Everything"]
    scores = score_translations(found, due)
    assert scores.bleu == corpus_bleu(found, [due]).score
    assert scores.chrf == corpus_chrf(found, [due]).score
    assert scores.bleu_signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert scores.chrf_signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")


def test_a_net_that_learned_the_pairs_scores_a_hundred(pairs: Any, build: Callable[..., Any]) -> None:
    task = translate(label_smoothing=0.0)
    model = build(task, pairs).float().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        for batch in pairs.batches("test"):
            (task.loss(model, batch) / batch["count"]).backward()
        optimizer.step()
    heard: list[tuple[str, int, int]] = []
    evidence = task.evaluate(model, pairs, device=CPU, progress=lambda *words: heard.append(words))
    assert evidence.metrics["chrf"] == evidence.metrics["chrf_greedy"] == 100.0
    assert evidence.metrics["token_accuracy"] == 1.0
    assert evidence.metrics["length_ratio"] == 1.0
    assert evidence.texts["bleu_signature"].startswith("nrefs:1")
    shown = evidence.texts["translations"]
    assert len(shown) == 4
    assert all(one["beam"] == one["greedy"] == one["reference"] == one["source"][::-1] for one in shown)
    for i, labels in enumerate(evidence.texts["attention"]):
        attention = evidence.arrays[f"attention_{i}"]
        assert attention.shape == (2, len(labels["target_tokens"]), len(labels["source_tokens"]))
        torch.testing.assert_close(F.normalize(torch.from_numpy(attention), p=1, dim=-1), torch.from_numpy(attention))
        assert "".join(labels["source_tokens"][:-1]) == shown[i]["source"]
    assert len(evidence.texts["attention"]) == 3
    assert heard[-1] == ("beam search", 7, 7)


def test_learned_positions_end_a_translation(pairs: Any, recipe: Callable[..., Any]) -> None:
    task = translate(max_ratio=9.0, max_extra=99)
    torch.manual_seed(0)
    model = task.build(recipe("transformer", layers=1, position="learned"), pairs).eval()
    texts = task.translate(model, [[5, 6, 2], [7, 2]], beam=0, device=CPU)
    texts += task.translate(model, [[5, 6, 2], [7, 2]], beam=2, device=CPU)
    assert max(map(len, texts)) <= pairs.inputs.context
    assert task.build(recipe("transformer", layers=1), pairs).longest is None


def test_the_guess_is_the_source(pairs: Any, build: Callable[..., Any]) -> None:
    task = translate()
    for batch in pairs.batches("test"):
        batch["target"] = F.pad(batch["source"], (1, 0), value=1)
    evidence = task.evaluate(build(task, pairs), pairs, device=CPU)
    assert task.guess(pairs, evidence)["metric"] == "bleu"
    texts = [pairs.tokenizer.decode(row) for batch in pairs.batches("test") for row in batch["source"].tolist()]
    assert task.guess(pairs, evidence)["value"] == corpus_bleu(texts, [texts]).score


def test_what_is_shown_does_not_hang_on_the_batches(pairs: Any, build: Callable[..., Any]) -> None:
    task = translate()
    model = build(task, pairs)
    shown = task.evaluate(model, pairs, device=CPU).texts["translations"]
    pairs.splits["test"].reverse()
    assert task.evaluate(model, pairs, device=CPU).texts["translations"] == shown


def test_an_impossible_search_is_refused() -> None:
    with pytest.raises(QuartetError, match="num_beams=0"):
        translate(num_beams=0)
