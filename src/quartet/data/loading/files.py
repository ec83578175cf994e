"""Files of prepared data: arrays that can be memory-mapped, and JSON. On a full disk, writing raises an error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from quartet.types import QuartetError

SMALL = 1 << 20  # bytes; smaller arrays are not worth a memory map
SPLITS = ("train", "val", "test")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    write_rows(path, [array], shape=array.shape, dtype=array.dtype)


def write_rows(path: Path, pieces: Iterable[np.ndarray], *, shape: tuple[int, ...], dtype: Any) -> None:
    """Write `pieces`, consecutive along the first dimension, as one .npy of `shape`.

    Plain writes raise OSError with its number on a full disk. numpy's own error lacks the number, and a memory map
    would end the process.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece, dtype=dtype).data)


def write_blank(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Write zeros of `shape` as a sparse .npy: only the header takes disk space."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


def read_array(path: Path) -> np.ndarray:
    """Return an array: in memory if small, else memory-mapped. Processes share a map, and it loads pages on use."""
    return np.load(path, mmap_mode=None if path.stat().st_size <= SMALL else "c")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with sorted keys."""
    path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def shuffled(count: int, *, seed: int | tuple[int, ...]) -> np.ndarray:
    """Return a permutation of `count` that depends only on `seed`, on every platform and with every version of numpy.

    numpy keeps only a bit generator's raw words stable (NEP 19), so that we sort these.
    """
    return np.argsort(np.random.Philox(seed).random_raw(count), kind="stable")


def split_indices(count: int, *, validation: float, test: float, seed: int) -> dict[str, np.ndarray]:
    """Return a seeded split of `count` examples by shares, each part ascending; a share above 0 gets at least one.

    Raises QuartetError if no example is left for training.
    """
    held = [max(1, round(count * share)) if share > 0 else 0 for share in (validation, test)]
    if min(validation, test) < 0 or sum(held) >= count:
        raise QuartetError(
            f"data.source.validation, data.source.test: {validation} and {test} of {count} examples leave none for "
            "training; 0.1 and 0.1 of ten or more would do"
        )
    parts = np.split(shuffled(count, seed=seed), [count - sum(held), count - held[1]])
    return {split: np.sort(part) for split, part in zip(SPLITS, parts, strict=True)}
