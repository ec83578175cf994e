"""The abstract task, and the few steps that all tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from quartet.types import Evidence

Batch = dict[str, Any]
Sums = dict[str, Tensor]
Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


class Task(ABC):
    """What is asked: it builds the model, owns the training loss and the metrics, so every net is judged alike.

    A metric is a quotient of sums that add over batches and ranks: `measure` gives a batch's, `summarize` divides.
    So metrics are exact however a split is cut into batches and shared among devices.
    """

    ACCEPTS: ClassVar[tuple[str, ...]]  # kinds of data, by the names that sources give them
    ROLE: ClassVar[str]  # what the trained model does: a file of quartet.roles, or the dotted path of a Role
    NET_ROLE: ClassVar[str | None] = None  # which of its ROLES the net must have; None for the task's own
    METHOD: ClassVar[str]  # the option of conf/method/ that trains it
    MONITOR: ClassVar[str]  # the validation metric by which weights are chosen
    MODE: ClassVar[Literal["min", "max"]]

    @abstractmethod
    def build(self, net: Any, data: Any) -> nn.Module:
        """The model: `net` in the task's role for the shapes of `data`."""

    @abstractmethod
    def facts(self, data: Any) -> dict[str, Any]:
        """What the task's role describes the model by: the keywords of its `describe`."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The training loss, summed over the scored targets of this (micro-)batch: a scalar; the method divides."""

    @abstractmethod
    def measure(self, model: nn.Module, batch: Batch) -> Sums:
        """Sums over the batch, float64 of any shape, that add over batches and ranks."""

    @abstractmethod
    def summarize(self, sums: Sums) -> dict[str, float]:
        """Metrics of a split from its sums; names without the split."""

    @abstractmethod
    def evaluate(
        self,
        model: nn.Module,
        data: Any,
        *,
        split: str = "test",
        device: torch.device,
        progress: Progress | None = None,
    ) -> Evidence:
        """Everything that the report shows of a trained model."""


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch, which is flat, with its tensors on `device`."""
    overlap = device.type == "cuda"  # the copy with what the GPU is still doing
    return {
        key: value.to(device, non_blocking=overlap) if isinstance(value, Tensor) else value
        for key, value in batch.items()
    }


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches with their tensors on `device`."""
    for batch in batches:
        yield to_device(batch, device)


def counted(batches: Iterable[Batch], *, what: str, total: int, progress: Progress | None) -> Iterator[Batch]:
    """The same batches; `progress` hears how many of them have been dealt with."""
    for done, batch in enumerate(batches, start=1):
        yield batch
        if progress is not None:
            progress(what, done, total)


def split_batches(
    data: Any, split: str, *, what: str, device: torch.device, progress: Progress | None
) -> Iterator[Batch]:
    """All batches of a split, on `device`."""
    batches = data.batches(split)
    return counted(on_device(batches, device), what=f"{what} {split}", total=len(batches), progress=progress)


def add(sums: Sums, more: Sums) -> Sums:
    """The sums of two disjoint sets of examples together."""
    return {name: sums[name] + value if name in sums else value for name, value in more.items()}


def at_least_float(x: Tensor) -> Tensor:
    """Half precision is too coarse for a loss; double stays double."""
    return x if x.dtype == torch.float64 else x.float()
