"""Continue texts. MLflow stores this file with the exported programs.

Shapes: B batch (always 1), V vocabulary.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils import _pytree as pytree

PACKAGES = ("torch", "numpy", "pandas", "tokenizers")
PROGRAMS = ("language", "step")
DEFAULTS = {"tokens": 40, "temperature": 0.8, "top_p": 0.95, "seed": 0}
BOS, RESERVED = 1, 4  # PAD, BOS, EOS and UNK are never drawn
MOST = 10_000  # tokens of a prompt
RANGES = {"tokens": (1, 10_000), "temperature": (0.001, 100), "top_p": (1e-6, 1), "seed": (0, 2**63 - 1)}


class Writer(PythonModel):
    """Map sentences to the same sentences with continuations; each is independent of the others.

    Params: `tokens` to add, `temperature` (0: always the likeliest), `top_p` (nucleus: draw from the likeliest tokens
    that together have this probability; Holtzman et al. 2020), `seed`.
    """

    def load_context(self, context: Any) -> None:
        """Load the description and the programs from MLflow's artifacts."""
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {name: torch.export.load(folder / f"{name}.pt2").module() for name in PROGRAMS})

    def use(self, described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> None:
        """Set the description and the programs, and find out whether the state grows with the text."""
        self.context, self.params = described["context"], DEFAULTS | described["params"]
        self.tokenizer = Tokenizer.from_str(json.dumps(described["tokenizer"]))
        self.bytes = bytes_of(described["tokenizer"]["model"])
        self.begin, self.step = programs["language"], programs["step"]
        with torch.inference_mode():
            _, state = self.begin(torch.tensor([[BOS]]))
            self.grows = size_of(self.step(torch.tensor([[BOS]]), state)[1]) > size_of(state)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[str]:
        """Return each sentence with its continuation."""
        return [sentence + "".join(self.stream(sentence, params)) for sentence in sentences_of(model_input)]

    def stream(self, sentence: str, params: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Yield the continuation in pieces, as the model writes them; no character is cut in two."""
        chosen = checked(self.params | dict(params or {}))
        prompt = self.tokenizer.encode(sentence).ids
        if len(prompt) > MOST:
            raise MlflowException.invalid_parameter_value(f"a sentence of {len(prompt)} tokens; {MOST} at most")
        return self._pieces(prompt, chosen)

    def _pieces(self, prompt: list[int], chosen: Mapping[str, Any]) -> Iterator[str]:
        """Yield the written tokens as text, once their bytes make whole characters."""
        whole = codecs.getincrementaldecoder("utf-8")("replace")
        for token in self._write(prompt, chosen):
            if piece := whole.decode(self.bytes[token]):
                yield piece
        if rest := whole.decode(b"", final=True):
            yield rest

    @torch.inference_mode()
    def _write(self, prompt: list[int], chosen: Mapping[str, Any]) -> Iterator[int]:
        """Yield new tokens from the state, each at the same cost however long the text is.

        A recurrent or convolutional net's state has a constant size and serves any length. A cache of attention grows:
        once it holds a full context, it starts again from the last half of one. So does a longer prompt. The net was
        never trained on longer texts.
        """
        draw = torch.Generator().manual_seed(int(chosen["seed"]))
        text = prompt or [BOS]
        held = 0
        for _ in text:
            held = self._after(held)
        fed, state = text[-held:], None
        for _ in range(int(chosen["tokens"])):
            tokens_BT = torch.tensor([fed])
            logits_BV, state = self.begin(tokens_BT) if state is None else self.step(tokens_BT, state)
            token = pick(logits_BV, chosen, draw)
            yield token
            text.append(token)
            before, held = held, self._after(held)
            fed, state = (text[-held:], None) if held <= before else ([token], state)

    def _after(self, held: int) -> int:
        """Return how many tokens the state holds after one more."""
        return max(1, self.context // 2) if self.grows and held >= self.context else held + 1


def pick(logits_BV: Tensor, chosen: Mapping[str, Any], draw: torch.Generator) -> int:
    """Return the next token, by temperature and nucleus."""
    logits_BV = logits_BV.float().clone()
    logits_BV[:, :RESERVED] = -torch.inf
    if chosen["temperature"] == 0:
        return int(logits_BV.argmax(-1))
    share_BV, order_BV = (logits_BV.double() / chosen["temperature"]).softmax(-1).sort(descending=True, stable=True)
    share_BV[share_BV.cumsum(-1) - share_BV >= chosen["top_p"]] = 0.0
    return int(torch.multinomial(torch.zeros_like(share_BV).scatter(-1, order_BV, share_BV), 1, generator=draw))


def bytes_of(model: Mapping[str, Any]) -> list[bytes]:
    """Return the bytes that each token writes. In subwords a letter stands for a byte, as in GPT-2: a visible byte
    for itself, the letters from 256 on for the other bytes in turn."""
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    if model["type"] != "BPE":
        return [token.encode() for token in tokens]
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = (byte for byte in range(256) if byte not in shown)
    letters = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(rest)}
    return [b"" if i < RESERVED else bytes(letters[letter] for letter in token) for i, token in enumerate(tokens)]


def size_of(state: Any) -> int:
    """Return how many numbers a state holds."""
    return sum(leaf.numel() for leaf in pytree.tree_leaves(state))


def sentences_of(given: Any) -> list[str]:
    """Return the sentences of a table's column, of a list, or a single one."""
    values = [given] if isinstance(given, str) else pd.DataFrame(given).to_numpy().ravel().tolist()
    if not values or not all(isinstance(value, str) for value in values):
        raise MlflowException.invalid_parameter_value(f"{values[:4]} given; texts, one or more, would do")
    for value in values:
        if any("\ud800" <= character <= "\udfff" for character in value):  # JSON can hold these, but no text does
            raise MlflowException.invalid_parameter_value(f"{value[:40]!a} given, half of a character in it")
    return values


def checked(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the params. Raises MlflowException if one is out of its range."""
    for name, (least, most) in RANGES.items():
        value = chosen[name]
        right = value is not None and least <= value <= most
        if not right and not (name == "temperature" and value == 0):
            zero = "0, or " if name == "temperature" else ""
            raise MlflowException.invalid_parameter_value(
                f"{name}: {value} given; {zero}{least:g} to {most:g} would do"
            )
    return chosen


def signature(described: Mapping[str, Any]) -> ModelSignature:
    """Return MLflow's signature. A sentence has any type in it, as MLflow would turn null into "None"."""
    chosen = DEFAULTS | described["params"]
    params = [
        ParamSpec(name, "long" if isinstance(default, int) else "double", type(default)(chosen[name]))
        for name, default in DEFAULTS.items()
    ]
    return ModelSignature(Schema([ColSpec(AnyType())]), Schema([ColSpec("string")]), ParamSchema(params))


def example(described: Mapping[str, Any]) -> list[str]:
    """Return an input example: the description's sentences."""
    return described["example"]


set_model(Writer())
