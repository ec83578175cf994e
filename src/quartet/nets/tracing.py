"""Let torch.export leave the length of a recurrent layer open.

Tracing runs a recurrent layer step by step to learn its output shape, and so fixes the example's length. Here the
shapes come from formulas instead. The traced program keeps torch's own kernel, which accepts any length.
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
    """During an export, give tracing only the output shapes of recurrent layers (`batch_first`, one direction).

    torch.export rewrites such layers in the same way (torch.export._patches), but into slow loops.
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
    """Return empty outputs and states in the shapes of `aten.lstm`."""
    return (_one_state(x_BLD, state[0])[0], *map(torch.empty_like, state))


def _one_state(x_BLD: Tensor, state: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    """Return an empty output and state in the shapes of `aten.gru` and `aten.rnn_tanh`."""
    return x_BLD.new_empty((*x_BLD.shape[:2], state.shape[-1])), torch.empty_like(state)
