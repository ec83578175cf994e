"""A trained model as programs of torch.export: graphs and weights that load without our classes.

Each role leaves in a folder its programs (`*.pt2`) and its description, `model.json`, for the script in
`quartet.serving` that predicts with them. Batch and lengths are left open, however long the example was.
Shapes: B batch, S and T lengths of source and target, V vocabulary, Z noise.
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

from quartet.description import FILE, inputs_of
from quartet.types import UNK, QuartetError, Series, Tokens

# Batch and length of the traced example (a batch of one would be taken for a constant), and of two that check it.
SIZES = ((3, 6), (1, 2), (2, 9))


def export(model: nn.Module, described: Mapping[str, Any], folder: Path) -> Path:
    """Write the programs of `model`, of a copy of it, and its description in `folder`; returns the folder.

    Raises QuartetError if torch.export cannot follow the model.
    """
    model = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().float().eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    made = programs(model, described["role"])
    with torch.no_grad():
        examples = [_examples(made, described, batch, length) for batch, length in SIZES]
    for name, program in made.items():
        _save(program, [example[name] for example in examples], folder / f"{name}.pt2")
    (folder / FILE).write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return folder


def programs(model: nn.Module, role: str) -> dict[str, nn.Module]:
    """What predicting in a role calls, by the names that its script in `quartet.serving` knows."""
    if role == "language":
        return {"language": _Begin(model), "step": _Step(model)}
    if role == "translate":
        return {"encode": _Encode(model), "decode": _Decode(model), "step": _DecodeStep(model)}
    return {role: model}


def _examples(
    made: Mapping[str, nn.Module], described: Mapping[str, Any], batch: int, length: int
) -> dict[str, tuple[Any, ...]]:
    """What each program is given."""
    draw = torch.Generator().manual_seed(0)
    if described["role"] == "generate":
        return {"generate": (torch.randn(batch, described["latent_dim"], generator=draw),)}
    inputs = inputs_of(described)
    if described["role"] == "classify":
        kind = torch.float32 if isinstance(inputs, Series) else torch.uint8
        return {"classify": (torch.rand(batch, *described["shape"], generator=draw).mul(255).to(kind),)}
    assert isinstance(inputs, Tokens)
    given_BT, next_B1 = _tokens(inputs, batch, length), _tokens(inputs, batch, 1)
    if described["role"] == "language":
        return {"language": (given_BT,), "step": (next_B1, made["language"](given_BT)[1])}
    memory = made["encode"](given_BT)
    target_BT = _tokens(inputs, batch, max(1, length - 1))
    return {
        "encode": (given_BT,),
        "decode": (target_BT, memory),
        "step": (next_B1, memory, made["decode"](target_BT, memory)[1]),
    }


def _tokens(tokens: Tokens, batch: int, length: int) -> Tensor:
    ids = torch.arange(batch * min(length, tokens.context)) * 7 % (tokens.vocabulary - UNK) + UNK
    return ids.reshape(batch, -1)


def _whole(tree: Any) -> Any:
    """The same with no part a view: a program that is given views notes how they lay in their base."""
    return pytree.tree_map(lambda part: part.clone(memory_format=torch.contiguous_format), tree)


class _Program(nn.Module):
    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class _Begin(_Program):
    """tokens_BT → logits_BV of what comes next, and the state to go on from."""

    def forward(self, tokens_BT: Tensor) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model(tokens_BT)
        return logits_BTV[:, -1].clone(), _whole(state)


class _Step(_Program):
    """(token_B1, state) → the same after one more token."""

    def forward(self, token_B1: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model(token_B1, state)
        return logits_B1V[:, -1].clone(), _whole(state)


class _Encode(_Program):
    """source_BS → memory."""

    def forward(self, source_BS: Tensor) -> Any:
        return _whole(self.model.encode(source_BS))


class _Decode(_Program):
    """(target_BT, memory) → logits_BV of what comes next, and the state to go on from."""

    def forward(self, target_BT: Tensor, memory: Any) -> tuple[Tensor, Any]:
        logits_BTV, state = self.model.decode(target_BT, memory)
        return logits_BTV[:, -1].clone(), _whole(state)


class _DecodeStep(_Program):
    """(token_B1, memory, state) → the same after one more token."""

    def forward(self, token_B1: Tensor, memory: Any, state: Any) -> tuple[Tensor, Any]:
        logits_B1V, state = self.model.decode(token_B1, memory, state)
        return logits_B1V[:, -1].clone(), _whole(state)


def _save(module: nn.Module, examples: list[tuple[Any, ...]], path: Path) -> None:
    """Export `module` as it is called with the first of `examples`, open where they differ, and try all of them."""
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad(), _recurrence_whole():
            warnings.simplefilter("ignore")
            program = torch.export.export(module, examples[0], dynamic_shapes=_open(examples))
            torch.export.save(program, path)
            exported = program.module()
            for example in examples:
                torch.testing.assert_close(exported(*example), module(*example), rtol=1e-3, atol=1e-4)
    except Exception as error:  # torch.export raises what the code that it follows raises
        reason = str(error).strip().partition("\n")[0]
        raise QuartetError(
            f"export: torch.export cannot follow {type(module).__name__} ({path.name}): {reason}"
        ) from error


@contextmanager
def _recurrence_whole() -> Iterator[None]:
    """While tracing, tell only the shapes of recurrent layers.

    A program keeps such a layer as one operation, yet torch finds the shapes that it returns by running it step by
    step, which takes seconds and ties the program to the example's length. (torch.export._patches does the same, in
    the same way, with loops.)
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
    """What a recurrent layer returns for each step; `hidden` is (layers x directions, B, D)."""
    return x.new_empty(*x.shape[:2], hidden.shape[0] // layers * hidden.shape[2])


def _open(examples: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """For each tensor of the arguments, the dimensions in which the examples differ: found out, not declared."""

    def differ(*tensors: Any) -> Any:
        if not isinstance(tensors[0], Tensor):
            return None
        return {d: Dim.AUTO for d in range(tensors[0].ndim) if len({tensor.shape[d] for tensor in tensors}) > 1}

    return pytree.tree_map(differ, examples[0], *examples[1:])
