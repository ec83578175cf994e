"""The gradient penalty of adversarial training: at which steps it counts, and how strongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from quartet.methods import Adversarial
from quartet_app.config.composing import compose
from quartet_app.data.prepared import ensure
from quartet_app.run.build import build_data, build_method


def test_the_penalty_comes_each_so_many_steps_and_is_as_many_times_stronger(
    small: Callable[..., list[str]], here: Path
) -> None:
    def discriminator_losses(**settings: Any) -> list[float]:
        """Return the discriminator's loss at the first steps, of the same weights, batch and noise."""
        config = compose([*small("gan"), *(f"method.{key}={value}" for key, value in settings.items())])
        data = build_data(config, ensure(config["data"]))
        torch.manual_seed(0)
        method = build_method(config, data)
        assert isinstance(method, Adversarial)
        method.eval()  # no layer's state moves on from one loss to the next
        batch = next(iter(data.batches("train", seed=0)))
        found = []
        for step in range(5):
            method.clock.steps = step
            found.append(float(method.discriminator_part(method.with_noise(batch, draw=0)).detach()))
        return found

    def penalties(**settings: Any) -> list[float]:
        without = discriminator_losses(r1=0)
        return [with_it - bare for with_it, bare in zip(discriminator_losses(**settings), without, strict=True)]

    each, lazy = penalties(r1=10, r1_every=1), penalties(r1=10, r1_every=4)
    assert min(each) > 1e-3
    assert [penalty != 0 for penalty in lazy] == [True, False, False, False, True]
    assert lazy[0] == pytest.approx(4 * each[0], rel=1e-2)
