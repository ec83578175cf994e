"""Write sentence pairs: tokens of both languages in flat arrays with offsets, and the plain sentences of val and
test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import SPLITS, write_array, write_json
from quartet.data.loading.tokenizer import train_tokenizer
from quartet.types import BOS, EOS, QuartetError

Pair = tuple[str, str]


def drop_seen(test: Sequence[Pair], train: Sequence[Pair]) -> list[Pair]:
    """Return the distinct pairs of `test` without a sentence that occurs in `train`."""
    sources, targets = {source for source, _ in train}, {target for _, target in train}
    return [pair for pair in dict.fromkeys(test) if pair[0] not in sources and pair[1] not in targets]


def within(pair: Pair, *, least: int, most: int) -> bool:
    """Return whether both sentences have `least` to `most` words."""
    return all(least <= len(sentence.split()) <= most for sentence in pair)


def write_pairs(
    staging: Path, splits: Mapping[str, Sequence[Pair]], *, vocabulary: int, languages: Pair, spaced: bool = True
) -> dict[str, Any]:
    """Write the splits' pairs with one joint vocabulary: source … EOS, and BOS target … EOS.

    Return the manifest's entries. Raises QuartetError for a split without pairs.
    """
    for split in SPLITS:
        if not splits[split]:
            raise QuartetError(
                f"the {split} split has no sentence pairs; give more pairs, or a larger share for {split}"
            )
    words = [sentence for pair in splits["train"] for sentence in pair]
    tokenizer = train_tokenizer(words, kind="subword", vocabulary=vocabulary, spaced=spaced)
    tokenizer.save(staging / "tokenizer.json")
    longest = 0
    for split in SPLITS:
        sources = [[*ids, EOS] for ids in tokenizer.encode_all([source for source, _ in splits[split]])]
        targets = [[BOS, *ids, EOS] for ids in tokenizer.encode_all([target for _, target in splits[split]])]
        longest = max(longest, *map(len, sources), *map(len, targets))
        write_ragged(staging, f"source_{split}", sources)
        write_ragged(staging, f"target_{split}", targets)
        write_json(staging / f"sentences_{split}.json", splits[split] if split != "train" else [])
    return {
        "languages": list(languages),
        "vocabulary": tokenizer.vocabulary,
        "longest": longest,
        "examples": {split: len(splits[split]) for split in SPLITS},
    }


def write_ragged(staging: Path, name: str, rows: Sequence[Sequence[int]]) -> None:
    """Write rows of different length as one flat array of ids, with offsets (N + 1,) of their beginnings."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    flat = np.fromiter((i for row in rows for i in row), dtype=np.uint16, count=int(offsets[-1]))
    write_array(staging / f"{name}.npy", flat)
    write_array(staging / f"{name}_offsets.npy", offsets)
