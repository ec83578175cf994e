"""Export a trained model as programs of torch.export: graphs and weights that load without our classes.

Each role writes its programs (`*.pt2`) and its description, `model.json`, into a folder. The role's script in
`quartet.serving` predicts with them. Batch size and lengths stay open, whatever the example's length. Shapes: B batch,
D width.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from quartet import roles
from quartet.description import FILE
from quartet.types import QuartetError

# Batch and length of the traced example, then of two that check it. (Tracing takes a batch of one for a constant.)
SIZES = ((3, 6), (1, 2), (2, 9))


def export(model: nn.Module, described: Mapping[str, Any], folder: Path) -> Path:
    """Write the programs of a copy of `model`, and its description, into `folder`; return the folder.

    Raises QuartetError if torch.export cannot follow the model.
    """
    model = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().float().eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    role = roles.find(described["role"])
    made = role.programs(model)
    with torch.no_grad():
        examples = [role.examples(made, described, batch=batch, length=length) for batch, length in SIZES]
    for name, program in made.items():
        _save(program, [example[name] for example in examples], folder / f"{name}.pt2")
    (folder / FILE).write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return folder


def _save(module: nn.Module, examples: list[tuple[Any, ...]], path: Path) -> None:
    """Export `module` from the first of `examples`, with open sizes where these differ, and check all of them."""
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad(), _recurrence_whole():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, examples[0], dynamic_shapes=_open(examples))
            torch.export.save(program, path)
            exported = program.module()
            for example in examples:
                torch.testing.assert_close(exported(*example), module(*example), rtol=1e-3, atol=1e-4)
    except Exception as error:  # torch.export passes on any error of the traced code
        reason = str(error).strip().partition("\n")[0]
        raise QuartetError(
            f"export: torch.export cannot follow {type(module).__name__} ({path.name}): {reason}"
        ) from error


@contextmanager
def _recurrence_whole() -> Iterator[None]:
    """While tracing, compute only the shapes of recurrent layers.

    A program keeps such a layer as one operation. To find its output shapes, torch would run it step by step: that
    takes seconds and fixes the example's length. (torch.export._patches does the same for its loops.)
    """
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    kernels = [
        (torch.ops.aten.lstm.input, lambda x, hidden, *rest: (_output(x, hidden[0], *rest), *map(torch.clone, hidden))),
        (torch.ops.aten.gru.input, lambda x, hidden, *rest: (_output(x, hidden, *rest), hidden.clone())),
        (torch.ops.aten.rnn_tanh.input, lambda x, hidden, *rest: (_output(x, hidden, *rest), hidden.clone())),
    ]
    before = [(operation, operation.py_kernels.get(key)) for operation, _ in kernels]
    try:
        for operation, kernel in kernels:
            operation.py_kernels[key] = kernel
            operation._dispatch_cache.clear()
        yield
    finally:
        for operation, old in before:
            operation.py_kernels.pop(key)
            if old is not None:
                operation.py_kernels[key] = old
            operation._dispatch_cache.clear()


def _output(x: Tensor, hidden: Tensor, params: Any, biases: bool, layers: int, *rest: Any) -> Tensor:
    """Return an empty output of a recurrent layer for all steps; `hidden` is (layers x directions, B, D)."""
    return x.new_empty(*x.shape[:2], hidden.shape[0] // layers * hidden.shape[2])


def _open(examples: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return, for each tensor of the arguments, the dimensions whose sizes differ among the examples."""

    def differ(*tensors: Any) -> Any:
        if not isinstance(tensors[0], Tensor):
            return None
        return {d: Dim.AUTO for d in range(tensors[0].ndim) if len({tensor.shape[d] for tensor in tensors}) > 1}

    return pytree.tree_map(differ, examples[0], *examples[1:])
