"""The small functions of the measurements against values known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from findings.adversarial.toys import CLASSES, Moment, data, discriminator, honest, squares, trained

from quartet.findings.adversarial.fresh import accuracy, classifier, told_apart
from quartet.findings.adversarial.half_fooled import stops_at, together
from quartet.findings.adversarial.head_start import alone_curve, at, unsteadiness
from quartet.findings.adversarial.images import real_images, samples, scores, to_bytes, to_unit
from quartet.findings.adversarial.players import spread
from quartet.findings.adversarial.telling_apart import reliable
from quartet.methods import StoppingRule
from quartet.types import QuartetError


def test_other_seeds_choose_the_worst_and_the_best() -> None:
    """The first seed by the others' means 2.5 and 2, the second by 2 and 2, the third by 1.5 and 2."""
    assert spread(np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [-1, 0, -1]
    assert spread(np.array([[1.0], [4.0]])).tolist() == [3]


def test_chance_alone_makes_no_spread() -> None:
    draw = np.random.default_rng(0)
    found = [spread(draw.normal(size=(9, 3))).mean() for _ in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / 20)
    assert spread(draw.normal(size=(9, 3)) + np.arange(9)[:, None] * 10) == pytest.approx(80, abs=6)


@pytest.mark.parametrize(
    ("accuracy_V", "stop"),
    [([0.9, 0.52, 0.5, 0.47], 3), ([0.9, 0.52, 0.5, 0.6, 0.5, 0.5], None), ([0.5, 0.46, 0.54, 0.9], 2), ([0.5], None)],
)
def test_the_rule_stops_where_that_of_the_method_does(accuracy_V: list[float], stop: int | None) -> None:
    assert stops_at(np.array(accuracy_V), 0.05, 3) == stop
    rule = StoppingRule(rule="half_fooled", tolerance=0.05, patience=3)
    met = [i for i in range(len(accuracy_V)) if rule.met(accuracy_V[: i + 1])]
    assert (met[0] if met else None) == stop


def test_a_steady_course_and_one_that_jumps() -> None:
    assert unsteadiness(np.array([3.0, 2.0, 1.0, 1.0])) == 1e-3
    assert unsteadiness(np.array([9.0, 9.0, 0.0, 0.2, 0.0])) == pytest.approx(0.2)
    assert unsteadiness(np.array([1.0, 3.0])) == 2


def test_the_generators_own_course_begins_after_the_head_start() -> None:
    run = trained([Moment(honest(), discriminator(honest(), steps=1))], seed=0)
    run = replace(run, curve=[{"samples": 1000.0 * i, "val/fid": float(np.exp(i))} for i in range(1, 7)])
    x, y = alone_curve(run, steps=50)  # 50 batches of 32
    assert x.tolist() == pytest.approx([0.4, 1.4, 2.4, 3.4, 4.4])
    assert y.tolist() == pytest.approx([2, 3, 4, 5, 6])
    assert at((x, y), 0.5) == pytest.approx(3.8)
    with pytest.raises(QuartetError, match="no validation after its head start of 500"):
        alone_curve(run, steps=500)


def test_accuracy_that_nears_half_as_quality_grows() -> None:
    run = trained([Moment(honest(), discriminator(honest(), steps=1))], seed=0)
    rows = [(0.9, 9.0), (0.3, 8.0), (0.6, 7.0), (0.5, 5.0)]
    better = [{"samples": 1.0, "val/discriminator_accuracy": a, "val/fid": fid} for a, fid in rows]
    assert together(replace(run, curve=better)) == pytest.approx(1)
    assert together(replace(run, curve=[{**row, "val/fid": -row["val/fid"]} for row in better])) == pytest.approx(-1)
    assert together(replace(run, curve=[{**row, "val/fid": 1.0} for row in better])) == 0


def test_a_fresh_discriminator_guesses_on_equals_and_tells_others() -> None:
    real, new, fake, new_fake = (squares(300, seed=seed)["x"] for seed in range(10, 14))
    same = told_apart(real, fake, new_real_NHWC=new, new_fake_NHWC=new_fake, epochs=3, seed=0)
    assert same == pytest.approx(0.5, abs=0.08)
    negative = told_apart(real, 255 - fake, new_real_NHWC=new, new_fake_NHWC=255 - new_fake, epochs=3, seed=0)
    assert negative > 0.95


def test_a_fresh_classifier_learns_and_repeats_itself() -> None:
    seen, new = squares(600, seed=20), squares(300, seed=21)
    first, second = (classifier(seen["x"], seen["y"], classes=CLASSES.count, epochs=6, seed=1) for _ in range(2))
    assert accuracy(first, new["x"], new["y"]) > 0.9
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_probabilities_beside_the_share_of_real_ones() -> None:
    real, fake = torch.tensor([2.0, 2.0, -2.0]), torch.tensor([2.0, -2.0, -2.0])
    said, found = reliable(real, fake)
    assert said == pytest.approx([1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))], abs=1e-6)
    assert found == pytest.approx([1 / 3, 2 / 3])


def test_images_are_those_of_the_run() -> None:
    run = trained([Moment(honest(), discriminator(honest(), steps=1))], seed=0)
    x, y = real_images(run, "test", 7)
    assert torch.equal(x, data().splits["test"]["x"][:7])
    assert torch.equal(y, data().splits["test"]["y"][:7])
    assert torch.equal(to_bytes(to_unit(x)), x)
    assert torch.equal(samples(run, 5, seed=1), samples(run, 9, seed=1)[:5])
    assert not torch.equal(samples(run, 5, seed=1), samples(run, 5, seed=2))
    torch.testing.assert_close(scores(run, x), run.model.discriminator(x.float() / 127.5 - 1))  # type: ignore[operator]
