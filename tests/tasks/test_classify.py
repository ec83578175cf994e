from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from quartet.tasks import Classify
from quartet.tasks.classify import per_class
from quartet.types import Evidence, Pixels

CPU = torch.device("cpu")


class Told(nn.Module):
    """Answers with what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def task() -> Classify:
    return Classify(label_smoothing=0.0, mistakes=3)


def test_golden_values(task: Classify) -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.96, 0.02, 0.02]])
    batch = {"x": p.log(), "y": torch.tensor([0, 2, 0, 1]), "count": 4}
    sums = task.measure(Told(), batch)
    metrics = task.summarize(sums)
    assert metrics["loss"] == pytest.approx(-sum(math.log(q) for q in (0.7, 0.3, 0.5, 0.02)) / 4, rel=1e-6)
    assert metrics["accuracy"] == 0.5
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 0 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((2 * 2 / (2 + 3) + 0 + 0) / 3)
    # Bins of 1/15: 0.7, 0.6, 0.5 and 0.96 fall into one each.
    assert metrics["calibration_error"] == pytest.approx((0.3 + 0.6 + 0.5 + 0.96) / 4, rel=1e-6)
    assert sums["confusion"].tolist() == [[2, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert task.loss(Told(), batch).item() == pytest.approx(metrics["loss"] * 4, rel=1e-6)


def test_a_class_of_one_example_is_measured_as_any_other() -> None:
    confusion = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0], [0, 3, 1, 0], [0, 0, 0, 0]])
    found = per_class(confusion, ["one", "two", "four", "none"])
    assert found["recall"] == {"one": 1.0, "two": 0.5, "four": 0.25, "none": 0.0}
    assert found["precision"] == {"one": 1.0, "two": 0.25, "four": 0.5, "none": 0.0}


def test_label_smoothing_spreads_the_target() -> None:
    logits, y = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5]]), torch.tensor([0, 2])
    target = torch.full((2, 3), 0.3 / 3) + 0.7 * torch.eye(3)[y]
    expected = -(target * logits.log_softmax(1)).sum()
    loss = Classify(label_smoothing=0.3, mistakes=1).loss(Told(), {"x": logits, "y": y, "count": 2})
    torch.testing.assert_close(loss, expected)


def test_sums_add(task: Classify, assert_adds: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    batch = {"x": 3 * torch.randn(50, 4, generator=draw), "y": torch.randint(0, 4, (50,), generator=draw), "count": 50}
    assert_adds(task, Told(), batch, 1, 30, 19)


def test_evaluation_shows_the_worst_mistakes(task: Classify, images: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    model = task.build(recipe("mlp", dropout=0.1), images)
    heard: list[tuple[str, int, int]] = []
    evidence = task.evaluate(model, images, device=CPU, progress=lambda *words: heard.append(words))
    x, y = (torch.cat([batch[key] for batch in images.batches("test")]) for key in ("x", "y"))
    with torch.no_grad():
        confidence, predicted = model(x).softmax(1).max(1)
    assert evidence.metrics["accuracy"] == pytest.approx((predicted == y).double().mean().item())
    index = evidence.arrays["mistakes_index"]
    np.testing.assert_array_equal(evidence.arrays["mistakes_x"], x[index].numpy())
    np.testing.assert_array_equal(evidence.arrays["mistakes_true"], y[index].numpy())
    np.testing.assert_array_equal(evidence.arrays["mistakes_predicted"], predicted[index].numpy())
    worst = confidence[predicted != y].sort(descending=True).values[:3]
    np.testing.assert_allclose(evidence.arrays["mistakes_confidence"], worst.numpy(), rtol=1e-5)
    assert evidence.arrays["confusion"].sum() == 70
    assert evidence.arrays["calibration"].shape == (15, 3)
    assert evidence.texts["classes"] == ["a", "b", "c"]
    assert list(evidence.texts["recall"]) == ["a", "b", "c"]
    assert "kernels" not in evidence.arrays
    assert heard[-1] == ("classify test", 2, 2)


def test_evaluation_shows_mistaken_texts_as_texts(task: Classify, labelled: Any, recipe: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    model = task.build(recipe("cnn"), labelled)
    evidence = task.evaluate(model, labelled, device=CPU)
    words = [text for batch in labelled.batches("test") for text in labelled.words(batch)]
    index = evidence.arrays["mistakes_index"]
    assert len(index) == 3
    assert evidence.texts["mistakes"] == [words[i] for i in index]
    assert "mistakes_x" not in evidence.arrays
    assert evidence.metrics["accuracy"] == pytest.approx(float(evidence.arrays["counts_right"].mean()))


def test_texts_are_measured_against_bags_of_words(task: Classify, labelled: Any, images: Any) -> None:
    class Spaced:
        """Each letter is a word."""

        def decode(self, ids: list[int]) -> str:
            return " ".join(chr(93 + i) for i in ids if i > 3)

    labelled.tokenizer = Spaced()
    guess = task.guess(labelled, Evidence({}))
    assert guess is not None
    assert guess["metric"] == "accuracy"
    assert guess["value"] > 0.8, "the first letter tells the class, whatever else there is"
    for batches in labelled.splits.values():
        for batch in batches:
            batch["y"] = torch.arange(len(batch["y"])) // 2 % 2
    guess = task.guess(labelled, Evidence({}))
    assert guess is not None
    assert guess["value"] < 0.8, "now it tells nothing"
    assert task.guess(images, Evidence({})) is None


def test_no_mistake_is_shown_as_none(task: Classify, labelled: Any) -> None:
    class Right(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.one_hot((x[:, 0] == 6).long(), 2) * 9.0

    evidence = task.evaluate(Right(), labelled, device=CPU)
    assert evidence.texts["mistakes"] == []


def test_feature_maps_are_what_the_first_layer_answers(task: Classify, images: Any) -> None:
    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 3, 3, padding=1, bias=False)
            self.inputs: Pixels = images.inputs

        @property
        def kernels(self) -> Tensor:
            return self.layer.weight

        def maps(self, x: Tensor) -> Tensor:
            return self.layer(((x.float() - self.inputs.mean[0]) / self.inputs.std[0]).permute(0, 3, 1, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.maps(x).mean((2, 3))

    model = Convolution()
    arrays = task.evaluate(model, images, device=CPU).arrays
    assert arrays["kernels"].shape == (3, 1, 3, 3)
    expected = model.maps(torch.from_numpy(arrays["maps_x"])).detach().numpy()
    np.testing.assert_allclose(arrays["maps"], expected, rtol=1e-4, atol=1e-5)
