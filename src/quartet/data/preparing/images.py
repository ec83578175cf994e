"""Write images: bytes (N, H, W, C) with labels, and the statistics that a net needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import write_array, write_rows

CHUNK = 4096


def write_images(
    staging: Path, split: str, images: Iterable[np.ndarray], labels: np.ndarray, *, shape: tuple[int, int, int]
) -> None:
    """Write a split: `images` in pieces of uint8 (n, H, W, C), all of `shape` (H, W, C), with one label per image."""
    write_rows(staging / f"x_{split}.npy", images, shape=(len(labels), *shape), dtype=np.uint8)
    write_array(staging / f"y_{split}.npy", np.asarray(labels, dtype=np.int64))


def describe_images(staging: Path, *, classes: Sequence[str]) -> dict[str, Any]:
    """Return the manifest's entries: shape, classes, mean and deviation (per channel, of training bytes), examples."""
    x = np.load(staging / "x_train.npy", mmap_mode="r")
    total, squares = np.zeros(x.shape[3], dtype=np.int64), np.zeros(x.shape[3], dtype=np.int64)
    for start in range(0, len(x), CHUNK):  # sums of whole numbers are the same in any order, on any machine
        piece = x[start : start + CHUNK].astype(np.int64)
        total += piece.sum(axis=(0, 1, 2))
        squares += (piece * piece).sum(axis=(0, 1, 2))
    count = x.shape[0] * x.shape[1] * x.shape[2]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return {
        "shape": list(x.shape[1:]),
        "classes": list(classes),
        "mean": mean.tolist(),
        "std": np.where(std > 0, std, 1.0).tolist(),
        "examples": count_examples(staging),
    }


def count_examples(staging: Path) -> dict[str, int]:
    """Return the number of labels in each split."""
    return {path.stem.removeprefix("y_"): len(np.load(path)) for path in staging.glob("y_*.npy")}
