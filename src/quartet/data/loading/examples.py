"""Labelled examples, images, series or texts: one gather of rows makes a batch.

Shapes: B batch, H height, W width, C channels, L length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch

from quartet.data.loading.files import read_array, shuffled
from quartet.data.loading.sentences import Ragged
from quartet.data.loading.streams import ORDER, Batch, EndlessPlan, Plan, SequentialPlan, check_shareable, subset


class Labelled(ABC):
    """Batches with `x`, as a subclass gathers it, and `y` int64 (B,).

    In evaluation `index` (B,) holds the examples' places in the split.
    """

    def __init__(self, folder: Path, split: str, *, limit: int | None = None, seed: int = 0) -> None:
        self._y = torch.from_numpy(read_array(folder / f"y_{split}.npy"))
        self._used = subset(len(self._y), limit, seed=seed)
        self.examples = len(self._used)

    @abstractmethod
    def _x(self, chosen: np.ndarray, share: slice) -> torch.Tensor:
        """Return the inputs of `chosen[share]`, in one shape for all shares of `chosen`."""

    def training(self, *, batch_size: int, world: int, seed: int) -> Plan:
        """Return the plan of endless shuffled epochs."""
        check_shareable(batch_size, world)
        return EndlessPlan(
            examples=self.examples,
            batch_size=batch_size,
            order=lambda epoch: self._used[shuffled(self.examples, seed=(seed, ORDER, epoch))],
        )

    def evaluation(self, *, batch_size: int, world: int) -> Plan:
        """Return the plan of one pass in order."""
        return SequentialPlan(examples=self.examples, batch_size=batch_size, world=world)

    def gather(self, chosen: np.ndarray, share: slice, *, training: bool) -> Batch:
        """Return the examples `chosen[share]` as a batch."""
        index = torch.from_numpy(chosen[share])
        batch: Batch = {
            "x": self._x(chosen, share),
            "y": self._y.index_select(0, index),
            "count": len(chosen),
            "samples": len(chosen),
        }
        return batch if training else {**batch, "index": index}


class Examples(Labelled):
    """Batches with `x` uint8 (B, H, W, C) or float32 (B, L, C), and `y` int64 (B,)."""

    def __init__(self, folder: Path, split: str, *, limit: int | None = None, seed: int = 0) -> None:
        super().__init__(folder, split, limit=limit, seed=seed)
        x = torch.from_numpy(read_array(folder / f"x_{split}.npy"))
        self._shape = x.shape[1:]
        self._rows = x.reshape(len(x), -1)

    def _x(self, chosen: np.ndarray, share: slice) -> torch.Tensor:
        return self._rows.index_select(0, torch.from_numpy(chosen[share])).reshape(-1, *self._shape)


class TextExamples(Labelled):
    """Batches with `x` int64 (B, L), padded with PAD to the longest of the batch, and `y` int64 (B,)."""

    def __init__(self, folder: Path, split: str, *, limit: int | None = None, seed: int = 0) -> None:
        super().__init__(folder, split, limit=limit, seed=seed)
        self._texts = Ragged(folder, f"x_{split}")

    def _x(self, chosen: np.ndarray, share: slice) -> torch.Tensor:
        return self._texts.padded(chosen, share)
