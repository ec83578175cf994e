"""The input path alone: whole batches by one gather, against a `Dataset` of single items with a `DataLoader`."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from measure import CONSOLE, Line, alternate, ratio, workplace
from pipeline_leg import TrainSegment, leg
from stand_in import small_data
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from quartet.nets.stem import Normalise
from quartet_app.run.build import build_data
from quartet_app.run.workers import worker

TARGET = 20.0
BATCH = 128
NOTE = (
    "fashion_mnist, batches of {batch}, {steps} a sample, each ending as normalised floats: ours gathers and augments "
    "whole batches in the training process (no workers); theirs is a Dataset as torchvision's (PIL image, mirror, "
    "padded crop if shifted, ToTensor, Normalize) with DataLoader(shuffle=True, num_workers={workers}), start-up not "
    "counted"
)


class Items(Dataset):  # type: ignore[type-arg]
    """Single items: an image of PIL, the same augmentation, then a tensor, as torchvision's transforms do it."""

    def __init__(self, x_NHWC: np.ndarray, y_N: np.ndarray, *, shift: int, mean: float, std: float) -> None:
        self.x_NHWC, self.y_N, self.shift, self.mean, self.std = x_NHWC, y_N, shift, mean / 255, std / 255

    def __len__(self) -> int:
        return len(self.x_NHWC)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        from PIL import Image, ImageOps

        image = Image.fromarray(self.x_NHWC[i, :, :, 0])
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
        if self.shift:
            width, height = image.size
            left, top = random.randint(0, 2 * self.shift), random.randint(0, 2 * self.shift)
            image = ImageOps.expand(image, border=self.shift).crop((left, top, left + width, top + height))
        x_HW = torch.from_numpy(np.array(image)).to(torch.float32).div(255)
        return x_HW.sub(self.mean).div(self.std).unsqueeze(0), int(self.y_N[i])


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    """As the experiment is shipped, which only mirrors; and with images that are moved as well, which many do."""
    for shift, workers in ((0, 2), (0, 0), (2, 2)):
        line = Line(
            part="input",
            name=f"fashion_mnist, {'shifted, ' if shift else ''}num_workers={workers}",
            what="DataModule ÷ Dataset of items, batches/s",
            target=None if shift or not workers else TARGET,
            samples_unit="batches/s",
        )
        try:
            compare(line, shift=shift, workers=workers, repetitions=repetitions, quick=quick)
        except Exception as error:
            line.explain(error)
        yield line


def compare(line: Line, *, shift: int, workers: int, repetitions: int, quick: bool) -> None:
    CONSOLE.print(f"input path: ours and {workers} workers{', shifted' if shift else ''}")
    with workplace() as folder:
        changes: tuple[str, ...] = (f"data.loading.batch_size={BATCH}", f"data.loading.augment.shift={shift}")
        if quick:  # own data are not augmented unless asked for
            augment = f"data.loading.augment={{_target_: quartet.data.Augment, shift: {shift}, flip: true, erase: 0}}"
            changes = (*small_data("images"), f"data.loading.batch_size={BATCH}", augment)
        trial = leg("cnn", *changes, folder=folder)
    worker.use_machine(trial.tree["trainer"])
    steps = 5 if quick else 200
    line.ours, line.theirs = alternate(
        our_way(trial, steps=5 * steps),
        usual_way(trial, steps=steps, workers=workers),
        repetitions=repetitions,
        title="batches/s, ours · usual",
    )
    line.value = ratio(line.ours, line.theirs)
    line.note = NOTE.format(batch=BATCH, steps=f"{5 * steps} and {steps}", workers=workers)
    line.command = f"DataModule.batches('train'); DataLoader(batch_size={BATCH}, num_workers={workers})"


def our_way(leg: TrainSegment, *, steps: int) -> Callable[[], float]:
    data = build_data(leg.tree, leg.data)
    normalise: Any = Normalise(inputs=data.inputs)  # type: ignore[arg-type]

    def run() -> float:
        batches = iter(data.batches("train"))
        for _ in range(5):
            normalise(data.on_after_batch_transfer(next(batches), 0)["x"])
        began = time.perf_counter()
        for _ in range(steps):
            normalise(data.on_after_batch_transfer(next(batches), 0)["x"])
        return steps / (time.perf_counter() - began)

    return run


def usual_way(leg: TrainSegment, *, steps: int, workers: int) -> Callable[[], float]:
    pixels = build_data(leg.tree, leg.data).inputs
    items = Items(
        np.load(leg.data / "x_train.npy"),
        np.load(leg.data / "y_train.npy"),
        shift=leg.tree["data"]["loading"]["augment"]["shift"],
        mean=pixels.mean[0],  # type: ignore[union-attr]
        std=pixels.std[0],  # type: ignore[union-attr]
    )

    def run() -> float:
        batches = iter(DataLoader(items, batch_size=BATCH, shuffle=True, num_workers=workers))
        for _ in range(10):  # workers have started, and what they had prepared meanwhile is used up
            next(batches)
        began = time.perf_counter()
        for _ in range(steps):
            next(batches)
        taken = time.perf_counter() - began
        del batches  # workers end here, so that none is busy while the other side is measured
        gc.collect()
        return steps / taken

    return run
