from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from quartet.tasks import Generate
from quartet.tasks.fid import feature_sums, fid
from quartet.tasks.gallery import first, nearest, to_bytes, to_unit
from quartet.tasks.judge import Judge
from quartet.tasks.noise import content_keys, normal
from quartet.types import QuartetError

CPU = torch.device("cpu")


@pytest.fixture
def task_of(recipe: Callable[..., Any]) -> Callable[..., Generate]:
    def make(data: Any, **changes: Any) -> Generate:
        torch.manual_seed(0)
        judge = recipe("mlp").classifier(data.inputs, data.outputs)
        return Generate(**{"latent_dim": 5, "judge": judge, "samples": 1000, "test_samples": 100} | changes)

    return make


@pytest.fixture
def players_of(recipe: Callable[..., Any]) -> Callable[..., Any]:
    def make(task: Generate, data: Any) -> Any:
        net = recipe("mlp")
        return SimpleNamespace(
            generator=task.build(net, data).eval(), discriminator=task.build_discriminator(net, data).eval()
        )

    return make


def whole(data: Any, split: str) -> dict[str, Any]:
    batches = data.batches(split)
    return {key: torch.cat([batch[key] for batch in batches]) for key in ("x", "y")} | {"count": 70}


def test_bytes_and_units_are_inverse() -> None:
    x = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_unit(x)), x)
    assert to_unit(x).aminmax() == (-1.0, 1.0)
    assert to_bytes(torch.tensor([-1.01, 1.01])).tolist() == [0, 255]


def test_metrics_are_those_of_the_definitions(
    images: Any, task_of: Callable[..., Generate], players_of: Callable[..., Any]
) -> None:
    task = task_of(images)
    players, batch = players_of(task, images), whole(images, "test")
    metrics = task.summarize(task.measure(players, batch))
    with torch.no_grad():
        fake = players.generator(normal(content_keys(batch["x"]), 5).float())
        judge = task.judge.model
        expected = fid(feature_sums(judge.features(batch["x"])), feature_sums(judge.features(to_bytes(fake))))
        real_told = (players.discriminator(to_unit(batch["x"])) > 0).double().mean().item()
        fake_told = (players.discriminator(fake) <= 0).double().mean().item()
        classes = judge(to_bytes(fake)).argmax(1).bincount(minlength=3) / 70
    assert metrics["fid"] == pytest.approx(expected, rel=1e-6)
    assert metrics["discriminator_accuracy_real"] == pytest.approx(real_told)
    assert metrics["discriminator_accuracy_fake"] == pytest.approx(fake_told)
    assert metrics["discriminator_accuracy"] == pytest.approx((real_told + fake_told) / 2)
    assert metrics["class_total_variation"] == pytest.approx((classes - 1 / 3).abs().sum().item() / 2, abs=1e-6)


@pytest.mark.parametrize("samples", [1000, 10])
def test_sums_add_and_order_does_not_matter(
    images: Any, assert_adds: Any, samples: int, task_of: Callable[..., Generate], players_of: Callable[..., Any]
) -> None:
    task = task_of(images, samples=samples)
    players, batch = players_of(task, images), whole(images, "test")
    for model in (players.generator, players.discriminator, task.judge.model):
        model.double()
    assert_adds(task, players, batch, 1, 1, 50, 18)
    shuffled = {key: value[torch.randperm(70)] for key, value in batch.items() if key != "count"}
    sums = task.measure(players, batch)
    for name, value in task.measure(players, shuffled).items():
        torch.testing.assert_close(value, sums[name], rtol=1e-12, atol=1e-9)


def test_a_validation_judges_about_as_many_as_asked(
    images: Any, task_of: Callable[..., Generate], players_of: Callable[..., Any]
) -> None:
    task = task_of(images, samples=10)
    sums = task.measure(players_of(task, images), whole(images, "test"))
    assert 7 < sums["real_count"] < 35  # 10 of 40 validation images: about a quarter of these 70
    assert sums["real_count"] == sums["fake_count"] == sums["fake_classes"].sum()


@pytest.mark.parametrize(("shape", "refused"), [((12, 12, 1), False), ((28, 28, 1), True), (None, False)])
def test_a_judge_knows_the_shape_of_its_model(shape: tuple[int, ...] | None, refused: bool, images: Any) -> None:
    model = torch.nn.Linear(2, 2)
    if shape:
        model.shape = shape  # type: ignore[assignment]
    judge = Judge(model=model)
    if refused:
        with pytest.raises(QuartetError, match="judges images of 28×28×1, but the data has images of 12×12×1"):
            judge.check(images.inputs)
    else:
        judge.check(images.inputs)


