"""The abstract task, and functions that all tasks use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from quartet.types import Evidence

Batch = dict[str, Any]
Sums = dict[str, Tensor]
Progress = Callable[[str, int, int], None]  # the activity, how many are done, how many there are


class Task(ABC):
    """A task builds the model and owns the training loss and the metrics, so that every net is judged alike.

    A metric is a quotient of sums that add over batches and ranks: `measure` returns a batch's sums, `summarize`
    divides. So metrics are exact for every division of a split into batches and devices.
    """

    ACCEPTS: ClassVar[tuple[str, ...]]  # kinds of data, by the names in a source's KIND
    ROLE: ClassVar[str]  # role of the trained model: a file of quartet.roles, or the dotted path of a Role
    NET_ROLE: ClassVar[str | None] = None  # the role that the net must list in ROLES; None for the task's own ROLE
    METHOD: ClassVar[str]  # the option of conf/method/ that trains it
    MONITOR: ClassVar[str]  # the validation metric that chooses the weights
    MODE: ClassVar[Literal["min", "max"]]
    # What a net must beat: a metric, the metric of the same evaluation that holds a guess's value, the guess in words.
    GUESS: ClassVar[tuple[str, str, str] | None] = None

    @abstractmethod
    def build(self, net: Any, data: Any) -> nn.Module:
        """Return the model: `net` in the task's role, for the shapes of `data`."""

    @abstractmethod
    def facts(self, data: Any) -> dict[str, Any]:
        """Return the keywords of the role's `describe`, which describes the trained model."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the training loss, a scalar summed over a (micro-)batch's scored targets. The method divides it."""

    @abstractmethod
    def measure(self, model: nn.Module, batch: Batch) -> Sums:
        """Return sums over the batch: float64 of any shape, which add over batches and ranks."""

    @abstractmethod
    def summarize(self, sums: Sums) -> dict[str, float]:
        """Return the metrics of a split from its sums; names do not include the split."""

    def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return metrics from sums over test examples, so that intervals cover other test data as well as other seeds.

        A task says here which of its metrics follow from sums of what its `evaluate` has counted of each example, and
        adds `examples.example_arrays(self, counts)` to the evidence. `sums` are those of `counts`, by name, with any
        leading axes, and `examples`, the number of examples; weights of a resample need not be whole. A task without
        such a metric leaves this be: its intervals cover seeds alone.
        """
        return {}

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
        """Return everything that the report shows of a trained model."""

    def guess(self, data: Any, evidence: Evidence, *, split: str = "test") -> dict[str, Any] | None:
        """Return what is reached without a trained net, {"metric", "value", "by"}; None where nothing is known.

        `evidence` is that of `evaluate` on the split.
        """
        if self.GUESS is None or self.GUESS[1] not in evidence.metrics:
            return None
        metric, known, words = self.GUESS
        return {"metric": metric, "value": evidence.metrics[known], "by": words}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return a flat batch with its tensors on `device`."""
    overlap = device.type == "cuda"  # copy while the GPU still computes
    return {
        key: value.to(device, non_blocking=overlap) if isinstance(value, Tensor) else value
        for key, value in batch.items()
    }


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield the batches with their tensors on `device`."""
    for batch in batches:
        yield to_device(batch, device)


def counted(batches: Iterable[Batch], *, what: str, total: int, progress: Progress | None) -> Iterator[Batch]:
    """Yield the same batches, and report each finished batch to `progress`."""
    for done, batch in enumerate(batches, start=1):
        yield batch
        if progress is not None:
            progress(what, done, total)


def split_batches(
    data: Any, split: str, *, what: str, device: torch.device, progress: Progress | None
) -> Iterator[Batch]:
    """Return all batches of a split, on `device`, with reports to `progress`."""
    batches = data.batches(split)
    return counted(on_device(batches, device), what=f"{what} {split}", total=len(batches), progress=progress)


def add(sums: Sums, more: Sums) -> Sums:
    """Return the sums of two disjoint sets of examples together."""
    return {name: sums[name] + value if name in sums else value for name, value in more.items()}


def at_least_float(x: Tensor) -> Tensor:
    """Return half precision as single, as it is too coarse for a loss; other types stay the same."""
    return x if x.dtype == torch.float64 else x.float()
