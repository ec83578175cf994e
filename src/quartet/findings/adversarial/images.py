"""Draw samples of a trained generator, take real images, and describe both by the run's judge.

Shapes: N images, H height, W width, C channels, Z noise, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from quartet.findings.finding import Trained
from quartet.types import QuartetError

CHUNK = 500  # images at a time


def samples(run: Trained, count: int, *, seed: int) -> Tensor:
    """Return `count` samples of the run's generator, bytes x_NHWC; the same for the same seed."""
    z_NZ = torch.randn(count, run.task.latent_dim, generator=torch.Generator().manual_seed(seed))
    return to_bytes(in_chunks(run.model.generator, z_NZ))  # type: ignore[arg-type]


def real_images(run: Trained, split: str, count: int) -> tuple[Tensor, Tensor]:
    """Return the first `count` images of a split, bytes x_NHWC, and their labels y_N; QuartetError for too few.

    Those of "train" come in an order of their own, the same for every seed; none comes twice.
    """
    there = run.data.examples[split]
    if count > there:
        raise QuartetError(f"measure: asks for {count} images of {split}, the data has {there}; ask for fewer")
    x, y, taken = [], [], 0
    for batch in run.data.batches(split):
        x.append(batch["x"])
        y.append(batch["y"])
        taken += len(batch["x"])
        if taken >= count:
            break
    return torch.cat(x)[:count], torch.cat(y)[:count]


def described(run: Trained, x_NHWC: Tensor) -> tuple[Tensor, Tensor]:
    """Return the judge's features_ND, float64, and the classes that it sees, y_N."""
    found = [run.task.judge.features_and_logits(part) for part in x_NHWC.split(CHUNK)]
    return torch.cat([f.double() for f, _ in found]).detach(), torch.cat([logits.argmax(1) for _, logits in found])


def scores(run: Trained, x_NHWC: Tensor) -> Tensor:
    """Return the trained discriminator's logits of being real, score_N, for bytes."""
    return in_chunks(lambda x: run.model.discriminator(to_unit(x)), x_NHWC)  # type: ignore[operator]


def to_unit(x: Tensor) -> Tensor:
    """Map bytes 0..255 to floats in [-1, 1], as the players see images."""
    return x.float() / 127.5 - 1.0


def to_bytes(x: Tensor) -> Tensor:
    """Map floats in [-1, 1] to the nearest bytes."""
    return ((x + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


@torch.no_grad()
def in_chunks(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return a function of the rows of `x`, computed a part at a time."""
    return torch.cat([function(part) for part in x.split(CHUNK)])
