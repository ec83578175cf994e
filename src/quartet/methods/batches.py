"""Micro-batches, seeds and noise of a step, which do not depend on the number of devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Any]


def micro_batches(batch: Batch, parts: int) -> Iterator[Batch]:
    """Cut the tensors of a batch along dimension 0 into `parts` equal pieces; other values stay the same in each.

    Piece i takes every `parts`-th example. All ranks' pieces i together then equal one process's piece i, which batch
    norm needs: its statistics are those of a piece.
    """
    if parts == 1:
        yield batch
        return
    for i in range(parts):
        yield {key: value[i::parts] if isinstance(value, Tensor) else value for key, value in batch.items()}


def step_seed(*, seed: int, step: int, stream: int) -> int:
    """Return a seed that depends on the step's number and the stream alone, so that a resumed run repeats it."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB) % 2**64
    mixed = (mixed ^ (mixed >> 31)) * 0x94D049BB133111EB % 2**64
    return (mixed ^ (mixed >> 29)) % 2**63


def seed_draws(seed: int, *, device: torch.device) -> None:
    """Seed torch for the CPU and `device` only. torch.manual_seed also tries absent kinds of devices, and formats a
    stack trace for each (one millisecond per step)."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def shared_noise(*, size: int, width: int, seed: int, rank: int, world: int, device: torch.device) -> Tensor:
    """Return this rank's rows of standard normal noise `(size, width)`, drawn for the whole global batch."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(size, width, generator=generator, dtype=torch.get_default_dtype())
    return noise[rank::world].to(device)
