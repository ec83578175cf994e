"""The memory that training takes at its peak, before it is taken.

Weights are counted on torch's meta device; what an optimizer keeps is seen by a step on one small parameter; the rest
is in `activations`. Not seen is what kernels use for themselves alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

CUDA_CONTEXT = 500e6  # of a process on a GPU, beside its tensors


@dataclass(frozen=True)
class Memory:
    """Bytes. Of one process: `weights`, `gradients`, `optimizer`, `average`, `activations`, and `program`, its code and
    libraries; `data`, mapped, which all processes of a machine share."""

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float = 0.0
    data: float = 0.0
    program: float = 0.0

    @property
    def tensors(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.average + self.activations

    def with_activations(self, activations: float) -> Memory:
        return replace(self, activations=activations)

    def peak(self, *, gpu: bool, processes: int) -> float:
        """Of the fullest place: a GPU, or the machine with all of its processes."""
        return self.tensors + CUDA_CONTEXT if gpu else processes * (self.tensors + self.program) + self.data


def fixed(config: Tree, *, weights: dict[str, float], data: float) -> Memory:
    """What does not depend on the batch. `weights`: how many each net of the run has, by its key. The method may give a
    net an optimizer of its own, as `discriminator_optimizer`."""
    method, size = config["method"], 8 if config["trainer"]["precision"] == "64-true" else 4
    count = sum(weights.values())
    optimizers = {name: method.get(f"{name}_optimizer", config["optimizer"]) for name in weights}
    kept = sum(number * per_weight(optimizers[name]) for name, number in weights.items())
    return Memory(
        weights=size * count,
        gradients=size * count,
        optimizer=size * kept,
        average=size * count * (method.get("ema_decay") is not None),
        data=data,
        program=resident(),
    )


def per_weight(optimizer: Tree) -> float:
    """Numbers that an optimizer keeps for each weight: none for plain SGD, two for Adam."""
    import torch
    from hydra.utils import instantiate

    small = torch.nn.Parameter(torch.zeros(64, 64))
    made = instantiate(optimizer)([small])
    small.grad = torch.ones_like(small)
    made.step()
    kept = [value for state in made.state.values() for value in state.values() if torch.is_tensor(value)]
    return sum(value.numel() for value in kept if value.numel() > 1) / small.numel()


@cache
def resident() -> float:
    """Bytes of memory that this process, with all that training imports, holds the first time it is asked."""
    import pytorch_lightning  # noqa: F401

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except OSError:  # not Linux: the peak so far
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def machine_memory(*, gpu: bool) -> float:
    """Bytes of a GPU, no bound where there is none, or of this machine, less where a container is allowed less."""
    if gpu:
        import torch

        found = torch.cuda.is_available()
        return float(torch.cuda.get_device_properties(0).total_memory) if found else inf
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    given = limit.read_text().strip() if limit.exists() else "max"
    return float(min(total, int(given)) if given.isdigit() else total)
