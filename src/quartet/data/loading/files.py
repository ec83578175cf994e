"""Prepared files: arrays that can be memory-mapped, and JSON; written so that a full disk raises and never crashes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from quartet.types import QuartetError

SMALL = 1 << 20  # bytes: less is not worth the pages of a map
SPLITS = ("train", "val", "test")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    write_rows(path, [array], shape=array.shape, dtype=array.dtype)


def write_rows(path: Path, pieces: Iterable[np.ndarray], *, shape: tuple[int, ...], dtype: Any) -> None:
    """Write `pieces`, which follow each other along the first dimension, as one .npy of `shape`.

    Plain writes: numpy's own raises an error without a number when the disk is full, and a map ends the process.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype=dtype).data)


def write_blank(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Write zeros of `shape` as .npy, sparse: only the header takes room on the disk."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


def read_array(path: Path) -> np.ndarray:
    """The array: in memory when it is small, else mapped, read page by page when used and shared by processes."""
    return np.load(path, mmap_mode=None if path.stat().st_size <= SMALL else "c")


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def shuffled(count: int, *, seed: int | tuple[int, ...]) -> np.ndarray:
    """A permutation of `count` that only `seed` decides, on every platform and with every version of numpy.

    Only a bit generator's raw words are promised to stay (numpy NEP 19), so these are sorted.
    """
    return np.argsort(np.random.Philox(seed).random_raw(count), kind="stable")


def split_indices(count: int, *, validation: float, test: float, seed: int) -> dict[str, np.ndarray]:
    """A seeded split of `count` examples by shares, each part ascending; a share above 0 gets at least one.

    Raises QuartetError when nothing is left for training.
    """
    held = [max(1, round(count * share)) if share > 0 else 0 for share in (validation, test)]
    if min(validation, test) < 0 or sum(held) >= count:
        raise QuartetError(
            f"data.source.validation, data.source.test: {validation} and {test} of {count} examples leave none for "
            "training; 0.1 and 0.1 of ten or more would do"
        )
    parts = np.split(shuffled(count, seed=seed), [count - sum(held), count - held[1]])
    return {split: np.sort(part) for split, part in zip(SPLITS, parts, strict=True)}
