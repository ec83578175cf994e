"""Sentence pairs in batches of similar length: one padded gather from flat arrays makes a batch.

Shapes: B pairs, S source tokens, T target tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from quartet.data.loading.files import read_array, shuffled
from quartet.data.loading.streams import ORDER, Batch, Plan, check_shareable, subset
from quartet.types import PAD, QuartetError

MULTIPLE = 8  # a training batch has a multiple of 8 pairs: 1, 2, 4 or 8 devices or micro-batches share a plan
JITTER = 3.0  # largest random addition to a source length, in tokens: it changes the neighbours in each epoch
STEP = 10  # target lengths are grouped in steps of a tenth; wider or narrower steps pad more


class Sentences:
    """Batches with `source` int64 (B, S) and `target` int64 (B, T), padded with PAD.

    In evaluation `index` (B,) holds the pairs' places in the split. `batch_size` counts target tokens to predict,
    padding included.
    """

    def __init__(self, folder: Path, split: str, *, limit: int | None = None, seed: int = 0) -> None:
        self._source = Ragged(folder, f"source_{split}")
        self._target = Ragged(folder, f"target_{split}")
        self._used = subset(len(self._source.lengths), limit, seed=seed)
        self.examples = len(self._used)

    def training(self, *, batch_size: int, world: int, seed: int) -> Plan:
        """Return the plan of endless shuffled epochs."""
        check_shareable(MULTIPLE, world)
        lengths = self._source.lengths[self._used], self._target.lengths[self._used]
        return GroupedPlan(self._used, *lengths, batch_size=batch_size, seed=seed)

    def evaluation(self, *, batch_size: int, world: int) -> Plan:
        """Return the plan of one pass in order of length."""
        return SortedPlan(self._source.lengths, self._target.lengths, batch_size=batch_size, world=world)

    def gather(self, chosen: np.ndarray, share: slice, *, training: bool) -> Batch:
        """Return pairs `chosen[share]`, padded to the longest of all `chosen`: all shares of a batch have one shape."""
        batch: Batch = {
            "source": self._source.padded(chosen, share),
            "target": self._target.padded(chosen, share),
            "count": int(self._target.lengths[chosen].sum()) - len(chosen),
            "samples": len(chosen),
        }
        return batch if training else {**batch, "index": torch.from_numpy(chosen[share])}


class Ragged:
    """Rows of different length, stored flat: `lengths` (N,), and a padded gather of some rows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._flat = np.asarray(read_array(folder / f"{name}.npy"))
        self._offsets = np.asarray(read_array(folder / f"{name}_offsets.npy"))
        self.lengths = np.diff(self._offsets)

    def padded(self, chosen: np.ndarray, share: slice) -> torch.Tensor:
        """Return rows `chosen[share]` as int64 (B, longest of chosen), padded with PAD."""
        reach = np.arange(self.lengths[chosen].max(initial=0))
        inside = reach < self.lengths[chosen[share]][:, None]
        places = np.where(inside, self._offsets[chosen[share]][:, None] + reach, 0)
        return torch.from_numpy(np.where(inside, self._flat[places], PAD).astype(np.int64))


