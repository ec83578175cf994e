"""A trained model as programs of torch.export: graphs and weights that load without our classes.

Each role leaves in a folder its programs (`*.pt2`), `settings.json` for the script in `quartet.serving` that predicts
with them, and, where it speaks, `tokenizer.json`. Batch and lengths are left open, however long the example was.
Shapes: B batch, S and T lengths of source and target, Z noise.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from quartet.types import UNK, Classes, Pixels, QuartetError, Series, Tokens

Role = Literal["classify", "language", "translate", "generate"]
# Batch and length of the traced example (a batch of one would be taken for a constant), and of two that check it.
SIZES = ((3, 6), (1, 2), (2, 9))


def export(
    model: nn.Module,
    *,
    role: Role,
    inputs: Pixels | Series | Tokens | None,
    outputs: Classes | Pixels | Tokens,
    folder: Path,
    noise: int | None = None,
    tokenizer: Path | None = None,
    example: Sequence[str] | None = None,
    params: Mapping[str, float] | None = None,
) -> Path:
    """Write the programs of `model`, a copy of it, in `folder` and return the folder.

    Args:
        inputs, outputs: the data's specs; a generator has no inputs.
        noise: Z, for "generate".
        tokenizer: the data's tokenizer.json, for "language" and "translate".
        example: sentences to show how the model is used, for the same two.
        params: how the task decodes, as the defaults of `predict` for the same two; else those of the script.

    Raises QuartetError if torch.export cannot follow the model.
    """
    model = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().float().eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"role": role}
    if role == "classify":
        settings |= _classify(model, inputs, outputs, folder)
    elif role == "generate":
        settings |= _generate(model, noise, outputs, folder)
    else:
        assert isinstance(outputs, Tokens)
        assert tokenizer is not None
        _tokenizer(json.loads(tokenizer.read_text(encoding="utf-8"))).save(str(folder / "tokenizer.json"))
        settings |= {"context": outputs.context, "example": list(example or ["The cat eats"])}
        settings["params"] = dict(params or {})
        (_language if role == "language" else _translate)(model, outputs, folder)
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False))
    return folder


def _classify(model: nn.Module, inputs: Any, outputs: Any, folder: Path) -> dict[str, Any]:
    pixels = isinstance(inputs, Pixels)
    shape = (inputs.height, inputs.width, inputs.channels) if pixels else (inputs.length, inputs.channels)
    kind = torch.uint8 if pixels else torch.float32
    draw = torch.Generator().manual_seed(0)
    _save(
        model,
        [(torch.rand(batch, *shape, generator=draw).mul(255).to(kind),) for batch, _ in SIZES],
        folder / "classify.pt2",
    )
    return {"shape": shape, "dtype": str(kind).removeprefix("torch."), "classes": list(outputs.names)}


def _generate(model: nn.Module, noise: int | None, outputs: Any, folder: Path) -> dict[str, Any]:
    assert noise is not None
    draw = torch.Generator().manual_seed(0)
    _save(model, [(torch.randn(batch, noise, generator=draw),) for batch, _ in SIZES], folder / "generate.pt2")
    return {"noise": noise, "shape": (outputs.height, outputs.width, outputs.channels)}


def _language(model: nn.Module, tokens: Tokens, folder: Path) -> None:
    args = [(_tokens(tokens, batch, length),) for batch, length in SIZES]
    _save(_Logits(model), args, folder / "language.pt2")


def _translate(model: nn.Module, tokens: Tokens, folder: Path) -> None:
    sources = [_tokens(tokens, batch, length) for batch, length in SIZES]
    targets = [_tokens(tokens, batch, max(1, length - 1)) for batch, length in SIZES]
    encode, decode = _Encode(model), _Decode(model)
    with torch.no_grad():
        memories = [encode(source) for source in sources]
    _save(encode, [(source,) for source in sources], folder / "encode.pt2")
    _save(decode, list(zip(targets, memories, strict=True)), folder / "decode.pt2")


def _tokens(tokens: Tokens, batch: int, length: int) -> Tensor:
    ids = torch.arange(batch * min(length, tokens.context)) * 7 % (tokens.vocabulary - UNK) + UNK
    return ids.reshape(batch, -1)


def _tokenizer(data: dict[str, Any]) -> Any:
    """The data's tokenizer (kind, tokens, merges, spaced) as one of the package `tokenizers`, which loads anywhere."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    ids = {token: i for i, token in enumerate(data["tokens"])}
    if data["kind"] == "character":
        engine = Tokenizer(models.WordLevel(ids, unk_token=data["tokens"][UNK]))
        engine.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        engine.decoder = decoders.Fuse()
        return engine
    engine = Tokenizer(models.BPE(vocab=ids, merges=[(a, b) for a, b in data["merges"]]))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    if data["spaced"]:
        engine.normalizer = normalizers.Prepend(" ")
        engine.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    return engine


class _Logits(nn.Module):
    """tokens_BL → logits_BLV, without the state."""

    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.model(tokens_BL)[0]


class _Encode(_Logits):
    """source_BS → memory, no part of it a view: a program that is given views notes how they lay in their base."""

    def forward(self, source_BS: Tensor) -> Any:
        return pytree.tree_map(
            lambda part: part.clone(memory_format=torch.contiguous_format), self.model.encode(source_BS)
        )


class _Decode(_Logits):
    """(target_BT, memory) → logits_BTV, without the state."""

    def forward(self, target_BT: Tensor, memory: Any) -> Tensor:  # type: ignore[override]
        return self.model.decode(target_BT, memory)[0]


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
