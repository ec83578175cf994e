"""Your own arrays: an npz of images or of series, with labels."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import write_array
from quartet.data.preparing.copies import contradictions, digests, divide
from quartet.data.preparing.images import count_examples, describe_images, write_images
from quartet.data.preparing.labels import class_labels, odd_classes, stratified_indices
from quartet.data.preparing.npz import read_archive
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import describe_taken
from quartet.data.preparing.store import listing
from quartet.types import QuartetError

CHANNELS = (1, 3, 4)  # of pictures
COARSE = 0.01  # of a standard deviation: the coarsest rounding by float32


class Arrays(Source):
    """An npz of labelled examples, with splits or without."""

    LICENCE = "your own data, under your own terms"

    def __init__(self, *, file: str, validation: float, test: float, seed: int) -> None:
        self.file = Path(file).expanduser()
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        archive = read_archive(self.file)
        labels, classes = class_labels(archive.y, archive.names, file=self.file)
        x = {split: self._checked(array) for split, array in archive.x.items()}

        def choose(distinct: np.ndarray, missing: list[str]) -> dict[str, np.ndarray]:
            shares = {"validation": self.validation, "test": self.test}
            return stratified_indices(labels["train"][distinct], missing, **shares, seed=self.seed)

        keys = {split: digests(array) for split, array in x.items()}
        division, copies = divide(keys, choose, where=self.file)
        rows = [
            (key, labels[split][i], f"example {i} of {split}")
            for split, part in keys.items()
            for i, key in enumerate(part)
        ]
        chosen = {split: x[part][places] for split, (part, places) in division.items()}
        for split, (part, places) in division.items():
            self._write(staging, split, chosen[split], labels[part][places].astype(np.int64))
        facts = self._describe(staging, chosen["train"], classes)
        taken = [*describe_taken(facts["examples"], archive.splits, classes=classes), self._shape_of(*facts["shape"])]
        said = [*contradictions(rows, classes), *odd_classes(classes, used=labels["train"].tolist())]
        return {**facts, "own": listing(self.file), "taken": [*taken, *copies, *said]}

    @abstractmethod
    def _checked(self, x: np.ndarray) -> np.ndarray:
        """Return `x` with a dimension of channels. Raises QuartetError for another shape or type."""

    @abstractmethod
    def _shape_of(self, *shape: int) -> str:
        """Return a line that names the dimensions of one example."""

    @abstractmethod
    def _write(self, staging: Path, split: str, x: np.ndarray, y: np.ndarray) -> None:
        """Write the examples of a split."""

    @abstractmethod
    def _describe(self, staging: Path, train: np.ndarray, classes: list[str]) -> dict[str, Any]:
        """Return the manifest's entries about the written examples, of which `train` are the training inputs."""


class ImageArrays(Arrays):
    """An npz with `x` uint8 (N, H, W[, C]) and `y` (N,), or with splits: `x_train`, `y_train`, `x_test`, …

    A missing split is held out of training by its share of each class, by `seed`. `names` (K,), if present, are the
    names of the classes. Test examples that training or validation holds too are left out.
    """

    KIND = "images"
    ORIGIN = "an npz of images"

    def _checked(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 2 and (side := round(x.shape[1] ** 0.5)) ** 2 == x.shape[1]:
            remedy = f"x.reshape(-1, {side}, {side})"
        elif x.ndim == 4 and x.shape[1] in CHANNELS and x.shape[3] not in CHANNELS:
            remedy = "x.transpose(0, 2, 3, 1)"
        elif x.ndim not in (3, 4) or not x[0].size:
            remedy = "another shape would do"
        elif x.dtype == np.uint8:
            return x if x.ndim == 4 else x[..., None]
        elif x.dtype.kind == "b" or (x.dtype.kind == "f" and x.size and x.min() >= 0 and x.max() <= 1):
            remedy = "(x * 255).round().astype(numpy.uint8)"
        elif x.dtype.kind in "iuf":
            remedy = "scale it to 0 … 255, then x.round().astype(numpy.uint8)"
        else:
            remedy = "numbers would do"
        raise QuartetError(
            f"{self.file}: x is {x.dtype} {x.shape}; images are uint8 (N, H, W) or (N, H, W, C): {remedy}"
        )

    def _shape_of(self, *shape: int) -> str:
        return f"each example is an image of height {shape[0]}, width {shape[1]}, channels {shape[2]}"

    def _write(self, staging: Path, split: str, x: np.ndarray, y: np.ndarray) -> None:
        height, width, channels = x.shape[1:]
        write_images(staging, split, [x], y, shape=(height, width, channels))

    def _describe(self, staging: Path, train: np.ndarray, classes: list[str]) -> dict[str, Any]:
        return describe_images(staging, classes=classes)


class SeriesArrays(Arrays):
    """An npz with `x` of numbers (N, L[, C]) and `y` (N,), with splits as for images.

    The series keep their values, in float32. The model normalises them by the training split's mean and deviation of
    each channel, so that predictions take raw numbers too.
    """

    KIND = "series"
    ORIGIN = "an npz of series"

    def _checked(self, x: np.ndarray) -> np.ndarray:
        if x.ndim not in (2, 3) or x.dtype.kind not in "iuf" or not x[0].size:
            remedy = ": x.astype(float)" if x.ndim in (2, 3) and x.dtype.kind in "bSU" else ""
            raise QuartetError(f"{self.file}: x is {x.dtype} {x.shape}; series are numbers (N, L) or (N, L, C){remedy}")
        with np.errstate(over="ignore"):
            finite = np.isfinite(x.astype(np.float32)).all()
        if not finite:
            raise QuartetError(f"{self.file}: x holds values that are not finite in float32; fill or remove them")
        return x if x.ndim == 3 else x[..., None]

    def _shape_of(self, *shape: int) -> str:
        return f"each example is a series of length {shape[0]}, channels {shape[1]}"

    def _write(self, staging: Path, split: str, x: np.ndarray, y: np.ndarray) -> None:
        write_array(staging / f"x_{split}.npy", x.astype(np.float32))
        write_array(staging / f"y_{split}.npy", y)

    def _describe(self, staging: Path, train: np.ndarray, classes: list[str]) -> dict[str, Any]:
        mean, std = self._figures(train)
        facts = {"shape": list(train.shape[1:]), "classes": classes, "examples": count_examples(staging)}
        return {**facts, "mean": mean.tolist(), "std": std.tolist()}

    def _figures(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of each channel; the deviation is 1 for a constant channel."""
        mean, std = x.mean(axis=(0, 1), dtype=np.float64), x.std(axis=(0, 1), dtype=np.float64)
        least, most = x.min(axis=(0, 1)), x.max(axis=(0, 1))
        steps = np.spacing(np.maximum(np.abs(least), np.abs(most)).astype(np.float32))
        (coarse,) = np.nonzero((least < most) & (steps > COARSE * std))
        if len(coarse):
            c = int(coarse[0])
            raise QuartetError(
                f"{self.file}: channel {c} of x varies by {std[c]:.3g} around {mean[c]:.6g}, which float32 cannot tell "
                "apart; subtract the latter from it"
            )
        return mean, np.where(least < most, std, 1.0)