class GroupedPlan:
    """Epochs of batches of similar length, each a multiple of eight pairs, shuffled by (seed, epoch).

    An epoch sorts the pairs by length, with some jitter, and cuts before a batch exceeds `batch_size`. The cuts are the
    same in each epoch. They suit the longest pair that any epoch can have at each place, as an epoch leaves out up to
    seven pairs to reach a multiple of eight.
    """

    def __init__(self, used: np.ndarray, source: np.ndarray, target: np.ndarray, *, batch_size: int, seed: int) -> None:
        if len(used) < MULTIPLE:
            raise QuartetError(f"data.loading.limit_train: {len(used)} training pairs; at least {MULTIPLE} would do")
        self._used, self._source, self._target, self._seed = used, source, target, seed
        self._left_out = len(used) % MULTIPLE
        ceilings = np.minimum(length_ceilings(target - 1), target.max() - 1)
        self._cuts = cut_by_length(np.sort(ceilings)[self._left_out :], batch_size)
        self.per_epoch = len(self._cuts) - 1
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def chosen(self, i: int) -> np.ndarray:
        """Return the pairs of global batch `i`."""
        epoch, place = divmod(i, self.per_epoch)
        if epoch not in self._kept:
            self._kept = {epoch: self._draw(epoch)}
        ordered, batches = self._kept[epoch]
        batch = batches[place]
        return ordered[self._cuts[batch] : self._cuts[batch + 1]]

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an epoch's pairs in order of length, and the order of its batches."""
        kept = shuffled(len(self._used), seed=(self._seed, ORDER, epoch, 0))[self._left_out :]
        raw = np.random.Philox((self._seed, ORDER, epoch, 1)).random_raw(len(kept))
        near = self._source[kept] + JITTER * (raw >> 11) * 2.0**-53
        ordered = self._used[kept[order_by_length(near, self._target[kept])]]
        return ordered, shuffled(self.per_epoch, seed=(self._seed, ORDER, epoch, 2))


class SortedPlan:
    """Each pair once, in order of length, in batches of at most `batch_size` target tokens, shared by all devices."""

    def __init__(self, source: np.ndarray, target: np.ndarray, *, batch_size: int, world: int) -> None:
        if len(source) < world:
            raise QuartetError(f"trainer.devices: {world} devices cannot share {len(source)} pairs; use fewer devices")
        self._order = order_by_length(source, target)
        lengths = length_ceilings(target - 1)[self._order]
        cuts = [0]
        while cuts[-1] < len(lengths):
            cuts.append(_end(lengths, cuts[-1], batch_size, least=world, multiple=1))
        if len(cuts) > 2 and cuts[-1] - cuts[-2] < world:
            del cuts[-2]
        self._cuts = cuts
        self.per_epoch = len(cuts) - 1

    def chosen(self, i: int) -> np.ndarray:
        """Return the pairs of global batch `i`."""
        return self._order[self._cuts[i] : self._cuts[i + 1]]


def length_ceilings(lengths: np.ndarray) -> np.ndarray:
    """Return each length rounded up to the next of 1, 2, … 20, 22, 24, …: steps of a tenth."""
    ceilings = [1]
    while ceilings[-1] < lengths.max():
        ceilings.append(ceilings[-1] + max(1, ceilings[-1] // STEP))
    return np.array(ceilings)[np.searchsorted(ceilings, lengths)]


def order_by_length(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the order by target length in steps. Within a step the source length rises and falls in turn, so that
    neighbours across two steps have similar sources."""
    _, step = np.unique(length_ceilings(target - 1), return_inverse=True)
    return np.lexsort((np.where(step % 2, -source, source), step))


def cut_by_length(lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the cuts of ascending `lengths`, in multiples of eight, that keep longest × pairs within `batch_size`."""
    longest = int(lengths[-1])
    if longest * MULTIPLE > batch_size:
        raise QuartetError(
            f"data.loading.batch_size: {batch_size} target tokens, but {MULTIPLE} of the longest sentences take "
            f"{longest * MULTIPLE}; {longest * MULTIPLE} or more would do"
        )
    cuts = [0]
    while cuts[-1] < len(lengths):
        cuts.append(_end(lengths, cuts[-1], batch_size, least=MULTIPLE, multiple=MULTIPLE))
    return np.array(cuts)


def _end(lengths: np.ndarray, start: int, batch_size: int, *, least: int, multiple: int) -> int:
    """Return the farthest end of a batch from `start` within `batch_size`, but after at least `least` pairs."""
    sizes = np.arange(multiple, min(len(lengths) - start, batch_size) + 1, multiple)
    fitting = sizes[lengths[start + sizes - 1] * sizes <= batch_size]
    return min(len(lengths), start + max(least, int(fitting[-1]) if len(fitting) else 0))
