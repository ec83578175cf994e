"""Write running text, one stream of tokens for each split with its number of characters; and texts with labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import SPLITS, write_array
from quartet.data.loading.tokenizer import Kind, train_tokenizer
from quartet.data.preparing.pairs import write_ragged
from quartet.types import BOS, QuartetError

BETWEEN = "\n\n"  # between two documents of a stream
PIECE = 1 << 16  # characters encoded at once


def cut(text: str, *, validation: float, test: float) -> dict[str, str]:
    """Return a document in three contiguous parts: training, validation and test."""
    first = round(len(text) * (1 - validation - test))
    second = round(len(text) * (1 - test))
    return {"train": text[:first], "val": text[first:second], "test": text[second:]}


def write_text(staging: Path, documents: Mapping[str, Sequence[str]], *, kind: Kind, vocabulary: int) -> dict[str, Any]:
    """Write each split's documents as one stream: BOS, then tokens, so that every token of the text is a target once.

    Return the manifest's entries: vocabulary, tokens and characters of each split. A split's bits per character are the
    sum of -log2 p over its targets, divided by its characters.
    """
    texts = {split: BETWEEN.join(part for part in documents[split] if part) for split in SPLITS}
    for split, text in texts.items():
        if not text.strip():
            raise QuartetError(f"the {split} split has no text; give more text, or a larger share for {split}")
    tokenizer = train_tokenizer(_pieces(texts["train"]), kind=kind, vocabulary=vocabulary)
    tokenizer.save(staging / "tokenizer.json")
    counts = {}
    for split, text in texts.items():
        pieces = tokenizer.encode_all(_pieces(text))
        stream = np.fromiter((i for piece in ([BOS], *pieces) for i in piece), dtype=np.uint16)
        write_array(staging / f"tokens_{split}.npy", stream)
        counts[split] = len(stream) - 1
    return {
        "tokenizer": kind,
        "vocabulary": tokenizer.vocabulary,
        "tokens": counts,
        "characters": {split: len(text) for split, text in texts.items()},
    }


def write_labelled(
    staging: Path,
    splits: Mapping[str, tuple[Sequence[str], np.ndarray]],
    *,
    classes: Sequence[str],
    kind: Kind,
    vocabulary: int,
    longest: int,
) -> tuple[dict[str, Any], int]:
    """Write each split's texts and labels (N,); a text keeps its first `longest` tokens.

    Return the manifest's entries, and how many texts were cut.
    """
    tokenizer = train_tokenizer(splits["train"][0], kind=kind, vocabulary=vocabulary, spaced=kind == "subword")
    tokenizer.save(staging / "tokenizer.json")
    most = cut_short = 0
    for split, (texts, labels) in splits.items():
        rows = tokenizer.encode_all(texts)
        cut_short += sum(len(row) > longest for row in rows)
        most = max(most, *(min(len(row), longest) for row in rows))
        write_ragged(staging, f"x_{split}", [row[:longest] for row in rows])
        write_array(staging / f"y_{split}.npy", labels.astype(np.int64))
    facts = {"tokenizer": kind, "vocabulary": tokenizer.vocabulary, "longest": most, "classes": list(classes)}
    return {**facts, "examples": {split: len(splits[split][0]) for split in SPLITS}}, cut_short


def tidy(text: str) -> str:
    """Return the text without blanks at line ends, and with at most one empty line in a row."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", lines)).strip()


def _pieces(text: str) -> list[str]:
    """Cut before line ends after at least PIECE characters: no token spans such a cut."""
    cuts = [0]
    while cuts[-1] + PIECE < len(text):
        found = re.compile(r"(?<=\S)\n(?=\S)").search(text, cuts[-1] + PIECE)
        if found is None:
            break
        cuts.append(found.start())
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]
