from __future__ import annotations

import math

import pytest
import torch

from quartet.tasks.adversarial import Kind, discriminator_loss, generator_loss, gradient_penalty

REAL, FAKE = torch.tensor([2.0, -0.5]), torch.tensor([0.3, -3.0])


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_non_saturating_by_hand() -> None:
    expected = -log_sigmoid(2.0) - log_sigmoid(-0.5) - log_sigmoid(-0.3) - log_sigmoid(3.0)
    found = discriminator_loss(REAL, FAKE, kind="non_saturating", label_smoothing=0.0)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    found = generator_loss(FAKE, kind="non_saturating")
    assert found.item() == pytest.approx(-log_sigmoid(0.3) - log_sigmoid(-3.0), rel=1e-6)


def test_smoothing_touches_the_real_images_only() -> None:
    real = -sum(0.9 * log_sigmoid(x) + 0.1 * log_sigmoid(-x) for x in REAL.tolist())
    fake = -sum(log_sigmoid(-x) for x in FAKE.tolist())
    found = discriminator_loss(REAL, FAKE, kind="non_saturating", label_smoothing=0.1)
    assert found.item() == pytest.approx(real + fake, rel=1e-6)


def test_hinge_and_least_squares_by_hand() -> None:
    assert discriminator_loss(REAL, FAKE, kind="hinge", label_smoothing=0.0).item() == pytest.approx(1.5 + 1.3)
    assert generator_loss(FAKE, kind="hinge").item() == pytest.approx(2.7)
    squares = (1.0 + 2.25 + 0.09 + 9.0) / 2
    assert discriminator_loss(REAL, FAKE, kind="least_squares", label_smoothing=0.0).item() == pytest.approx(squares)
    assert generator_loss(FAKE, kind="least_squares").item() == pytest.approx((0.49 + 16.0) / 2)


@pytest.mark.parametrize("kind", ["non_saturating", "hinge", "least_squares"])
def test_losses_are_sums_over_the_batch(kind: Kind) -> None:
    whole = discriminator_loss(REAL, FAKE, kind=kind, label_smoothing=0.1)
    parts = [discriminator_loss(REAL[i : i + 1], FAKE[i : i + 1], kind=kind, label_smoothing=0.1) for i in (0, 1)]
    torch.testing.assert_close(parts[0] + parts[1], whole)


def test_gradient_penalty_of_a_known_gradient() -> None:
    x = torch.randn(3, 2, 2, 1, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 0.0, -1.0], requires_grad=True)
    penalty = gradient_penalty(x.flatten(1) @ weight, x)
    assert penalty.item() == pytest.approx(3 * 6.0)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 3 * 2 * weight.detach())
