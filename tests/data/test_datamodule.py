"""The DataModule: what it says of the data, and as Lightning uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from quartet.data import Augment, DataModule
from quartet.types import Classes, Pixels, QuartetError, Series, Tokens

Open = Callable[..., DataModule]


def test_specs_say_what_the_batches_hold(open_data: Open) -> None:
    images, series, text, pairs = (open_data(kind) for kind in ("images", "series", "text", "pairs"))
    assert isinstance(images.inputs, Pixels)
    assert images.outputs == Classes(names=("class0", "class1", "class2"))
    assert isinstance(series.inputs, Series)
    assert (series.inputs.length, series.inputs.channels, len(series.inputs.mean)) == (12, 2, 2)
    assert series.outputs == Classes(names=("0", "1", "2", "3"))
    assert text.inputs == text.outputs == Tokens(vocabulary=text.tokenizer.vocabulary, context=16)
    assert isinstance(pairs.inputs, Tokens)
    for data in (text, pairs):
        batch = next(iter(data.batches("train")))
        ids = torch.cat([value.flatten() for key, value in batch.items() if key in ("tokens", "source", "target")])
        assert ids.max() < data.inputs.vocabulary
    assert max(batch["target"].shape[1] for batch in pairs.batches("test")) <= pairs.outputs.context


def test_training_images_are_augmented_and_others_are_not(open_data: Open) -> None:
    data = open_data("images")
    batch = next(iter(data.batches("train")))
    changed = data.on_after_batch_transfer(batch, 0)
    assert changed.keys() == batch.keys() - {"draws"}
    assert changed["x"].shape == batch["x"].shape
    assert not torch.equal(changed["x"], batch["x"])
    val = next(iter(data.batches("val")))
    assert data.on_after_batch_transfer(val, 0) is val


class Recorder(pl.LightningModule):
    """Keeps the labels that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: dict[str, list[int]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        assert "draws" not in batch
        self.seen["train"] += batch["y"].tolist()
        return self.weight * 0

    def validation_step(self, batch: dict[str, torch.Tensor]) -> None:
        self.seen["val"] += batch["y"].tolist()

    def test_step(self, batch: dict[str, torch.Tensor]) -> None:
        self.seen["test"] += batch["y"].tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Counter:
    """A clock that five steps have been counted by, and that pauses every three."""

    steps = 5
    samples = 80
    agreed = False

    def agree_on_seconds(self) -> None:
        self.agreed = True

    def spent_at(self, *, samples: int, steps: int) -> int:
        assert samples == 16 * steps
        return steps

    def pauses(self, before: int, after: int) -> bool:
        assert after == before + 1
        assert self.agreed
        return (after - self.steps) % 3 == 0


# Lightning asks torch for what torch will rename.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_lightning_goes_on_where_the_clock_stands(open_data: Open, tmp_path: Path) -> None:
    data = open_data("images", seed=4)
    data.clock = Counter()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    recorder = Recorder()
    trainer.fit(recorder, datamodule=data)
    trainer.test(recorder, datamodule=data, verbose=False)
    expected = [y for batch in islice(data.batches("train", seed=4, start=5), 3) for y in batch["y"].tolist()]
    assert recorder.seen["train"] == expected
    for split in ("val", "test"):
        assert recorder.seen[split] == [y for batch in data.batches(split) for y in batch["y"].tolist()]


def test_what_cannot_be_is_refused(open_data: Open, tmp_path: Path) -> None:
    with pytest.raises(QuartetError, match="batch_size: 0 given"):
        open_data("images", batch_size=0)
    with pytest.raises(QuartetError, match="context: null given"):
        open_data("text", context=None)
    with pytest.raises(QuartetError, match="augment: given for series"):
        open_data("series", augment=Augment(shift=1, flip=False, erase=0))
    with pytest.raises(QuartetError, match="have no tokenizer"):
        _ = open_data("images").tokenizer
    with pytest.raises(QuartetError, match="split: 'valid' given"):
        open_data("images").batches("valid")
    with pytest.raises(QuartetError, match="holds no prepared data set"):
        DataModule(folder=tmp_path, batch_size=1, evaluation_batch_size=1)


class Items(Dataset[tuple[torch.Tensor, int]]):
    """The usual way: one example at a time, made a tensor of numbers from 0 to 1."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.x[i].permute(2, 0, 1).float().div(255), int(self.y[i])


def test_the_input_path_is_many_times_as_fast_as_single_items(prepared: dict[str, Path]) -> None:
    data = DataModule(folder=prepared["images"], batch_size=32, evaluation_batch_size=100)
    whole = next(iter(DataModule(folder=prepared["images"], batch_size=45, evaluation_batch_size=1).batches("train")))
    usual = DataLoader(Items(whole["x"].repeat(20, 1, 1, 1), whole["y"].repeat(20)), batch_size=32, shuffle=True)

    def rate(batches: Iterable[Any], count: int) -> float:
        begun = time.perf_counter()
        taken = sum(1 for _ in islice(batches, count))
        return taken / (time.perf_counter() - begun)

    stream = data.batches("train")
    ratios = sorted(rate(stream, 400) / rate(usual, 15) for _ in range(5))
    assert ratios[2] >= 8  # far more with batches of 128 and on a quiet machine
