"""Your own arrays: an npz of images or of series, with labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import SPLITS, write_array
from quartet.data.preparing.images import count_examples, describe_images, write_images
from quartet.data.preparing.labels import class_labels, stratified_indices
from quartet.data.preparing.source import Source
from quartet.data.preparing.store import listing
from quartet.types import QuartetError

Splits = dict[str, tuple[np.ndarray, np.ndarray]]
WHOLE = "all"  # the key of examples without splits
COARSE = 0.01  # of a standard deviation: the coarsest rounding by float32


class ImageArrays(Source):
    """An npz with `x` uint8 (N, H, W[, C]) and `y` (N,), or with splits: `x_train`, `y_train`, … Without splits, each
    class is split by shares and `seed`.

    `names` (K,), if present, are the names of the classes.
    """

    KIND = "images"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "an npz of images"

    def __init__(self, *, file: str, validation: float, test: float, seed: int) -> None:
        self.file = Path(file).expanduser()
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        splits, classes = read_npz(self.file, validation=self.validation, test=self.test, seed=self.seed)
        for split, (x, y) in splits.items():
            if x.dtype != np.uint8 or x.ndim not in (3, 4):
                raise QuartetError(f"{self.file}: x is {x.dtype} {x.shape}; images are uint8 (N, H, W) or (N, H, W, C)")
            images = x if x.ndim == 4 else x[..., None]
            height, width, channels = images.shape[1:]
            write_images(staging, split, [images], y, shape=(height, width, channels))
        return {**describe_images(staging, classes=classes), "own": listing(self.file)}


class SeriesArrays(Source):
    """An npz with `x` of numbers (N, L[, C]) and `y` (N,), with splits as for images.

    The series keep their values, in float32. The model normalises them by the training split's mean and deviation of
    each channel, so that predictions take raw numbers too.
    """

    KIND = "series"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "an npz of series"

    def __init__(self, *, file: str, validation: float, test: float, seed: int) -> None:
        self.file = Path(file).expanduser()
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        splits, classes = read_npz(self.file, validation=self.validation, test=self.test, seed=self.seed)
        series = {split: self._checked(x) for split, (x, _) in splits.items()}
        mean, std = self._figures(series["train"])
        for split, (_, y) in splits.items():
            write_array(staging / f"x_{split}.npy", series[split].astype(np.float32))
            write_array(staging / f"y_{split}.npy", y)
        facts = {"shape": list(series["train"].shape[1:]), "classes": classes, "examples": count_examples(staging)}
        return {**facts, "mean": mean.tolist(), "std": std.tolist(), "own": listing(self.file)}

    def _checked(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as (N, L, C). Raises QuartetError for another shape or type, and for values not finite."""
        if x.ndim not in (2, 3) or x.dtype.kind not in "iuf":
            raise QuartetError(f"{self.file}: x is {x.dtype} {x.shape}; series are numbers (N, L) or (N, L, C)")
        with np.errstate(over="ignore"):
            finite = np.isfinite(x.astype(np.float32)).all()
        if not finite:
            raise QuartetError(f"{self.file}: x holds values that are not finite in float32; fill or remove them")
        return x if x.ndim == 3 else x[..., None]

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


def read_npz(file: Path, *, validation: float, test: float, seed: int) -> tuple[Splits, list[str]]:
    """Return splits of (x, labels from 0), and the classes' names. Raises QuartetError for missing or wrong parts."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise QuartetError(f"data.source.file: there is no file {Path(file).absolute()}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise QuartetError(f"{file}: not an npz that can be read ({error}); write it with numpy.savez") from error
    given = _given_splits(file, held)
    labels, names = class_labels({split: y for split, (_, y) in given.items()}, held.get("names"), file=file)
    splits = {split: (x, labels[split]) for split, (x, _) in given.items()}
    if WHOLE in splits:
        x, y = splits[WHOLE]
        parts = stratified_indices(y, validation=validation, test=test, seed=seed)
        splits = {split: (x[part], y[part]) for split, part in parts.items()}
    return splits, names


def _given_splits(file: Path, held: dict[str, np.ndarray]) -> Splits:
    """Return x and y of each split in the file, or all examples as WHOLE."""
    if all(f"{axis}_{split}" in held for split in SPLITS for axis in "xy"):
        splits = {split: (held[f"x_{split}"], held[f"y_{split}"]) for split in SPLITS}
    elif {"x", "y"} <= held.keys():
        splits = {WHOLE: (held["x"], held["y"])}
    else:
        splits = {}
    if not splits or any(not x.ndim or not y.ndim or len(x) != len(y) or not len(x) for x, y in splits.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in held.items()) or "nothing"
        raise QuartetError(f"{file} holds {shapes}; x (N, …) and y (N,), or x_train, y_train, x_val, … would do")
    return splits
