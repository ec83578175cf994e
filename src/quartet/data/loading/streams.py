"""Choose the examples of each batch: pure functions of a seed and a number, equal for any number of devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from quartet.data.loading.files import shuffled
from quartet.types import QuartetError

Batch = dict[str, Any]
DRAWS = 5  # uniform numbers for the augmentation of an example
ORDER, PHASE, LIMIT, AUGMENT = range(4)  # independent streams of random numbers


class Plan(Protocol):
    """The examples of each global batch."""

    per_epoch: int

    def chosen(self, i: int) -> np.ndarray:
        """Return the examples of global batch `i`, in order."""


class Reader(Protocol):
    """A split of a data set of one kind: it plans batches and gathers them."""

    examples: int

    def training(self, *, batch_size: int, world: int, seed: int) -> Plan: ...

    def evaluation(self, *, batch_size: int, world: int) -> Plan: ...

    def gather(self, chosen: np.ndarray, share: slice, *, training: bool) -> Batch:
        """Return the tensors of `chosen[share]`, with `count` and `samples` of all `chosen`."""


class EndlessPlan:
    """Epoch after epoch, each in its own order, cut into full batches: no example is dropped or repeated.

    `order(epoch)` returns the `examples` of an epoch, shuffled.
    """

    def __init__(self, *, examples: int, batch_size: int, order: Callable[[int], np.ndarray]) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.per_epoch = -(-examples // batch_size)
        self._order = order
        self._kept: dict[int, np.ndarray] = {}

    def chosen(self, i: int) -> np.ndarray:
        """Return the examples of global batch `i`, which may span two epochs."""
        position, end = i * self.batch_size, (i + 1) * self.batch_size
        pieces = []
        while position < end:
            epoch, offset = divmod(position, self.examples)
            piece = self._epoch(epoch)[offset : offset + end - position]
            pieces.append(piece)
            position += len(piece)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _epoch(self, epoch: int) -> np.ndarray:
        """Return an epoch's order; only the newest is kept."""
        if epoch not in self._kept:
            self._kept = {epoch: self._order(epoch)}
        return self._kept[epoch]


class SequentialPlan:
    """Each example once, in order, in batches of nearly equal size, so that every device has a share of every batch."""

    def __init__(self, *, examples: int, batch_size: int, world: int) -> None:
        if examples < world:
            raise QuartetError(f"trainer.devices: {world} devices cannot share {examples} examples; use fewer devices")
        self.examples = examples
        self.per_epoch = max(1, min(-(-examples // batch_size), examples // world))

    def chosen(self, i: int) -> np.ndarray:
        """Return the examples of global batch `i`."""
        return np.arange(i * self.examples // self.per_epoch, (i + 1) * self.examples // self.per_epoch)


class Training:
    """An endless stream of a rank's shares from batch `start` on; batch `i` depends on (seed, i) alone."""

    def __init__(
        self, reader: Reader, plan: Plan, *, rank: int, world: int, seed: int, start: int, draws: bool
    ) -> None:
        self.per_epoch = plan.per_epoch
        self._reader, self._plan, self._draws = reader, plan, draws
        self._rank, self._world, self._seed, self._start = rank, world, seed, start

    def __iter__(self) -> Iterator[Batch]:
        i = self._start
        while True:
            yield self.batch(i)
            i += 1

    def examples(self, i: int) -> int:
        """Return the number of examples in global batch `i`."""
        return len(self._plan.chosen(i))

    def batch(self, i: int) -> Batch:
        """Return this rank's share of global batch `i`."""
        chosen = self._plan.chosen(i)
        share = share_of(len(chosen), rank=self._rank, world=self._world)
        batch = self._reader.gather(chosen, share, training=True)
        if self._draws:
            batch["draws"] = draws(len(chosen), seed=self._seed, i=i)[share]
        return batch


class Clock(Protocol):
    """A clock of training: it counts steps and samples, and says when to pause."""

    steps: int
    samples: int

    def agree_on_seconds(self) -> None:
        """Give all ranks the seconds of one rank, if a budget counts seconds."""

    def spent_at(self, *, samples: int, steps: int) -> Any:
        """Return what training will have used after these samples and steps."""

    def pauses(self, before: Any, after: Any) -> bool:
        """Return whether training pauses between `before` and `after`."""


class TrainSegment:
    """The training batches up to the clock's next pause: one epoch for Lightning, which can resume at its end."""

    def __init__(self, training: Training, clock: Clock) -> None:
        self._training, self._clock = training, clock

    def __iter__(self) -> Iterator[Batch]:
        clock = self._clock
        steps, samples, over = clock.steps, clock.samples, False
        while not over:
            batch = self._training.batch(steps)
            before = clock.spent_at(samples=samples, steps=steps)
            steps, samples = steps + 1, samples + batch["samples"]
            clock.agree_on_seconds()  # all ranks must stop at the same batch
            over = clock.pauses(before, clock.spent_at(samples=samples, steps=steps))
            yield batch


class Evaluation:
    """A finite stream of a rank's shares, `len()` batches for each rank; together the ranks have each example once."""

    def __init__(self, reader: Reader, plan: Plan, *, rank: int, world: int) -> None:
        self.per_epoch = plan.per_epoch
        self._reader, self._plan, self._rank, self._world = reader, plan, rank, world

    def __len__(self) -> int:
        return self.per_epoch

    def __iter__(self) -> Iterator[Batch]:
        for i in range(self.per_epoch):
            chosen = self._plan.chosen(i)
            share = share_of(len(chosen), rank=self._rank, world=self._world)
            yield self._reader.gather(chosen, share, training=False)


def share_of(count: int, *, rank: int, world: int) -> slice:
    """Return the contiguous part of `count` for `rank`; parts differ by at most one."""
    return slice(count * rank // world, count * (rank + 1) // world)


def check_shareable(batch_size: int, world: int) -> None:
    """Raise QuartetError if `world` devices cannot share a batch equally."""
    if batch_size % world:
        near = max(world, batch_size // world * world)
        raise QuartetError(
            f"data.loading.batch_size: {batch_size} cannot be shared equally by {world} devices; {near} would do"
        )


def subset(count: int, limit: int | None, *, seed: int) -> np.ndarray:
    """Return the training examples to use: all, or `limit` of them by seed. A larger limit includes a smaller one's."""
    everything = np.arange(count)
    return everything if limit is None or limit >= count else shuffled(count, seed=(seed, LIMIT))[:limit]


def limit_count(limit: int | str | None, count: int) -> int | None:
    """Return how many of `count` examples a limit allows, at least 1; None for no limit.

    `limit` is a number of examples or a share such as "30%". Raises QuartetError for anything else.
    """
    if limit is None or (isinstance(limit, int) and limit >= 1):
        return limit  # type: ignore[return-value]
    share = re.fullmatch(r"(\d+(?:\.\d+)?)%", limit) if isinstance(limit, str) else None
    if share is None or not 0 < float(share[1]) <= 100:
        raise QuartetError(f"data.loading.limit_train: {limit} given; a number from 1 on, or a share as 30% would do")
    return max(1, round(count * float(share[1]) / 100))


def draws(count: int, *, seed: int, i: int) -> Any:
    """Return uniform numbers in [0, 1) for each example of global batch `i`, float32 (count, DRAWS)."""
    import torch

    raw = np.random.Philox((seed, AUGMENT, i)).random_raw(count * DRAWS)
    return torch.from_numpy((raw >> 40).astype(np.float32) * np.float32(2**-24)).reshape(count, DRAWS)
