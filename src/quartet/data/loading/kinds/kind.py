"""The abstract kind of data: its inputs, its outputs, and how to read and count its batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from quartet.data.loading.streams import Batch, Reader, Training


class Kind(ABC):
    """A prepared data set of one kind: everything that differs between kinds is here.

    The constants are literals, because the check of a configuration reads them from the source without importing it.
    """

    # Required keys of data.loading, each with the reason and a possible value.
    NEEDS: ClassVar[dict[str, tuple[str, Any]]] = {}
    # Kinds that this one can replace in a task, as its batches have all of their entries.
    LIKE: ClassVar[tuple[str, ...]] = ()
    # Whether `data.loading.augment` applies to training batches; their `x` must be images of bytes.
    AUGMENTED: ClassVar[bool] = False
    # None: a batch holds `batch_size` examples. A number: it holds as many groups of this many examples as fit into
    # `batch_size` of the kind's unit (see `size`). Devices and micro-batches share a group.
    GROUP: ClassVar[int | None] = None
    # The file in the prepared folder that holds the tokenizer.
    TOKENIZER: ClassVar[str | None] = None

    def __init__(self, folder: Path, manifest: dict[str, Any], *, context: int | None) -> None:
        self.folder, self.manifest, self.context = folder, manifest, context
        self.name: str = manifest["kind"]

    @property
    @abstractmethod
    def inputs(self) -> Any:
        """Return the spec of a net's inputs: a type of quartet.types, or one of your own."""

    @property
    @abstractmethod
    def outputs(self) -> Any:
        """Return the spec of a net's outputs."""

    @abstractmethod
    def reader(self, split: str, *, limit: int | None, seed: int) -> Reader:
        """Return a reader of a split; of training, at most `limit` examples, chosen by `seed`."""

    @property
    def tokenizer(self) -> Path | None:
        """Return the tokenizer's file, None for a kind without tokenizer."""
        return self.folder / self.TOKENIZER if self.TOKENIZER else None

    @property
    def fixed(self) -> bool:
        """Return whether all training batches have one shape: exactly `batch_size` examples, all of one size."""
        return self.GROUP is None

    def size(self, batch: Batch) -> int:
        """Return the size of a batch in the unit of `batch_size`: examples, unless a kind overrides this."""
        return int(batch["samples"])

    def first(self, batch: Batch, count: int) -> Batch:
        """Return the first `count` examples of a batch."""
        import torch

        cut = {key: value[:count] if torch.is_tensor(value) else value for key, value in batch.items()}
        return {**cut, "samples": min(count, batch["samples"])}

    def typical(self, batches: Training) -> Batch:
        """Return the training batch for counting operations, the same for every seed. If batches have unequal sizes,
        it is the batch of an epoch whose size is nearest to the mean."""
        if self.fixed:
            return batches.batch(0)
        sizes = [batches.examples(i) for i in range(batches.per_epoch)]
        mean = sum(sizes) / len(sizes)
        return batches.batch(min(range(len(sizes)), key=lambda i: abs(sizes[i] - mean)))

    def words(self, batch: Batch) -> list[str] | None:
        """Return the examples of a batch as texts for a person; None for a kind whose examples are no texts."""
        return None

    @classmethod
    def stand_in(cls, folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
        """Write blank files into `folder`, from a source's `foreseen` facts, in place of data that is not prepared yet.

        Return the manifest's entries other than `facts`; None, without any file, if blank files cannot stand in.
        """
        return None
