"""Running text in windows: one gather of positions makes a batch.

Shapes: B batch, L context (targets of a window).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from quartet.data.loading.files import read_array, shuffled
from quartet.data.loading.streams import ORDER, PHASE, Batch, EndlessPlan, Plan, SequentialPlan, check_shareable


class Windows:
    """Batches with `tokens` int64 (B, L + 1) and `scored` bool (B, L): which of the targets `tokens[:, 1:]` count.

    Training: an epoch cuts the text into windows from a start that changes by epoch, and shuffles them. All targets
    count. Evaluation: windows overlap by half; each counts only targets that no earlier window counted. So each target
    of the split counts once, with at least half a window before it (except in the first window).
    """

    def __init__(self, folder: Path, split: str, *, context: int, limit: int | None = None) -> None:
        self._tokens = np.asarray(read_array(folder / f"tokens_{split}.npy"))
        targets = len(self._tokens) - 1
        if limit is not None:
            targets = min(targets, (limit + 1) * context - 1)
        self._targets = targets
        self._context = min(context, targets)
        self._reach = np.arange(self._context + 1)
        self._starts, self._fresh = evaluation_windows(targets, self._context)
        self.examples = max(1, (targets - self._context + 1) // self._context)

    def training(self, *, batch_size: int, world: int, seed: int) -> Plan:
        """Return the plan of endless shuffled epochs."""
        check_shareable(batch_size, world)

        def order(epoch: int) -> np.ndarray:
            slack = self._targets - self.examples * self._context
            phase = int(np.random.Philox((seed, PHASE, epoch)).random_raw()) % (slack + 1)
            return phase + self._context * shuffled(self.examples, seed=(seed, ORDER, epoch))

        return EndlessPlan(examples=self.examples, batch_size=batch_size, order=order)

    def evaluation(self, *, batch_size: int, world: int) -> Plan:
        """Return the plan of one pass in order."""
        return SequentialPlan(examples=len(self._starts), batch_size=batch_size, world=world)

    def gather(self, chosen: np.ndarray, share: slice, *, training: bool) -> Batch:
        """Return a batch; `chosen` holds starts of windows in training, numbers of overlapping windows in
        evaluation."""
        starts = chosen[share] if training else self._starts[chosen[share]]
        tokens = self._tokens[starts[:, None] + self._reach].astype(np.int64)
        fresh = np.zeros(len(starts), dtype=np.int64) if training else self._fresh[chosen[share]]
        scored = self._reach[:-1] >= fresh[:, None]
        skipped = 0 if training else int(self._fresh[chosen].sum())
        return {
            "tokens": torch.from_numpy(tokens),
            "scored": torch.from_numpy(scored),
            "count": len(chosen) * self._context - skipped,
            "samples": len(chosen),
        }


def evaluation_windows(targets: int, context: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of each window, and how many of its first targets an earlier window has counted."""
    stride = max(1, context // 2)
    starts = np.arange(0, max(targets - context, 0) + stride, stride)
    starts = np.minimum(starts, targets - context)
    ends = starts + context
    fresh = np.concatenate([[0], ends[:-1]]) - starts
    kept = fresh < context
    return starts[kept], np.maximum(fresh[kept], 0)
