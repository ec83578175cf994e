"""Operations over all ranks of a run."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


def several() -> bool:
    """Return whether this process is one of several ranks."""
    return dist.is_initialized() and dist.get_world_size() > 1


def share_buffers(module: nn.Module) -> None:
    """Give all ranks the buffers of rank 0, which a run saves. Without synchronised batch norm they differ."""
    if several():
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)


def total(sums: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the sums over all ranks. Ranks may hold different keys: a rank without a batch has none."""
    if not several():
        return sums
    gathered: list[dict[str, Tensor]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(gathered, {name: value.cpu() for name, value in sums.items()})
    names = sorted({name for part in gathered for name in part})
    return {name: torch.stack([part[name] for part in gathered if name in part]).sum(0) for name in names}
