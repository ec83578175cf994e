"""Your own arrays: an npz of images or of series, with labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import SPLITS, split_indices, write_array
from quartet.data.preparing.images import count_examples, describe_images, write_images
from quartet.data.preparing.source import Source
from quartet.data.preparing.store import listing
from quartet.types import QuartetError

Splits = dict[str, tuple[np.ndarray, np.ndarray]]


class ImageArrays(Source):
    """An npz with `x` uint8 (N, H, W[, C]) and `y` (N,), split by shares and `seed`, or `x_train`, `y_train`, …

    `names` (K,), if there, are the classes' names.
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
    """An npz with `x` of numbers (N, L[, C]) and `y` (N,), split as for images; normalised by the training split's mean
    and standard deviation of each channel."""

    KIND = "series"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "an npz of series"

    def __init__(self, *, file: str, validation: float, test: float, seed: int) -> None:
        self.file = Path(file).expanduser()
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        splits, classes = read_npz(self.file, validation=self.validation, test=self.test, seed=self.seed)
        series = {split: self._checked(x) for split, (x, _) in splits.items()}
        mean, std = series["train"].mean(axis=(0, 1)), series["train"].std(axis=(0, 1))
        std = np.where(std > 0, std, 1.0)
        for split, (_, y) in splits.items():
            write_array(staging / f"x_{split}.npy", ((series[split] - mean) / std).astype(np.float32))
            write_array(staging / f"y_{split}.npy", y)
        facts = {"shape": list(series["train"].shape[1:]), "classes": classes, "examples": count_examples(staging)}
        return {**facts, "mean": mean.tolist(), "std": std.tolist(), "own": listing(self.file)}

    def _checked(self, x: np.ndarray) -> np.ndarray:
        if x.ndim not in (2, 3) or not np.issubdtype(x.dtype, np.number):
            raise QuartetError(f"{self.file}: x is {x.dtype} {x.shape}; series are numbers (N, L) or (N, L, C)")
        if not np.isfinite(x).all():
            raise QuartetError(f"{self.file}: x holds values that are not finite; fill or remove them")
        return x.astype(np.float64) if x.ndim == 3 else x.astype(np.float64)[..., None]


def read_npz(file: Path, *, validation: float, test: float, seed: int) -> tuple[Splits, list[str]]:
    """Splits of (x, labels from 0), and the classes' names. Raises QuartetError that names what is missing or wrong."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise QuartetError(f"data.source.file: there is no file {Path(file).absolute()}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise QuartetError(f"{file}: not an npz that can be read ({error}); write it with numpy.savez") from error
    raw = _given_splits(file, held, validation=validation, test=test, seed=seed)
    values = np.unique(np.concatenate([y for _, y in raw.values()]))
    names = [str(name) for name in held.get("names", values)]
    if "names" in held and not (np.issubdtype(values.dtype, np.integer) and 0 <= values[0] <= values[-1] < len(names)):
        raise QuartetError(f"{file}: y holds {values[0]} to {values[-1]}, but names has {len(names)} classes")
    splits = {split: (x, y if "names" in held else np.searchsorted(values, y)) for split, (x, y) in raw.items()}
    return {split: (x, np.asarray(y, dtype=np.int64)) for split, (x, y) in splits.items()}, names


def _given_splits(file: Path, held: dict[str, np.ndarray], *, validation: float, test: float, seed: int) -> Splits:
    if all(f"{axis}_{split}" in held for split in SPLITS for axis in "xy"):
        splits = {split: (held[f"x_{split}"], held[f"y_{split}"]) for split in SPLITS}
    elif "x" in held and "y" in held:
        parts = split_indices(len(held["x"]), validation=validation, test=test, seed=seed)
        splits = {split: (held["x"][part], held["y"][part]) for split, part in parts.items()} if _even(held) else {}
    else:
        splits = {}
    if not splits or any(len(x) != len(y) or not len(x) for x, y in splits.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in held.items()) or "nothing"
        raise QuartetError(f"{file} holds {shapes}; x (N, …) and y (N,), or x_train, y_train, x_val, … would do")
    return splits


def _even(held: dict[str, np.ndarray]) -> bool:
    return len(held["x"]) == len(held["y"]) and len(held["x"]) >= 3
