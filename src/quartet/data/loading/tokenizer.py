"""Text to token ids and back, without loss: subwords over bytes, or single characters."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from quartet.types import BOS, EOS, PAD, UNK, QuartetError

Kind = Literal["subword", "character"]
RESERVED = ("<pad>", "<bos>", "<eos>", "<unk>")
BYTES = 256


class Tokenizer:
    """A thin wrapper over `tokenizers`; ids 0 to 3 are PAD, BOS, EOS and UNK.

    subword: byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909; bytes as in GPT-2), `decode(encode(s)) == s` for
    any text. character: one id for each character of the training text; any other becomes UNK and is lost.
    `spaced` treats a text's first word as one in the middle of a sentence, so that both share their tokens.
    """

    def __init__(self, *, kind: Kind, tokens: Sequence[str], merges: Sequence[Sequence[str]], spaced: bool) -> None:
        from tokenizers import Tokenizer as Engine
        from tokenizers import decoders, models, pre_tokenizers

        self.kind = kind
        self.spaced = spaced
        self._facts = {"kind": kind, "tokens": list(tokens), "merges": [list(pair) for pair in merges]}
        self._ids = {token: i for i, token in enumerate(tokens)}
        self._tokens = list(tokens)
        if kind == "subword":
            self._engine = Engine(models.BPE(vocab=self._ids, merges=[(a, b) for a, b in merges]))
            self._engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            self._engine.decoder = decoders.ByteLevel()

    @property
    def vocabulary(self) -> int:
        """How many ids there are, the reserved ones included."""
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without BOS and EOS."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without BOS and EOS."""
        if self.kind == "character":
            return [[self._ids.get(character, UNK) for character in text] for text in texts]
        start = " " if self.spaced else ""
        encoded = self._engine.encode_batch([start + text for text in texts], add_special_tokens=False)
        return [one.ids for one in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; PAD, BOS and EOS are left out, UNK is shown as U+FFFD."""
        if self.kind == "character":
            pieces = ("\ufffd" if i == UNK else self._tokens[i] for i in ids if i not in (PAD, BOS, EOS))
            return "".join(pieces)
        text = self._engine.decode([i for i in ids if i > UNK], skip_special_tokens=False)
        return text[1:] if self.spaced and text.startswith(" ") else text

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({**self._facts, "spaced": self.spaced}, ensure_ascii=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def train_tokenizer(texts: Iterable[str], *, kind: Kind, vocabulary: int, spaced: bool = False) -> Tokenizer:
    """Learn the tokens of `texts` (the training split alone); `vocabulary` counts them, the reserved and the 256 bytes
    included, and is the limit for characters: the rarest beyond it become UNK."""
    if kind == "character":
        return _characters(texts, vocabulary)
    if vocabulary < BYTES + len(RESERVED):
        least = BYTES + len(RESERVED)
        raise QuartetError(
            f"data.source.vocabulary: {vocabulary} subwords; at least {least}, the single bytes, would do"
        )
    from tokenizers import Tokenizer as Engine
    from tokenizers import models, pre_tokenizers, trainers

    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(RESERVED),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # A child of a fork after this warns and turns itself serial unless the choice is explicit.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    engine.train_from_iterator(((" " + text if spaced else text) for text in texts), trainer)
    learned: dict[str, Any] = json.loads(engine.to_str())["model"]
    tokens = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in learned["merges"]]
    return Tokenizer(kind=kind, tokens=tokens, merges=merges, spaced=spaced)


def _characters(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    counts: dict[str, int] = {}
    for text in texts:
        for character in set(text):
            counts[character] = counts.get(character, 0) + text.count(character)
    room = vocabulary - len(RESERVED)
    if room < 1:
        raise QuartetError(
            f"data.source.vocabulary: {vocabulary} characters, four of them reserved; 5 or more would do"
        )
    common = sorted(counts, key=lambda character: (-counts[character], character))[:room]
    return Tokenizer(kind="character", tokens=[*RESERVED, *sorted(common)], merges=[], spaced=False)
