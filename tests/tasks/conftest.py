"""Data that fits in a hand: what a task asks of a DataModule, over a list of batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import running
import torch
from torch import Tensor

from quartet.nets import Net
from quartet.types import Classes, Pixels, Tokens

Batch = dict[str, Any]


class Letters:
    """One token for each letter, after the four reserved ids."""

    LETTERS = " abcdefghijklmnopqrstuvwxyz"

    def encode(self, text: str) -> list[int]:
        return [4 + self.LETTERS.index(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(self.LETTERS[i - 4] for i in ids if i > 3)


@dataclass
class Data:
    inputs: Any
    outputs: Any
    splits: dict[str, list[Batch]]
    key: str
    tokenizer: Any = None
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Any:
        return self

    def words(self, batch: Batch) -> list[str] | None:
        """The examples as texts, where a tokenizer is there; what a Kind says."""
        return None if self.tokenizer is None else [self.tokenizer.decode(row) for row in batch["x"].tolist()]

    def gather(self, split: str, index: Any) -> Batch:
        """Rows of the whole split, padded alike."""
        rows_ = [row for batch in self.splits[split] for row in batch[self.key]]
        chosen = [rows_[i] for i in index]
        return {self.key: torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True) if chosen else torch.zeros(0)}

    @property
    def examples(self) -> dict[str, int]:
        return {split: sum(len(batch[self.key]) for batch in batches) for split, batches in self.splits.items()}

    @property
    def per_epoch(self) -> int:
        return len(self.splits["train"])

    def batches(self, split: str, *, rank: int = 0, world: int = 1, seed: int = 0, start: int = 0) -> Batches:
        return Batches(self.splits[split])


def rows(batch: Batch, start: int, end: int) -> Batch:
    return {key: value[start:end] if isinstance(value, Tensor) else value for key, value in batch.items()}


def cut(batch: Batch, *sizes: int) -> list[Batch]:
    """The batch in several, of the given sizes."""
    starts = torch.tensor([0, *sizes]).cumsum(0).tolist()
    return [rows(batch, start, start + size) for start, size in zip(starts, sizes, strict=False)]


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Net]:
    """A family as it is configured, but small, and with what is asked to be different."""

    def make(family: str, **changes: Any) -> Net:
        return running.recipe(family, **{"width": 16, "layers": 2, "heads": 2, "dropout": 0.0} | changes)

    return make


@pytest.fixture
def assert_adds() -> Any:
    """Checks that a task's sums over a batch are those over its parts, to the rounding of float64."""

    def check(task: Any, model: Any, batch: Batch, *sizes: int) -> None:
        whole = task.measure(model, batch)
        parts = [task.measure(model, part) for part in cut(batch, *sizes)]
        for name, value in whole.items():
            assert value.dtype == torch.float64
            torch.testing.assert_close(sum(part[name] for part in parts), value, rtol=1e-12, atol=1e-9)

    return check


@pytest.fixture
def images() -> Data:
    """Squares of noise in three classes, 12 × 12."""
    draw = torch.Generator().manual_seed(0)

    def batch(size: int) -> Batch:
        x = torch.randint(0, 256, (size, 12, 12, 1), generator=draw, dtype=torch.uint8)
        return {"x": x, "y": torch.randint(0, 3, (size,), generator=draw), "count": size}

    splits = {"train": [batch(40), batch(40)], "val": [batch(30), batch(10)], "test": [batch(30), batch(40)]}
    number(splits)
    pixels = Pixels(height=12, width=12, channels=1, mean=(127.5,), std=(74.0,))
    return Data(pixels, Classes(names=("a", "b", "c")), splits, "x")


class Batches(list[Batch]):
    """All batches of a split, which say how many they are, as those of a DataModule do."""

    @property
    def per_epoch(self) -> int:
        return len(self)


def number(splits: dict[str, list[Batch]]) -> None:
    """Give each example its place in its split."""
    for batches in splits.values():
        start = 0
        for batch in batches:
            batch["index"] = torch.arange(start, start + len(batch["y"]))
            start += len(batch["y"])


@pytest.fixture
def labelled() -> Data:
    """Words of two classes, which their first letter tells, in batches that are padded to different lengths."""
    draw = torch.Generator().manual_seed(3)

    def batch(size: int, longest: int) -> Batch:
        lengths = torch.randint(1, longest + 1, (size,), generator=draw)
        x = torch.randint(5, 31, (size, longest), generator=draw)
        y = torch.arange(size) % 2
        x[:, 0] = torch.where(y == 0, 5, 6)
        x = x.masked_fill(torch.arange(longest) >= lengths[:, None], 0)
        return {"x": x, "y": y, "count": size}

    splits = {"train": [batch(40, 9)], "val": [batch(20, 7)], "test": [batch(10, 4), batch(12, 8)]}
    number(splits)
    return Data(Tokens(vocabulary=31, context=9), Classes(names=("a", "b")), splits, "x", Letters())


@pytest.fixture
def text() -> Data:
    """A stream of letters in windows of 8, the second half of which is scored."""
    stream = torch.randint(4, 31, (400,), generator=torch.Generator().manual_seed(1))
    tokens = stream.unfold(0, 9, 4)
    scored = torch.ones(len(tokens), 8, dtype=torch.bool)
    scored[1:, :4] = False
    batch = {"tokens": tokens, "scored": scored, "count": int(scored.sum())}
    counts = {"tokens": {"test": int(scored.sum())}, "characters": {"test": int(scored.sum())}}
    specification = Tokens(vocabulary=31, context=8)
    return Data(specification, specification, {"test": cut(batch, 30, len(tokens) - 30)}, "tokens", Letters(), counts)


@pytest.fixture
def pairs() -> Data:
    """Words and their reverse."""
    draw = torch.Generator().manual_seed(2)
    letters = [torch.randint(5, 31, (n,), generator=draw).tolist() for n in (3, 5, 4, 6, 2, 5, 3)]

    def pad(ids: list[int], length: int) -> list[int]:
        return ids + [0] * (length - len(ids))

    source = torch.tensor([pad([*word, 2], 7) for word in letters])
    target = torch.tensor([pad([1, *reversed(word), 2], 8) for word in letters])
    index = torch.arange(len(letters))
    batch = {"source": source, "target": target, "index": index, "count": sum(len(word) + 1 for word in letters)}
    specification = Tokens(vocabulary=31, context=8)
    return Data(specification, specification, {"test": cut(batch, 4, 3)}, "source", Letters())
