"""Text to token ids and back: subwords over bytes, without loss, or single characters."""

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
    any text. character: one id for each character of the training text; another character becomes UNK and is lost.
    `spaced` treats a text's first word like a word within a sentence, so that both have the same tokens.
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
        """Return the number of ids, the reserved ids included."""
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS and EOS."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without BOS and EOS."""
        if self.kind == "character":
            return [[self._ids.get(character, UNK) for character in text] for text in texts]
        start = " " if self.spaced else ""
        encoded = self._engine.encode_batch([start + text for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids` without PAD, BOS and EOS; UNK becomes U+FFFD."""
        if self.kind == "character":
            pieces = ("\ufffd" if i == UNK else self._tokens[i] for i in ids if i not in (PAD, BOS, EOS))
            return "".join(pieces)
        text = self._engine.decode([i for i in ids if i > UNK], skip_special_tokens=False)
        return text[1:] if self.spaced and text.startswith(" ") else text

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        path.write_text(json.dumps({**self._facts, "spaced": self.spaced}, ensure_ascii=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a tokenizer from its JSON file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def train_tokenizer(texts: Iterable[str], *, kind: Kind, vocabulary: int, spaced: bool = False) -> Tokenizer:
    """Learn the tokens of `texts`, which must be the training split alone.

    `vocabulary` is the number of tokens, reserved ids and the 256 bytes included. For characters it is the limit: the
    rarest characters beyond it become UNK.
    """
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
    # Without an explicit choice, a process forked after this warns and encodes serially.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    engine.train_from_iterator(((" " + text if spaced else text) for text in texts), trainer)
    learned: dict[str, Any] = json.loads(engine.to_str())["model"]
    tokens = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in learned["merges"]]
    return Tokenizer(kind=kind, tokens=tokens, merges=merges, spaced=spaced)


def _characters(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a character tokenizer of the most frequent characters."""
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
