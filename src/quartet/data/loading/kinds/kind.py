"""What every kind of data answers: what goes in and comes out, how batches are read, and what they count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from quartet.data.loading.streams import Batch, Reader, Training


class Kind(ABC):
    """A prepared data set of one kind: all that differs between kinds is asked here.

    The constants are literals, because configurations are checked by reading them from source, without importing.
    """

    # Keys of data.loading that must be given, each with the reason and a value that would do.
    NEEDS: ClassVar[dict[str, tuple[str, Any]]] = {}
    # Kinds in whose place a task takes this one: its batches hold all that theirs hold.
    LIKE: ClassVar[tuple[str, ...]] = ()
    # Whether `data.loading.augment` can change training batches, whose `x` are images of bytes then.
    AUGMENTED: ClassVar[bool] = False
    # None: a batch holds `batch_size` examples. A number: it holds as many examples as fit into `batch_size` of the
    # kind's unit (see `size`), in groups of this many, which devices and micro-batches share.
    GROUP: ClassVar[int | None] = None
    # The file in the prepared folder that holds the tokenizer.
    TOKENIZER: ClassVar[str | None] = None

    def __init__(self, folder: Path, manifest: dict[str, Any], *, context: int | None) -> None:
        self.folder, self.manifest, self.context = folder, manifest, context
        self.name: str = manifest["kind"]

    @property
    @abstractmethod
    def inputs(self) -> Any:
        """What goes into a net: a spec of quartet.types, or one of the kind's own."""

    @property
    @abstractmethod
    def outputs(self) -> Any:
        """What comes out of it."""

    @abstractmethod
    def reader(self, split: str, *, limit: int | None, seed: int) -> Reader:
        """Open a split; of training, at most `limit` examples, chosen by `seed`."""

    @property
    def tokenizer(self) -> Path | None:
        """The tokenizer's file, None where the kind has none."""
        return self.folder / self.TOKENIZER if self.TOKENIZER else None

    @property
    def fixed(self) -> bool:
        """Whether all training batches hold the same number of examples, which is `batch_size`."""
        return self.GROUP is None

    def size(self, batch: Batch) -> int:
        """How large a batch is, in the unit in which `batch_size` counts: examples, if not overridden."""
        return int(batch["samples"])

    def first(self, batch: Batch, count: int) -> Batch:
        """The first `count` examples of a batch."""
        import torch

        cut = {key: value[:count] if torch.is_tensor(value) else value for key, value in batch.items()}
        return {**cut, "samples": min(count, batch["samples"])}

    def typical(self, batches: Training) -> Batch:
        """The training batch on which operations are counted, the same for every seed. Where batches are of unequal
        size, it is the one of an epoch that is nearest to the mean."""
        if self.fixed:
            return batches.batch(0)
        sizes = [batches.examples(i) for i in range(batches.per_epoch)]
        mean = sum(sizes) / len(sizes)
        return batches.batch(min(range(len(sizes)), key=lambda i: abs(sizes[i] - mean)))

    @classmethod
    def stand_in(cls, folder: Path, facts: dict[str, Any]) -> dict[str, Any] | None:
        """Write blank files into `folder` for what a source foresees, in the place of data that is not prepared.

        Returns what the manifest says beside `facts`; None, having written nothing, where blank files would not do.
        """
        return None
