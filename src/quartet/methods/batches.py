"""What a step does to its batch: shares and seeds that do not depend on how many devices take part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Any]


def micro_batches(batch: Batch, parts: int) -> Iterator[Batch]:
    """Cut the tensors of a batch along dimension 0 into `parts` equal pieces; all else goes along unchanged.

    Each piece takes every `parts`-th example: then the pieces of all ranks together are those of one process, which
    batch norm, whose statistics are a piece's, can tell.
    """
    if parts == 1:
        yield batch
        return
    for i in range(parts):
        yield {key: value[i::parts] if isinstance(value, Tensor) else value for key, value in batch.items()}


def step_seed(*, seed: int, step: int, stream: int) -> int:
    """One seed for each step and stream: a step's draws follow from its number alone, so a resumed run repeats them."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB) % 2**64
    mixed = (mixed ^ (mixed >> 31)) * 0x94D049BB133111EB % 2**64
    return (mixed ^ (mixed >> 29)) % 2**63


def seed_draws(seed: int, *, device: torch.device) -> None:
    """As torch.manual_seed, for the CPU and `device` alone: that seeds every kind of device, and where there is none
    of a kind, formats a stack trace for it (a millisecond a step)."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def shared_noise(*, size: int, width: int, seed: int, rank: int, world: int, device: torch.device) -> Tensor:
    """This rank's rows of standard normal noise `(size, width)` drawn once for the whole global batch."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(size, width, generator=generator, dtype=torch.get_default_dtype())
    return noise[rank::world].to(device)
