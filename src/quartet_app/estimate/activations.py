"""What the passes of training hold beside weights and optimizer: seen on a few examples, and told of a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from quartet.methods.method import Method

Tree = dict[str, Any]

FEW = {"train": 8, "val": 64}  # examples, and twice as many, of which it is seen how memory grows


def activations(config: Tree, folder: Path, *, gpu: bool) -> float:
    """Bytes of what one process makes and drops again beside what is `fixed`, where that is most: in a micro-batch's
    passes, in a validation batch, or, on the CPU, where operations are counted before training, on a whole batch."""
    from quartet_app.run.build import build_data, build_method

    data = build_data(config, folder)
    devices, accumulate = config["trainer"]["devices"], config["method"].get("accumulate_grad_batches", 1)
    first = next(iter(data.batches("val")))  # where it is the only one, it need not be full
    held = data.kind.size(first)
    whole = held if data.batches("val").per_epoch == 1 else data.evaluation_batch_size
    size = {"train": data.batch_size, "val": whole}
    few = {split: max(1, min(FEW[split], size[split] // (2 * devices * accumulate))) for split in size}
    batches = {split: [_few(config, folder, split, times * few[split]) for times in (1, 2)] for split in size}
    method = build_method(config, data)
    wide = 2 if config["trainer"]["precision"] == "64-true" else 1
    under = partial(_autocast, config["trainer"]["precision"])
    found = [
        wide * _extended(partial(_train, method, under), batches["train"], size["train"] / devices / accumulate),
        wide * _extended(partial(_validate, method, under), batches["val"], size["val"] / devices),
    ]
    if not gpu:
        found.append(
            _extended(lambda batch: _peak(method, partial(method.count_flops, batch)), batches["train"], size["train"])
        )
    return max(found)


def _few(config: Tree, folder: Path, split: str, count: int) -> tuple[dict[str, Any], int]:
    """A batch of so many examples, and its size in the unit of batch sizes."""
    from quartet_app.run.build import build_data

    data = build_data(config, folder)
    if not data.kind.fixed:
        batch = data.kind.first(next(iter(data.batches(split, seed=config["seed"]))), count)
        return batch, data.kind.size(batch)
    loading = {**config["data"]["loading"], "batch_size": count, "evaluation_batch_size": count}
    small = build_data({**config, "data": {**config["data"], "loading": loading}}, folder)
    return next(iter(small.batches(split, seed=config["seed"]))), count


def _extended(measure: Callable[[dict[str, Any]], float], two: list[tuple[dict[str, Any], int]], size: float) -> float:
    """What `measure` says of a batch of `size`, along the line through what it says of two small ones."""
    (small, few), (larger, more) = two
    first, second = measure(small), measure(larger)
    slope = (second - first) / (more - few) if more > few else first / few
    return max(first + slope * (size - few), 0.0)


def _train(method: Method, under: Callable[[], Any], batch: dict[str, Any]) -> float:
    """The peak of a micro-batch's passes forward and backward, one after another."""

    def run(loss_of: Callable[[], Tensor], within: Callable[[], Any]) -> None:
        with within():
            with under():
                loss = loss_of()
            loss.backward()

    return max(_peak(method, partial(run, *one)) for one in method.passes(batch))


def _validate(method: Method, under: Callable[[], Any], batch: dict[str, Any]) -> float:
    def measure() -> None:
        with under():
            method.task.measure(method.eval_model, batch)

    method.eval_model.eval()
    peak = _peak(method, measure)
    method.model.train()
    return peak


def _autocast(precision: str) -> Any:
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16) if precision.endswith("mixed") else nullcontext()


def _peak(method: Method, run: Callable[[], Any]) -> float:
    """Return the most bytes of tensors that `run` makes and that live at once."""
    import torch

    for parameter in method.model.parameters():  # gradients are fixed: they are there before
        parameter.grad = torch.zeros_like(parameter)
    peak = _counter()
    for tensor in (*method.parameters(), *method.buffers()):
        for one in (tensor, tensor.grad):
            if one is not None:
                peak.known[one.untyped_storage()] = True
    with peak:
        run()
    return float(peak.most)


def _counter() -> Any:
    """Return a dispatch mode that counts the bytes of the tensors made under it: `now`, and `most` at once."""
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
