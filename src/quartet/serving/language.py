"""Sentences to how they go on. MLflow keeps this file beside the exported program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema
from tokenizers import Tokenizer

PACKAGES = ("torch", "numpy", "pandas", "tokenizers")
DEFAULTS = {"tokens": 40, "temperature": 0.8, "top_p": 0.95, "seed": 0}
PAD, BOS, RESERVED = 0, 1, 4  # PAD, BOS, EOS and UNK are never drawn


class Writer(PythonModel):
    """Sentences, one or several → each with its continuation.

    Params: `tokens` to add, `temperature` (0: always the likeliest), `top_p` (nucleus: draw from the likeliest tokens
    that together have this probability; Holtzman et al. 2020), `seed`.
    """

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        settings = json.loads((folder / "settings.json").read_text())
        self.context, self.params = settings["context"], DEFAULTS | settings["params"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.net = torch.export.load(folder / "language.pt2").module()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[str]:
        chosen = self.params | (params or {})
        draw = torch.Generator().manual_seed(int(chosen["seed"]))
        sentences = [str(sentence) for sentence in np.asarray(model_input).ravel()]
        rows = [self.tokenizer.encode(sentence).ids for sentence in sentences]
        added: list[list[int]] = [[] for _ in rows]
        with torch.inference_mode():
            for _ in range(int(chosen["tokens"])):
                logits_BV = self._next([row + new for row, new in zip(rows, added, strict=True)])
                for new, token in zip(added, pick(logits_BV, chosen, draw), strict=True):
                    new.append(token)
        return [self.tokenizer.decode(row + new) for row, new in zip(rows, added, strict=True)]

    def _next(self, rows: list[list[int]]) -> torch.Tensor:
        """logits_BV after the last token of each row. Rows are filled up behind, where a causal net does not look."""
        windows = [row[-self.context :] or [BOS] for row in rows]
        longest = max(2, *(len(window) for window in windows)) if len(windows) > 1 else max(2, len(windows[0]))
        tokens_BL = torch.tensor([window + [PAD] * (longest - len(window)) for window in windows])
        last_B = torch.tensor([len(window) - 1 for window in windows])
        return self.net(tokens_BL)[torch.arange(len(windows)), last_B]


def pick(logits_BV: torch.Tensor, chosen: dict[str, Any], draw: torch.Generator) -> list[int]:
    """One token a row, by temperature and nucleus."""
    logits_BV[:, :RESERVED] = -torch.inf
    if chosen["temperature"] <= 0:
        return logits_BV.argmax(-1).tolist()
    share_BV, order_BV = (logits_BV / chosen["temperature"]).softmax(-1).sort(descending=True)
    share_BV[share_BV.cumsum(-1) - share_BV >= chosen["top_p"]] = 0.0
    place_B1 = torch.multinomial(share_BV, 1, generator=draw)
    return order_BV.gather(1, place_B1).ravel().tolist()


def signature(settings: dict[str, Any]) -> ModelSignature:
    chosen = DEFAULTS | settings["params"]
    params = [
        ParamSpec(name, "long" if isinstance(default, int) else "double", type(default)(chosen[name]))
        for name, default in DEFAULTS.items()
    ]
    return ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("string")]), ParamSchema(params))


def example(settings: dict[str, Any]) -> list[str]:
    return settings["example"]


set_model(Writer())
