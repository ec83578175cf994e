"""Estimate the memory of activations: measure two small batches, and extend the line to a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet_app.config.resolved import Config

if TYPE_CHECKING:
    from torch import Tensor

    from quartet.methods.method import Method


FEW = {"train": 8, "val": 64}  # examples of the first small batch; the second has twice as many


def activations(config: Config, folder: Path, *, gpu: bool) -> float:
    """Return the bytes that one process needs at its peak for tensors that it makes and frees again.

    The peak is in the passes of a micro-batch or in a validation batch. On a CPU it may also be in the count of
    operations before training, which takes a whole batch. `memory.fixed` counts the other tensors.
    """
    from quartet_app.run.build import build_data, build_method

    data = build_data(config, folder)
    devices, accumulate = config["trainer"]["devices"], config["method"].get("accumulate_grad_batches", 1)
    first_size = data.kind.size(next(iter(data.batches("val"))))  # an only batch may be smaller than the setting
    val_size = first_size if data.batches("val").per_epoch == 1 else data.evaluation_batch_size
    size = {"train": data.batch_size, "val": val_size}
    few = {split: max(1, min(FEW[split], size[split] // (2 * devices * accumulate))) for split in size}
    batches = {split: [_small_batch(config, folder, split, times * few[split]) for times in (1, 2)] for split in size}
    method = build_method(config, data)
    scale = 2 if config["trainer"]["precision"] == "64-true" else 1  # measured with 32 bits
    autocast = partial(_autocast, config["trainer"]["precision"])
    peaks = [
        scale * _extrapolate(partial(_train, method, autocast), batches["train"], size["train"] / devices / accumulate),
        scale * _extrapolate(partial(_validate, method, autocast), batches["val"], size["val"] / devices),
    ]
    if not gpu:
        peaks.append(_extrapolate(partial(_count_flops, method), batches["train"], size["train"]))
    return max(peaks)


def _small_batch(config: Config, folder: Path, split: str, count: int) -> tuple[dict[str, Any], int]:
    """Return a batch of `count` examples, and its size in the unit of `batch_size`: examples or tokens."""
    from quartet_app.run.build import build_data

    data = build_data(config, folder)
    if not data.kind.fixed:
        batch = data.kind.first(next(iter(data.batches(split, seed=config["seed"]))), count)
        return batch, data.kind.size(batch)
    loading = {**config["data"]["loading"], "batch_size": count, "evaluation_batch_size": count}
    small = build_data({**config, "data": {**config["data"], "loading": loading}}, folder)
    return next(iter(small.batches(split, seed=config["seed"]))), count


def _extrapolate(
    measure: Callable[[dict[str, Any]], float], batches: list[tuple[dict[str, Any], int]], size: float
) -> float:
    """Return `measure` for a batch of `size`, by the line through its values for two small `batches`."""
    (small, few), (larger, more) = batches
    first, second = measure(small), measure(larger)
    slope = (second - first) / (more - few) if more > few else first / few
    return max(first + slope * (size - few), 0.0)


def _train(method: Method, autocast: Callable[[], Any], batch: dict[str, Any]) -> float:
    """Return the peak (bytes) of the passes of a micro-batch, forward and backward, which follow each other."""

    def run(loss_of: Callable[[], Tensor], within: Callable[[], Any]) -> None:
        with within():
            with autocast():
                loss = loss_of()
            loss.backward()

    return max(_peak(method, partial(run, *one_pass)) for one_pass in method.passes(batch))


def _validate(method: Method, autocast: Callable[[], Any], batch: dict[str, Any]) -> float:
    """Return the peak (bytes) of the metrics of one validation batch."""

    def measure() -> None:
        with autocast():
            method.task.measure(method.eval_model, batch)

    method.eval_model.eval()
    peak = _peak(method, measure)
    method.model.train()
    return peak


def _count_flops(method: Method, batch: dict[str, Any]) -> float:
    """Return the peak (bytes) of counting the operations of one batch."""
    return _peak(method, partial(method.count_flops, batch))


def _autocast(precision: str) -> Any:
    """Return the context in which a trainer of this precision runs its passes. A CPU measures 16 bits as bfloat16."""
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16) if precision.endswith("mixed") else nullcontext()


def _peak(method: Method, run: Callable[[], Any]) -> float:
    """Return the most bytes that new tensors of `run` occupy at one moment."""
    import torch

    for parameter in method.model.parameters():  # `memory.fixed` counts gradients, so they must exist before
        parameter.grad = torch.zeros_like(parameter)
    peak = _counter()
    for tensor in (*method.parameters(), *method.buffers()):
        for known in (tensor, tensor.grad):
            if known is not None:
                peak.known[known.untyped_storage()] = True
    with peak:
        run()
    return float(peak.most)


def _counter() -> Any:
    """Return a dispatch mode that counts the bytes of tensors made within it: `now`, and `most` at one moment."""
    import weakref

    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_map_only
    from torch.utils.weak import WeakIdKeyDictionary

    class Peak(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.known = WeakIdKeyDictionary()
            self.now = self.most = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            tree_map_only(torch.Tensor, self.note, made)
            self.most = max(self.most, self.now)
            return made

        def note(self, tensor: Tensor) -> None:
            storage = tensor.untyped_storage()
            if storage not in self.known:
                self.known[storage] = True
                self.now += storage.nbytes()
                weakref.finalize(storage, self.drop, storage.nbytes())

        def drop(self, size: int) -> None:
            self.now -= size

    return Peak()
