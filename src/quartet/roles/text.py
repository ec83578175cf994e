"""Shared parts of the text roles: the description, a portable tokenizer, and the given command-line options."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from quartet.roles.role import Role
from quartet.types import UNK, QuartetError, Tokens

if TYPE_CHECKING:
    import argparse

    import tokenizers
    from torch import Tensor

EXAMPLE = ("The cat eats",)
CONVERT = "convert it first, as by iconv -f latin1 -t utf-8"


class TextRole(Role):
    """The abstract role of a model of texts, which carries its tokenizer."""

    def describe(  # type: ignore[override]
        self,
        *,
        outputs: Tokens,
        tokenizer: Path,
        example: Sequence[str] = EXAMPLE,
        params: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Return the description of a model of texts.

        Args:
            tokenizer: the data's tokenizer.json.
            example: sentences that show how to use the model.
            params: how the task decodes, as the defaults of `predict`; None keeps the script's defaults.
        """
        engine = portable(json.loads(tokenizer.read_text(encoding="utf-8")))
        described = {"vocabulary": outputs.vocabulary, "context": outputs.context, "example": list(example)}
        return {**described, "params": dict(params or {}), "tokenizer": json.loads(engine.to_str())}


def tokens_of(described: Mapping[str, Any]) -> Tokens:
    """Return the vocabulary and context of a description."""
    return Tokens(vocabulary=described["vocabulary"], context=described["context"])


def example_ids(tokens: Tokens, batch: int, length: int) -> Tensor:
    """Return token ids (batch, length), without reserved ids; at most as long as the context."""
    import torch

    ids = torch.arange(batch * min(length, tokens.context)) * 7 % (tokens.vocabulary - UNK) + UNK
    return ids.reshape(batch, -1)


def given(chosen: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options `names` that were typed."""
    return {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}


def standard_input() -> TextIO:
    """Return standard input as UTF-8 with or without a byte order mark, whatever encoding the system has set.

    Bytes that are not UTF-8 become surrogates, which `checked_text` refuses.
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")
    return sys.stdin


def lines() -> Iterator[str]:
    """Yield the lines of standard input."""
    for line in standard_input():
        yield line.rstrip("\r\n")


def checked_text(text: str) -> str:
    """Return a text that a person typed or piped; QuartetError for one that was not UTF-8."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace").strip()
        raise QuartetError(f"{shown if len(shown) < 60 else shown[:57] + '…'}: not UTF-8; {CONVERT}")
    return text


def portable(data: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """Return the data's tokenizer (kind, tokens, merges, spaced) as a `tokenizers.Tokenizer`, which loads anywhere."""
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
