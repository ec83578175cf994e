"""The one LightningDataModule: batches of a prepared data set, whatever its kind, for any number of devices."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from quartet.data.loading.augment import Augment
from quartet.data.loading.examples import Examples
from quartet.data.loading.files import SPLITS
from quartet.data.loading.sentences import Sentences
from quartet.data.loading.streams import Batch, Clock, Evaluation, Reader, Training, TrainSegment
from quartet.data.loading.tokenizer import Tokenizer
from quartet.data.loading.windows import Windows
from quartet.types import Classes, Pixels, QuartetError, Series, Tokens


class DataModule(pl.LightningDataModule):
    """Batches of the data set prepared in `folder`.

    `batch_size` and `evaluation_batch_size` are those of all devices together: examples, windows of `context` tokens
    for text, target tokens for pairs. `limit_train` uses only so many training examples, chosen by `seed`; for text
    the first windows. `clock`, set by who trains, says where training stands and when it pauses to validate.
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
        limit_train: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"batch_size": batch_size, "evaluation_batch_size": evaluation_batch_size}
        for key, value in {**sizes, "context": context, "limit_train": limit_train}.items():
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
        self.kind: str = self.manifest["kind"]
        self.digest: str = self.manifest["digest"]
        if self.kind == "text" and context is None:
            raise QuartetError("data.loading.context: null given, but text is read in windows; 256 would do")
        if self.kind != "images" and augment is not None:
            raise QuartetError(
                f"data.loading.augment: given for {self.kind}, but only images are augmented; null would do"
            )
        self._reader = lru_cache(maxsize=None)(self._open)

    @cached_property
    def inputs(self) -> Pixels | Series | Tokens:
        """What goes into a net."""
        if self.kind == "images":
            height, width, channels = self.manifest["shape"]
            mean, std = tuple(self.manifest["mean"]), tuple(self.manifest["std"])
            return Pixels(height=height, width=width, channels=channels, mean=mean, std=std)
        if self.kind == "series":
            length, channels = self.manifest["shape"]
            return Series(length=length, channels=channels)
        context = self.manifest["longest"] if self.kind == "pairs" else self.context
        assert context is not None
        return Tokens(vocabulary=self.manifest["vocabulary"], context=context)

    @cached_property
    def outputs(self) -> Classes | Tokens:
        """What comes out of it."""
        if isinstance(self.inputs, Tokens):
            return self.inputs
        return Classes(names=tuple(self.manifest["classes"]))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        if self.kind not in ("text", "pairs"):
            raise QuartetError(f"{self.manifest['name']}: {self.kind} have no tokenizer; only text and pairs do")
        return Tokenizer.load(self.folder / "tokenizer.json")

    @property
    def examples(self) -> dict[str, int]:
        """Examples of each split: images, series, pairs, or windows' worth of text."""
        return {split: self._reader(split, self.seed).examples for split in SPLITS}

    @property
    def characters(self) -> dict[str, int]:
        """Characters of each split of text; the scored tokens of val and test are exactly those characters."""
        return dict(self.manifest["characters"])

    def references(self, split: str) -> list[tuple[str, str]]:
        """The plain sentence pairs of val or test; a batch's `index` points into this list."""
        pairs = json.loads((self.folder / f"sentences_{split}.json").read_text(encoding="utf-8"))
        return [(source, target) for source, target in pairs]

    def batches(
        self, split: str, *, rank: int = 0, world: int = 1, seed: int = 0, start: int = 0
    ) -> Training | Evaluation:
        """The share of `rank` among `world` devices: endless for train, from batch `start` on; finite for val and test.

        Raises QuartetError when the devices cannot share the batches.
        """
        reader = self._reader(split, seed)
        if split != "train":
            plan = reader.evaluation(batch_size=self.evaluation_batch_size, world=world)
            return Evaluation(reader, plan, rank=rank, world=world)
        plan = reader.training(batch_size=self.batch_size, world=world, seed=seed)
        draws = self.augment is not None
        return Training(reader, plan, rank=rank, world=world, seed=seed, start=start, draws=draws)

    def typical_batch(self) -> Batch:
        """The training batch on which operations are counted, the same for every seed. Pairs of unequal length make
        batches of unequal size: of an epoch's, it is the one nearest to the mean."""
        batches = self.batches("train")
        assert isinstance(batches, Training)
        if self.kind != "pairs":
            return batches.batch(0)
        sizes = [batches.examples(i) for i in range(batches.per_epoch)]
        mean = sum(sizes) / len(sizes)
        return batches.batch(min(range(len(sizes)), key=lambda i: abs(sizes[i] - mean)))

    @property
    def per_epoch(self) -> int:
        """Training batches of an epoch, the last one counted whole."""
        return self.batches("train", seed=self.seed).per_epoch

    def train_dataloader(self) -> TrainSegment:
        training = self.batches("train", **self._place(), seed=self.seed)
        assert isinstance(training, Training)
        assert self.clock is not None, "training needs a clock"
        return TrainSegment(training, self.clock)

    def val_dataloader(self) -> Training | Evaluation:
        return self.batches("val", **self._place())

    def test_dataloader(self) -> Training | Evaluation:
        return self.batches("test", **self._place())

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augment a training batch where it is; others pass."""
        if self.augment is None or "draws" not in batch:
            return batch
        rest = {key: value for key, value in batch.items() if key != "draws"}
        return {**rest, "x": self.augment(batch["x"], batch["draws"])}

    def _place(self) -> dict[str, int]:
        if self.trainer is None:
            return {"rank": 0, "world": 1}
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}

    def _open(self, split: str, seed: int) -> Reader:
        if split not in SPLITS:
            raise QuartetError(f"split: {split!r} given; one of {', '.join(SPLITS)} would do")
        limit = self.limit_train if split == "train" else None
        if self.kind == "text":
            assert self.context is not None
            return Windows(self.folder, split, context=self.context, limit=limit)
        if self.kind == "pairs":
            return Sentences(self.folder, split, limit=limit, seed=seed)
        return Examples(self.folder, split, limit=limit, seed=seed)


def read_manifest(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QuartetError(f"{folder} holds no prepared data set ({error}); prepare it first") from error
