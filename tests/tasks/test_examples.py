"""A score for each test example: in the split's order, however it is cut into batches, and what metrics follow."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF

from quartet.tasks import Classify, Language, Translate
from quartet.tasks.examples import example_arrays, resampled
from quartet.tasks.scores import score_translations
from quartet.types import QuartetError

CPU = torch.device("cpu")
WORDS = ["the", "a", "red", "old", "small", "cat", "dog", "sees", "finds", "near", "under", "big", "tree", "of"]


def classify() -> Classify:
    return Classify(label_smoothing=0.1, mistakes=3)


def language() -> Language:
    return Language(prompts=["a"], tokens=1, temperature=0.0, top_p=1.0, seed=0)


def translate() -> Translate:
    return Translate(
        label_smoothing=0.1, num_beams=2, length_penalty=0.6, max_ratio=1.5, max_extra=2, sentences=2, samples=2, seed=0
    )


def sentences(count: int, *, wrong: float, seed: int) -> tuple[list[str], list[str]]:
    """Return translations in which a share of the words is wrong, and their references."""
    draw = random.Random(seed)
    due = [[draw.choice(WORDS) for _ in range(draw.randint(1, 14))] for _ in range(count)]
    found = [[draw.choice(WORDS) if draw.random() < wrong else word for word in words] for words in due]
    return [" ".join(words) for words in found], [" ".join(words) for words in due]


def together(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all examples in one batch."""
    return [{key: torch.cat([batch[key] for batch in batches]) for key, value in batches[0].items() if key != "count"}]


@pytest.mark.parametrize(("make", "family", "data"), [(classify, "mlp", "images"), (language, "rnn", "text"),
                                                      (translate, "transformer", "pairs")])  # fmt: skip
def test_scores_are_the_same_for_any_batches_and_give_the_metrics(
    make: Any, family: str, data: str, recipe: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    torch.manual_seed(0)
    given, task = request.getfixturevalue(data), make()
    model = task.build(recipe(family, layers=1), given)
    evidence = task.evaluate(model, given, device=CPU)
    scores = {name: value for name, value in evidence.arrays.items() if name.startswith(("score_", "counts_"))}
    assert {name.removeprefix("score_") for name in scores if name.startswith("score_")} <= set(evidence.metrics)
    counts = {name.removeprefix("counts_"): value for name, value in scores.items() if name.startswith("counts_")}
    whole = resampled(task, counts, np.ones((1, len(next(iter(counts.values()))))))
    for name, (value,) in whole.items():
        assert value == pytest.approx(evidence.metrics[name], rel=1e-5), name
        assert scores[f"score_{name}"].dtype == np.float32
    given.splits["test"] = together(given.splits["test"])
    again = task.evaluate(model, given, device=CPU).arrays
    for name, value in scores.items():
        np.testing.assert_allclose(again[name], value, rtol=1e-5, err_msg=name)


def test_a_classifiers_score_is_right_or_wrong(images: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    task = classify()
    model = task.build(recipe("mlp"), images)
    arrays = task.evaluate(model, images, device=CPU).arrays
    x, y = (torch.cat([batch[key] for batch in images.batches("test")]) for key in ("x", "y"))
    with torch.no_grad():
        right = (model(x).argmax(1) == y).numpy()
    np.testing.assert_array_equal(arrays["score_accuracy"], right.astype(np.float32))
    assert arrays["counts_right"].dtype == np.uint8
    np.testing.assert_allclose(arrays["score_loss"], arrays["counts_loss"], rtol=1e-5)


def test_sentences_stand_in_the_order_of_the_split(pairs: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    task = translate()
    model = task.build(recipe("transformer", layers=1), pairs)
    counts = task.evaluate(model, pairs, device=CPU).arrays["counts_chrf"]
    letters = [int((row > 3).sum()) for batch in pairs.batches("test") for row in batch["target"]]
    assert counts[:, 1].tolist() == letters  # the references' single characters
    pairs.splits["test"].reverse()
    np.testing.assert_array_equal(task.evaluate(model, pairs, device=CPU).arrays["counts_chrf"], counts)


@pytest.mark.parametrize(("wrong", "count"), [(0.1, 200), (0.6, 60), (0.95, 8), (1.0, 2)])
def test_resampled_bleu_and_chrf_are_sacrebleus(wrong: float, count: int) -> None:
    found, due = sentences(count, wrong=wrong, seed=count)
    counts = score_translations(found, due).counts
    weights = np.random.default_rng(0).multinomial(count, [1 / count] * count, 50).astype(float)
    mine = resampled(translate(), counts, weights)
    for i, weight in enumerate(weights):
        drawn = np.repeat(np.arange(count), weight.astype(int))
        texts, references = [found[j] for j in drawn], [due[j] for j in drawn]
        assert mine["bleu"][i] == pytest.approx(BLEU().corpus_score(texts, [references]).score)
        assert mine["chrf"][i] == pytest.approx(CHRF().corpus_score(texts, [references]).score)


def test_pseudo_values_vary_as_the_bootstrap_does() -> None:
    found, due = sentences(400, wrong=0.3, seed=1)
    counts = score_translations(found, due).counts
    arrays = example_arrays(translate(), counts)
    weights = np.random.default_rng(0).multinomial(400, [1 / 400] * 400, 2000).astype(float)
    drawn = resampled(translate(), counts, weights)
    for name in ("bleu", "chrf"):
        score = arrays[f"score_{name}"]
        assert score.std(ddof=1) / 20 == pytest.approx(drawn[name].std(), rel=0.07)
        assert score.mean() == pytest.approx(resampled(translate(), counts, np.ones((1, 400)))[name][0], abs=0.1)


def test_a_task_of_ones_own_says_its_metric_by_sums() -> None:
    class Own(Classify):
        def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {"recall": sums["found"] / sums["there"]}

    task = Own(label_smoothing=0.0, mistakes=1)
    arrays = example_arrays(task, {"found": np.array([1, 0, 2]), "there": np.array([2, 1, 2])})
    # By hand: 3 · 3/5 - 2 · (2/3, 3/4, 1/3).
    np.testing.assert_allclose(arrays["score_recall"], [9 / 5 - 4 / 3, 9 / 5 - 3 / 2, 9 / 5 - 2 / 3], rtol=1e-6)
    with pytest.raises(QuartetError, match=r"Own: counts of \[2, 3\] examples"):
        example_arrays(task, {"found": np.ones(3), "there": np.ones(2)})


def test_a_single_example_has_counts_and_no_score() -> None:
    assert set(example_arrays(classify(), {"right": np.ones(1), "loss": np.ones(1)})) == {"counts_right", "counts_loss"}
