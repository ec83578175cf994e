"""Let torch.export leave the length of a recurrent layer open.

To learn the shape of a recurrent layer's output, tracing runs the layer step by step, and so takes the example's length
for the only one. Here the shapes are given instead; the traced program keeps torch's own kernel, of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


@contextmanager
def open_length() -> Iterator[None]:
    """While a model is exported, recurrent layers of one direction and `batch_first` tell their shapes only.

    torch.export's own rewriting of them (torch.export._patches, into loops that are slow to run) uses the same door.
    """
    if not torch.compiler.is_exporting():
        yield
        return
    aten = torch.ops.aten
    shapes: dict[Any, Callable[..., Any]] = {
        aten.lstm.input: _lstm,
        aten.gru.input: _one_state,
        aten.rnn_tanh.input: _one_state,
    }
    before = {op: op.py_kernels.get(COMPOSITE) for op in shapes}
    try:
        for op, shape in shapes.items():
            op.py_kernels[COMPOSITE] = shape
            op._dispatch_cache.clear()
        yield
    finally:
        for op, kernel in before.items():
            del op.py_kernels[COMPOSITE]
            if kernel is not None:
                op.py_kernels[COMPOSITE] = kernel
            op._dispatch_cache.clear()


def _lstm(x_BLD: Tensor, state: list[Tensor], *_: Any) -> tuple[Tensor, ...]:
    return (_one_state(x_BLD, state[0])[0], *map(torch.empty_like, state))


def _one_state(x_BLD: Tensor, state: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return x_BLD.new_empty((*x_BLD.shape[:2], state.shape[-1])), torch.empty_like(state)
