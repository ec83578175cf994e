"""The kind `text`: one stream of tokens for each split, read in windows."""

from __future__ import annotations

from typing import ClassVar

from quartet.data.loading.kinds.kind import Kind
from quartet.data.loading.windows import Windows
from quartet.types import Tokens


class TextKind(Kind):
    """Files `tokens_<split>.npy`; an example is a window of `context` tokens."""

    LIKE = ("text",)
    NEEDS: ClassVar = {"context": ("text is read in windows", 256)}
    TOKENIZER = "tokenizer.json"

    @property
    def inputs(self) -> Tokens:
        assert self.context is not None
        return Tokens(vocabulary=self.manifest["vocabulary"], context=self.context)

    @property
    def outputs(self) -> Tokens:
        return self.inputs

    def reader(self, split: str, *, limit: int | None, seed: int) -> Windows:
        assert self.context is not None
        return Windows(self.folder, split, context=self.context, limit=limit)
