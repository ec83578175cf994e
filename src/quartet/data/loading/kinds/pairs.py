"""The kind `pairs`: sentences of two languages, batched by length."""

from __future__ import annotations

from quartet.data.loading.kinds.kind import Kind
from quartet.data.loading.sentences import MULTIPLE, Sentences
from quartet.data.loading.streams import Batch
from quartet.types import Tokens


class PairsKind(Kind):
    """Flat arrays of tokens with offsets; `batch_size` counts target tokens to predict, padding included."""

    LIKE = ("pairs",)
    GROUP = MULTIPLE
    TOKENIZER = "tokenizer.json"

    @property
    def inputs(self) -> Tokens:
        return Tokens(vocabulary=self.manifest["vocabulary"], context=self.manifest["longest"])

    @property
    def outputs(self) -> Tokens:
        return self.inputs

    def reader(self, split: str, *, limit: int | None, seed: int) -> Sentences:
        return Sentences(self.folder, split, limit=limit, seed=seed)

    def size(self, batch: Batch) -> int:
        return int(batch["target"][:, 1:].numel())
