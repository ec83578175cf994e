"""What the roles of texts share: their description, the tokenizer as one that loads anywhere, and what is typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import UNK, Tokens

if TYPE_CHECKING:
    import argparse

    import tokenizers
    from torch import Tensor

EXAMPLE = ("The cat eats",)


def describe(
    outputs: Tokens, tokenizer: Path, example: Sequence[str], params: Mapping[str, float] | None
) -> dict[str, Any]:
    """The description of a model of texts.

    Args:
        tokenizer: the data's tokenizer.json.
        example: sentences to show how the model is used.
        params: how the task decodes, as the defaults of `predict`; else those of the script.
    """
    engine = portable(json.loads(tokenizer.read_text(encoding="utf-8")))
    described = {"vocabulary": outputs.vocabulary, "context": outputs.context, "example": list(example)}
    return {**described, "params": dict(params or {}), "tokenizer": json.loads(engine.to_str())}


def tokens_of(described: Mapping[str, Any]) -> Tokens:
    return Tokens(vocabulary=described["vocabulary"], context=described["context"])


def example_ids(tokens: Tokens, batch: int, length: int) -> Tensor:
    """Token ids (batch, length), none of them reserved; no longer than the context."""
    import torch

    ids = torch.arange(batch * min(length, tokens.context)) * 7 % (tokens.vocabulary - UNK) + UNK
    return ids.reshape(batch, -1)


def given(chosen: argparse.Namespace, *names: str) -> dict[str, Any]:
    """What was typed, without what was not."""
    return {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}


def portable(data: Mapping[str, Any]) -> tokenizers.Tokenizer:
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
