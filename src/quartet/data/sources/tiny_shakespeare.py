"""Tiny Shakespeare: Karpathy (2015), the text of char-rnn and nanoGPT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.places import Address, Folder, Place
from quartet.data.preparing.source import Source
from quartet.data.preparing.text import write_text

UPSTREAM = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
DIGEST = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class TinyShakespeare(Source):
    """1,115,394 characters: the first 90 % train and the last 10 % validate, as in nanoGPT.

    There is no third part: `test` is the validation text again. So a test metric is of the text that chose the weights.
    """

    KIND = "text"
    LICENCE = "public domain; collected by Andrej Karpathy (MIT)"
    ORIGIN = "tiny_shakespeare of char-rnn"
    FETCHED_MB = 1.1

    def __init__(self, *, tokenizer: Kind, vocabulary: int, mirror: str | None = None) -> None:
        self.tokenizer: Kind = tokenizer
        self.vocabulary = vocabulary
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "tiny_shakespeare")]
        places.append(Address(UPSTREAM))
        text = fetch(downloads / "input.txt", digests=[DIGEST], places=places).read_text(encoding="utf-8")
        first = int(len(text) * 0.9)
        documents = {"train": [text[:first]], "val": [text[first:]], "test": [text[first:]]}
        fields = write_text(staging, documents, kind=self.tokenizer, vocabulary=self.vocabulary)
        return {**fields, "test_is_val": True}
