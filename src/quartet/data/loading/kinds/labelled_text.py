"""The kind `labelled_text`: texts, one label each, padded to the longest of a batch."""

from __future__ import annotations

from functools import cached_property
from itertools import islice

from quartet.data.loading.examples import TextExamples
from quartet.data.loading.kinds.kind import Kind
from quartet.data.loading.streams import Batch, Training
from quartet.data.loading.tokenizer import Tokenizer
from quartet.types import Classes, Tokens


class LabelledTextKind(Kind):
    """Flat arrays of tokens with offsets, and labels; the manifest has `vocabulary`, `longest`, `classes`, `examples`.

    A batch has as many tokens as its longest text, so that batches of equally many examples differ in size.
    """

    LIKE = ("labelled_text",)
    TOKENIZER = "tokenizer.json"

    @property
    def inputs(self) -> Tokens:
        return Tokens(vocabulary=self.manifest["vocabulary"], context=self.manifest["longest"])

    @property
    def outputs(self) -> Classes:
        return Classes(names=tuple(self.manifest["classes"]))

    @property
    def fixed(self) -> bool:
        return False

    def reader(self, split: str, *, limit: int | None, seed: int) -> TextExamples:
        return TextExamples(self.folder, split, limit=limit, seed=seed)

    def typical(self, batches: Training) -> Batch:
        """Return the batch of an epoch whose number of tokens is nearest to the mean; the first of several."""
        epoch = list(islice(batches, batches.per_epoch))
        mean = sum(batch["x"].numel() for batch in epoch) / len(epoch)
        return min(epoch, key=lambda batch: abs(batch["x"].numel() - mean))

    def words(self, batch: Batch) -> list[str]:
        return [self._engine.decode(row) for row in batch["x"].tolist()]

    @cached_property
    def _engine(self) -> Tokenizer:
        return Tokenizer.load(self.folder / self.TOKENIZER)
