"""Estimate the peak memory of training before it starts.

Weights are counted on torch's meta device. One step on a small parameter shows how much state an optimizer keeps.
`activations` estimates the rest. The estimate leaves out memory that kernels use inside themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path

from quartet_app.config.resolved import Config

CUDA_CONTEXT = 500e6  # bytes that a process takes on a GPU in addition to its tensors


@dataclass(frozen=True)
class Memory:
    """Hold the memory that training takes, in bytes.

    `data` is mapped into memory, and all processes of a machine share it. All other fields are of one process;
    `program` is its code and libraries, `average` the averaged weights.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float = 0.0
    data: float = 0.0
    program: float = 0.0

    @property
    def tensors(self) -> float:
        """Return the bytes of all tensors of one process."""
        return self.weights + self.gradients + self.optimizer + self.average + self.activations

    def with_activations(self, activations: float) -> Memory:
        """Return a copy with this number of bytes for activations."""
        return replace(self, activations=activations)

    def peak(self, *, gpu: bool, processes: int) -> float:
        """Return the peak in bytes: of one GPU, or of the whole machine with all its `processes`."""
        return self.tensors + CUDA_CONTEXT if gpu else processes * (self.tensors + self.program) + self.data


def fixed(config: Config, *, weights: dict[str, float], data: float) -> Memory:
    """Return the memory that does not depend on the batch; its `activations` are 0.

    Args:
        weights: the number of weights of each net of the run, by its key. The method may give a net an optimizer of
            its own, such as `discriminator_optimizer`.
        data: bytes of the prepared files.
    """
    method, size = config["method"], 8 if config["trainer"]["precision"] == "64-true" else 4
    count = sum(weights.values())
    optimizers = {name: method.get(f"{name}_optimizer", config["optimizer"]) for name in weights}
    optimizer_numbers = sum(number * per_weight(optimizers[name]) for name, number in weights.items())
    return Memory(
        weights=size * count,
        gradients=size * count,
        optimizer=size * optimizer_numbers,
        average=size * count * (method.get("ema_decay") is not None),
        data=data,
        program=resident(),
    )


def per_weight(optimizer: Config) -> float:
    """Return how many numbers an optimizer keeps for each weight: none for plain SGD, two for Adam."""
    import torch
    from hydra.utils import instantiate

    small = torch.nn.Parameter(torch.zeros(64, 64))
    instance = instantiate(optimizer)([small])
    small.grad = torch.ones_like(small)
    instance.step()
    tensors = [value for state in instance.state.values() for value in state.values() if torch.is_tensor(value)]
    return sum(tensor.numel() for tensor in tensors if tensor.numel() > 1) / small.numel()


@cache
def resident() -> float:
    """Return the bytes of this process with all modules that training imports.

    The first call measures, and later calls return the same number: call it before anything large is built.
    """
    import pytorch_lightning  # noqa: F401

    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except OSError:  # other systems than Linux give only the peak so far
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def machine_memory(*, gpu: bool) -> float:
    """Return the bytes of a GPU (inf without one), or those of this machine. A container's limit may be lower."""
    if gpu:
        import torch

        found = torch.cuda.is_available()
        return float(torch.cuda.get_device_properties(0).total_memory) if found else inf
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text(encoding="utf-8").strip() if limit.exists() else "max"
    return float(min(total, int(allowed)) if allowed.isdigit() else total)
