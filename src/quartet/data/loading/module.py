"""The only LightningDataModule: batches of a prepared data set, of any kind, for any number of devices."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from quartet.data.loading.augment import Augment
from quartet.data.loading.files import SPLITS
from quartet.data.loading.kinds import SHIPPED, kind_class
from quartet.data.loading.streams import Batch, Clock, Evaluation, Reader, Training, TrainSegment, limit_count
from quartet.data.loading.tokenizer import Tokenizer
from quartet.types import QuartetError


class DataModule(pl.LightningDataModule):
    """Batches of the data set prepared in `folder`.

    Args:
        batch_size, evaluation_batch_size: of all devices together, in the kind's unit: examples, windows of text, or
            target tokens for pairs.
        context: tokens of a window of text.
        limit_train: use only this many training examples, or a share of them such as "30%", chosen by `seed`; for text
            the first windows. A larger limit includes the examples of a smaller one.
    Training code sets `clock`, which counts training and says when to pause for validation.
    """

    clock: Clock | None = None

    def __init__(
        self,
        *,
        folder: Path,
        batch_size: int,
        evaluation_batch_size: int,
        context: int | None = None,
        augment: Augment | None = None,
        limit_train: int | str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"batch_size": batch_size, "evaluation_batch_size": evaluation_batch_size}
        limit_count(limit_train, 1)  # refuses what is no limit
        for key, value in {**sizes, "context": context}.items():
            if value is not None and value < 1:
                raise QuartetError(f"data.loading.{key}: {value} given; 1 or more would do")
        self.folder = Path(folder)
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.context = context
        self.augment = augment
        self.limit_train = limit_train
        self.seed = seed
        self.manifest = read_manifest(self.folder)
        self.digest: str = self.manifest["digest"]
        self.kind = kind_class(self.manifest["kind"])(self.folder, self.manifest, context=context)
        for key, (why, value) in self.kind.NEEDS.items():
            if getattr(self, key) is None:
                raise QuartetError(f"data.loading.{key}: null given, but {why}; {value} would do")
        if augment is not None and not self.kind.AUGMENTED:
            able = _shipped("AUGMENTED")
            raise QuartetError(
                f"data.loading.augment: given for {self.kind.name}, but only {able} are augmented; null would do"
            )
        self._reader = lru_cache(maxsize=None)(self._open)

    @property
    def inputs(self) -> Any:
        """Return the spec of a net's inputs."""
        return self.kind.inputs

    @property
    def outputs(self) -> Any:
        """Return the spec of a net's outputs."""
        return self.kind.outputs

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer. Raises QuartetError for a kind without one."""
        if self.kind.tokenizer is None:
            able = _shipped("TOKENIZER")
            raise QuartetError(f"{self.manifest['name']}: {self.kind.name} have no tokenizer; only {able} do")
        return Tokenizer.load(self.kind.tokenizer)

    @property
    def examples(self) -> dict[str, int]:
        """Return the number of examples in each split: images, series, pairs or windows of text."""
        return {split: self._reader(split, self.seed).examples for split in SPLITS}

    @property
    def characters(self) -> dict[str, int]:
        """Return the characters of each split of text: exactly those of the scored tokens in val and test."""
        return dict(self.manifest["characters"])

    def references(self, split: str) -> list[tuple[str, str]]:
        """Return the plain sentence pairs of val or test; a batch's `index` points into this list."""
        pairs = json.loads((self.folder / f"sentences_{split}.json").read_text(encoding="utf-8"))
        return [(source, target) for source, target in pairs]

    def gather(self, split: str, index: np.ndarray) -> Batch:
        """Return examples of a split as one batch, by their places in it (an evaluation batch's `index`)."""
        return self._reader(split, self.seed).gather(index, slice(0, len(index)), training=False)

    def batches(
        self, split: str, *, rank: int = 0, world: int = 1, seed: int = 0, start: int = 0
    ) -> Training | Evaluation:
        """Return the share of `rank` among `world` devices: endless for train, from batch `start` on; finite for val
        and test.

        Raises QuartetError if the devices cannot share the batches.
        """
        reader = self._reader(split, seed)
        if split != "train":
            plan = reader.evaluation(batch_size=self.evaluation_batch_size, world=world)
            return Evaluation(reader, plan, rank=rank, world=world)
        plan = reader.training(batch_size=self.batch_size, world=world, seed=seed)
        draws = self.augment is not None
        return Training(reader, plan, rank=rank, world=world, seed=seed, start=start, draws=draws)

    def typical_batch(self) -> Batch:
        """Return the training batch for counting operations, the same for every seed."""
        batches = self.batches("train")
        assert isinstance(batches, Training)
        return self.kind.typical(batches)

    @property
    def per_epoch(self) -> int:
        """Return the number of training batches in an epoch; the last counts as a whole one."""
        return self.batches("train", seed=self.seed).per_epoch

    def train_dataloader(self) -> TrainSegment:
        """Return the training batches up to the next pause."""
        training = self.batches("train", **self._place(), seed=self.seed)
        assert isinstance(training, Training)
        assert self.clock is not None, "training needs a clock"
        return TrainSegment(training, self.clock)

    def val_dataloader(self) -> Training | Evaluation:
        """Return this rank's share of the validation split."""
        return self.batches("val", **self._place())

    def test_dataloader(self) -> Training | Evaluation:
        """Return this rank's share of the test split."""
        return self.batches("test", **self._place())

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment a training batch on its device; return other batches unchanged."""
        if self.augment is None or "draws" not in batch:
            return batch
        rest = {key: value for key, value in batch.items() if key != "draws"}
        return {**rest, "x": self.augment(batch["x"], batch["draws"])}

    def _place(self) -> dict[str, int]:
        """Return this process's rank and the number of ranks."""
        if self.trainer is None:
            return {"rank": 0, "world": 1}
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}

    def _open(self, split: str, seed: int) -> Reader:
        """Return the reader of a split; each is opened once."""
        if split not in SPLITS:
            raise QuartetError(f"split: {split!r} given; one of {', '.join(SPLITS)} would do")
        limit = self.limit_train if split == "train" else None
        if isinstance(limit, str):
            limit = limit_count(limit, self.kind.reader(split, limit=None, seed=seed).examples)
        return self.kind.reader(split, limit=limit, seed=seed)


def _shipped(constant: str) -> str:
    """Return the shipped kinds whose `constant` is set, for a message."""
    return " and ".join(name for name in SHIPPED if getattr(kind_class(name), constant))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared data set. Raises QuartetError if there is none."""
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QuartetError(f"{folder} holds no prepared data set ({error}); prepare it first") from error
