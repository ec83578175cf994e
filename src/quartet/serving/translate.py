"""Sentences to their translations. MLflow keeps this file beside the exported programs.

Shapes: B sentences, K beams, S and T lengths of source and target, V vocabulary.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema
from tokenizers import Tokenizer
from torch.utils import _pytree as pytree

PACKAGES = ("torch", "numpy", "pandas", "tokenizers")
DEFAULTS = {"beams": 4, "length_penalty": 1.0, "max_ratio": 1.5, "max_extra": 10}
PAD, BOS, EOS, UNK = 0, 1, 2, 3


class Translator(PythonModel):
    """Sentences, one or several → translations.

    Params: `beams` (1: greedy), `length_penalty` (alpha: a hypothesis' log-probability is divided by
    ((5 + length) / 6)^alpha; Wu et al. 2016); at most `max_ratio` × the source's tokens + `max_extra` tokens, and
    never more than the data's longest sentence has. Unless given, they are as in the evaluation of the run.
    """

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        settings = json.loads((folder / "settings.json").read_text())
        self.context, self.params = settings["context"], DEFAULTS | settings["params"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.encode = torch.export.load(folder / "encode.pt2").module()
        self.decode = torch.export.load(folder / "decode.pt2").module()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[str]:
        chosen = self.params | (params or {})
        sentences = [str(sentence) for sentence in np.asarray(model_input).ravel()]
        with torch.inference_mode():
            return [self.tokenizer.decode(self._search(sentence, chosen)) for sentence in sentences]

    def _search(self, sentence: str, chosen: dict[str, Any]) -> list[int]:
        """Beam search: the ids of the best hypothesis, by its log-probability divided by the length penalty."""
        source = [*self.tokenizer.encode(sentence).ids[: self.context - 1], EOS]
        beams = max(1, int(chosen["beams"]))
        memory = pytree.tree_map(
            lambda leaf: leaf.repeat_interleave(beams, 0) if isinstance(leaf, torch.Tensor) else leaf,
            self.encode(torch.tensor([source])),
        )
        target_KT = torch.full((beams, 1), BOS)
        score_K = torch.tensor([0.0] + [-torch.inf] * (beams - 1))  # one beam at first, since all are alike
        finished: list[tuple[float, list[int]]] = []
        limit = min(math.ceil(chosen["max_ratio"] * len(source)) + int(chosen["max_extra"]), self.context)
        for length in range(1, limit + 1):
            penalty = ((5.0 + length) / 6.0) ** chosen["length_penalty"]
            logits_KV = self.decode(target_KT, memory)[:, -1]
            logits_KV[:, [PAD, BOS, UNK]] = -torch.inf
            total_KV = score_K[:, None] + logits_KV.log_softmax(-1)
            finished += [
                (float(total_KV[k, EOS]) / penalty, target_KT[k, 1:].tolist())
                for k in range(beams)
                if int(total_KV[k].argmax()) == EOS or EOS in total_KV[k].topk(beams).indices
            ]
            total_KV[:, EOS] = -torch.inf
            score_K, place_K = total_KV.ravel().topk(beams)
            target_KT = torch.cat((target_KT[place_K // total_KV.shape[1]], (place_K % total_KV.shape[1])[:, None]), 1)
            if len(finished) >= beams and max(finished)[0] >= float(score_K[0]) / penalty:
                break
        return max(finished)[1] if finished else target_KT[0, 1:].tolist()


def signature(settings: dict[str, Any]) -> ModelSignature:
    chosen = DEFAULTS | settings["params"]
    params = [
        ParamSpec(name, "long" if isinstance(default, int) else "double", type(default)(chosen[name]))
        for name, default in DEFAULTS.items()
    ]
    return ModelSignature(Schema([ColSpec("string")]), Schema([ColSpec("string")]), ParamSchema(params))


def example(settings: dict[str, Any]) -> list[str]:
    return settings["example"]


set_model(Translator())
