"""Images that show a generator: samples, interpolations between them, and the nearest training images.

Shapes: N samples, H height, W width, C channels, Z noise, P pixels of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from quartet.tasks.noise import normal
from quartet.tasks.task import Batch, Progress, on_device


def to_unit(x: Tensor) -> Tensor:
    """Map bytes 0..255 to floats in [-1, 1]."""
    return x.to(torch.get_default_dtype()) / 127.5 - 1.0


def to_bytes(x: Tensor) -> Tensor:
    """Map floats in [-1, 1] to the nearest bytes."""
    return ((x + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


def draw(generator: nn.Module, keys_N: Tensor, *, latent_dim: int, device: torch.device) -> Tensor:
    """Return samples x_NHWC in [-1, 1] from the noise that belongs to the keys."""
    return render(generator, normal(keys_N, latent_dim), device=device)


def render(generator: nn.Module, z_NZ: Tensor, *, device: torch.device) -> Tensor:
    """Return the images of the noise z_NZ, on `device`."""
    return generator(z_NZ.to(device, next(generator.parameters()).dtype))


def interpolation(generator: nn.Module, *, latent_dim: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """Return interpolations between pairs of samples, bytes (rows, columns, H, W, C).

    They follow great circles, as noise of many dimensions lies near a sphere (White 2016).
    """
    z_NZ = normal(torch.arange(2 * rows), latent_dim)
    start_R1Z, end_R1Z = z_NZ[:rows, None], z_NZ[rows:, None]
    cosine_R11 = torch.cosine_similarity(start_R1Z, end_R1Z, dim=-1)[..., None].clamp(-1 + 1e-9, 1 - 1e-9)
    angle_R11 = cosine_R11.acos()
    t_C1 = torch.linspace(0, 1, columns, dtype=torch.float64)[:, None]
    z_RCZ = (((1 - t_C1) * angle_R11).sin() * start_R1Z + (t_C1 * angle_R11).sin() * end_R1Z) / angle_R11.sin()
    return to_bytes(render(generator, z_RCZ.flatten(0, 1), device=device)).unflatten(0, (rows, columns)).cpu()


def first(batches: Iterable[Batch], examples: int) -> Iterator[Batch]:
    """Yield the first `examples` examples of a stream of batches of images."""
    for batch in batches:
        if examples <= 0:
            return
        yield {key: value[:examples] if isinstance(value, Tensor) else value for key, value in batch.items()}
        examples -= len(batch["x"])


def nearest(x_NHWC: Tensor, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Return the image among all batches that is nearest to each of `x` (bytes), and its distance_N (RMS, in bytes)."""
    flat_NP = x_NHWC.flatten(1).float()
    distance_N = torch.full((len(x_NHWC),), float("inf"), device=x_NHWC.device)
    found_NHWC = torch.zeros_like(x_NHWC)
    for batch in batches:
        here_N, which_N = torch.cdist(flat_NP, batch["x"].flatten(1).float()).min(1)
        closer_N = here_N < distance_N
        found_NHWC[closer_N] = batch["x"][which_N[closer_N]]
        distance_N = distance_N.minimum(here_N)
    return found_NHWC, distance_N / flat_NP.shape[1] ** 0.5


def images_of(
    data: Any, split: str, *, at_most: int, what: str, device: torch.device, progress: Progress | None
) -> Iterator[Batch]:
    """Yield batches with the first `at_most` images of a split, and report each to `progress`."""
    total, done = min(at_most, data.examples[split]), 0
    for batch in on_device(first(data.batches(split), total), device):
        yield batch
        done += len(batch["x"])
        if progress is not None:
            progress(f"{what} {split}", done, total)
