"""Translate sentences. MLflow stores this file with the exported programs.

Shapes: K beams, S and T lengths of source and target, V vocabulary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
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
PROGRAMS = ("encode", "decode", "step")
DEFAULTS = {"num_beams": 4, "length_penalty": 1.0, "max_ratio": 1.5, "max_extra": 10}
PAD, BOS, EOS, UNK = 0, 1, 2, 3
RANGES = {"num_beams": (1, 64), "length_penalty": (0, 10), "max_ratio": (0, 1e6), "max_extra": (0, 1e6)}


class Translator(PythonModel):
    """Map sentences to translations.

    Params: `num_beams` (1: greedy), `length_penalty` (alpha: a hypothesis' log-probability is divided by ((5 + length)
    / 6)^alpha; Wu et al. 2016); at most `max_ratio` × the source's tokens + `max_extra` tokens, and never more than the
    longest sentence of the data. Defaults are the settings of the run's evaluation.
    """

    def load_context(self, context: Any) -> None:
        """Load the description and the programs from MLflow's artifacts."""
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {name: torch.export.load(folder / f"{name}.pt2").module() for name in PROGRAMS})

    def use(self, described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> None:
        """Set the description and the programs."""
        self.context, self.params = described["context"], DEFAULTS | described["params"]
        self.tokenizer = Tokenizer.from_str(json.dumps(described["tokenizer"]))
        self.encode, self.decode, self.step = (programs[name] for name in PROGRAMS)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[str]:
        """Return the translation of each sentence."""
        chosen = checked(self.params | (params or {}))
        sources = [self._source(sentence) for sentence in sentences_of(model_input)]
        return [self.tokenizer.decode(self._search(source, chosen)) for source in sources]

    def _source(self, sentence: str) -> list[int]:
        """Return the ids of a sentence with EOS. Raises MlflowException for an empty or too long one."""
        ids = self.tokenizer.encode(sentence).ids
        if not sentence.strip() or len(ids) >= self.context:
            most = self.context - 1
            raise MlflowException.invalid_parameter_value(
                f"{sentence[:40]!r} has {len(ids) if sentence.strip() else 0} tokens; 1 to {most}, as in training, "
                "would do: give one sentence at a time"
            )
        return [*ids, EOS]

    def _limit(self, source: list[int], chosen: Mapping[str, Any]) -> int:
        """Return the most tokens of a translation: the params' limit, but no more than context or evaluation allow."""
        asked, evaluated = (
            math.ceil(params["max_ratio"] * len(source)) + int(params["max_extra"]) for params in (chosen, self.params)
        )
        return min(asked, max(evaluated, self.context))

    @torch.inference_mode()
    def _search(self, source: list[int], chosen: Mapping[str, Any]) -> list[int]:
        """Return the ids of the hypothesis with the highest log p / length penalty, by the evaluation's beam search.

        A finished hypothesis keeps its place among the beams. The search ends when no unfinished hypothesis can beat
        the best, even with certain tokens from here on.
        """
        beams = int(chosen["num_beams"])
        limit = self._limit(source, chosen)
        memory = rows(self.encode(torch.tensor([source])), torch.zeros(beams, dtype=torch.long))
        text_KT = torch.full((beams, 1), BOS)
        score_K = torch.tensor(
            [0.0] + [-math.inf] * (beams - 1), dtype=torch.float64
        )  # all begin alike, so that only the first counts
        best, best_score, ended = text_KT[0, 1:], -math.inf, 0
        logits_KV, state = self.decode(text_KT, memory)
        for length in range(1, limit + 1):
            log_p_KV = logits_KV.float().log_softmax(-1)
            log_p_KV[:, [PAD, BOS, UNK]] = -math.inf
            if length == limit:
                log_p_KV[:, EOS + 1 :] = -math.inf
            score_K, place_K = (score_K[:, None] + log_p_KV).ravel().topk(beams)
            score_K[beams - ended :] = -math.inf
            parent_K, token_K = place_K // log_p_KV.shape[1], place_K % log_p_KV.shape[1]
            text_KT = torch.cat((text_KT[parent_K], token_K[:, None]), 1)
            ends_K = (token_K == EOS) & (score_K > -math.inf)
            final_K = (score_K / penalty(length, chosen)).masked_fill(~ends_K, -math.inf)
            if float(final_K.max()) > best_score:
                best, best_score = text_KT[final_K.argmax(), 1:-1], float(final_K.max())
            ended += int(ends_K.sum())
            score_K = score_K.masked_fill(ends_K, -math.inf)
            if float(score_K.max()) / penalty(limit, chosen) <= best_score:
                break
            logits_KV, state = self.step(token_K[:, None], memory, rows(state, parent_K))
        return best.tolist()


def penalty(length: int, chosen: Mapping[str, Any]) -> float:
    """Return the divisor of a log-probability for this length."""
    return float(((5.0 + length) / 6.0) ** chosen["length_penalty"])


def rows(tree: Any, rows_K: Tensor) -> Any:
    """Return a memory or a state with the batch rows `rows_K`, reordered or repeated."""
    return pytree.tree_map(lambda leaf: leaf.index_select(0, rows_K), tree)


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
        if chosen[name] is None or not least <= chosen[name] <= most:
            raise MlflowException.invalid_parameter_value(f"{name}: {chosen[name]} given; {least} to {most:g} would do")
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


set_model(Translator())