def test_evaluation(images: Any, task_of: Callable[..., Generate], players_of: Callable[..., Any]) -> None:
    task = task_of(images)
    players = players_of(task, images)
    heard: list[tuple[str, int, int]] = []
    evidence = task.evaluate(players, images, device=CPU, progress=lambda *words: heard.append(words))
    metrics, arrays = evidence.metrics, evidence.arrays
    # Nothing was trained: the generator is the untrained one, of the same noise.
    assert metrics["fid"] == metrics["fid_untrained"]
    assert metrics["fid_ratio"] == 1
    judge, test, val = task.judge.model, whole(images, "test"), whole(images, "val")
    with torch.no_grad():
        floor = fid(feature_sums(judge.features(test["x"])), feature_sums(judge.features(val["x"])))
        right = (judge(test["x"]).argmax(1) == test["y"]).double().mean().item()
    assert metrics["fid_floor"] == pytest.approx(floor, rel=1e-6)
    assert metrics["judge_accuracy"] == pytest.approx(right)
    assert metrics["neighbour_distance_ratio"] > 0
    assert arrays["samples"].shape == arrays["reals"].shape == (64, 12, 12, 1)
    assert arrays["interpolation"].shape == (8, 10, 12, 12, 1)
    assert all(arrays[name].dtype == np.uint8 for name in ("samples", "reals", "interpolation", "neighbours"))
    np.testing.assert_array_equal(arrays["neighbours_x"], arrays["samples"][:8])
    np.testing.assert_array_equal(arrays["interpolation"][:, 0], arrays["samples"][:8])
    np.testing.assert_array_equal(arrays["interpolation"][:, -1], arrays["samples"][8:16])
    assert arrays["class_counts"].sum() == 100
    assert evidence.texts["fid"]["samples"] == 100
    assert {what for what, _, _ in heard} >= {"judge test", "judge val", "judge samples", "compare with train"}


def test_the_untrained_generator_is_the_one_that_was_built(
    images: Any, task_of: Callable[..., Generate], recipe: Callable[..., Any]
) -> None:
    task = task_of(images)
    built = task.build(recipe("mlp"), images)
    torch.manual_seed(123)
    assert task.untrained is not None
    again = task.untrained()
    for name, value in built.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(123))


def test_the_judge_is_frozen_and_the_loss_reaches_both_players(
    images: Any, task_of: Callable[..., Generate], players_of: Callable[..., Any]
) -> None:
    task = task_of(images)
    players = players_of(task, images)
    task.loss(players, images.batches("train")[0]).backward()
    assert all(p.grad is not None for model in vars(players).values() for p in model.parameters())
    assert not any(p.requires_grad for p in task.judge.model.parameters())


def test_nearest_finds_a_copy(images: Any) -> None:
    x = images.batches("train")[1]["x"][[7, 3]]
    found, distance = nearest(x, images.batches("train"))
    assert torch.equal(found, x)
    torch.testing.assert_close(distance, torch.zeros(2), atol=0.1, rtol=0)
    black, white = torch.zeros(1, 2, 2, 1, dtype=torch.uint8), torch.full((1, 2, 2, 1), 255, dtype=torch.uint8)
    assert nearest(black, [{"x": white}])[1].item() == pytest.approx(255)


def test_first_stops_a_stream_in_the_middle_of_a_batch(images: Any) -> None:
    sizes = [len(batch["x"]) for batch in first(images.batches("test"), 33)]
    assert sizes == [30, 3]


def test_too_few_samples_are_refused(images: Any, task_of: Callable[..., Generate]) -> None:
    with pytest.raises(QuartetError, match="test_samples=3"):
        task_of(images, test_samples=3)


def test_a_judge_of_other_images_is_refused(images: Any, task_of: Callable[..., Generate]) -> None:
    task = task_of(images)
    task.judge.shape = (28, 28, 3)
    with pytest.raises(QuartetError, match=r"task\.judge: it judges images of 28×28×3"):
        task.build(None, images)


def test_a_judge_of_other_classes_is_not_asked_who_is_right(
    images: Any, task_of: Callable[..., Generate], players_of: Callable[..., Any]
) -> None:
    task = task_of(images)
    task.judge.names = ("cats", "dogs", "birds")
    evidence = task.evaluate(players_of(task, images), images, device=torch.device("cpu"))
    assert "judge_accuracy" not in evidence.metrics
    guess = task.guess(images, evidence)
    assert guess is not None
    assert (guess["metric"], guess["value"]) == ("fid", evidence.metrics["fid_untrained"])
    assert evidence.texts["classes"] == ["cats", "dogs", "birds"]
