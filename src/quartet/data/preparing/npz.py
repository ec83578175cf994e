"""Read a user's npz: x and y of each split, by names in any case.

Shapes: N examples.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.preparing.own_files import name_some
from quartet.data.preparing.splits import Splits, find_splits, means_split
from quartet.types import QuartetError

# x, X_train, train_x: which of the two, and the name of the split.
_KEY = re.compile(r"(?:(?P<axis>[xy])(?:[_-](?P<after>.+))?|(?P<before>.+)[_-](?P<end>[xy]))", re.IGNORECASE)

DIVIDE = ("split", "splits", "fold", "folds")  # names of arrays that divide x and y in a way we do not read


@dataclass(frozen=True)
class Archive:
    """The arrays x (N, …) and y (N,) of each split, the classes' names if given, and what was taken as what."""

    x: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    names: np.ndarray | None
    splits: Splits


def read_archive(file: Path) -> Archive:
    """Return the arrays of an npz. Raises QuartetError for a missing or unreadable file, and for missing parts."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return _read(file, archive)
    except FileNotFoundError as error:
        raise QuartetError(f"data.source.file: there is no file {Path(file).absolute()}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise QuartetError(
            f"{file}: not an npz that can be read ({error}); write it with numpy.savez({file.stem!r}, x=x, y=y)"
        ) from error


def _read(file: Path, archive: Any) -> Archive:
    """Return the arrays of an open archive."""
    keys = _keys(file, archive.files)
    pairs = {" and ".join(same[axis] for axis in sorted(same)): name for name, same in keys.items()}
    if not pairs:
        raise _parts_missing(file, archive)
    splits = find_splits(pairs, where=file)
    x: dict[str, np.ndarray] = {}
    y: dict[str, np.ndarray] = {}
    for split, entries in splits.entries.items():
        if len(entries) != 1:
            raise QuartetError(f"{file}: {name_some(entries)}: which of these trains? call them x_train and y_train")
        same = keys[pairs[entries[0]]]
        if len(same) != 2 and len(splits.entries) > 1:
            other = "y" if "x" in same else "x"
            raise QuartetError(f"{file}: {entries[0]} has no {other}; add it, or leave {entries[0]} out")
        if len(same) != 2:
            raise _parts_missing(file, archive)
        x[split], y[split] = (_array(file, archive, same[axis]) for axis in "xy")
        if not x[split].ndim or not y[split].ndim or len(x[split]) != len(y[split]):
            raise _parts_missing(file, archive)
        if not len(x[split]):
            raise QuartetError(
                f"{file}: {entries[0]} hold no example; leave them out: a share of train is then held out"
            )
    shapes = {array.shape[1:] for array in x.values()}
    if len(shapes) > 1:
        raise QuartetError(f"{file}: examples of the splits have different shapes, {name_some(map(str, shapes))}")
    return Archive(x, y, _array(file, archive, "names") if "names" in archive.files else None, splits)


def _keys(file: Path, held: list[str]) -> dict[str, dict[str, str]]:
    """Return the keys of x and y by the name of their split. Raises QuartetError for keys that look like splits."""
    keys: dict[str, dict[str, str]] = {}
    for key in held:
        if match := _KEY.fullmatch(key):
            axis = (match["axis"] or match["end"]).lower()
            same = keys.setdefault((match["after"] or match["before"] or "").lower(), {})
            if axis in same:
                raise QuartetError(f"{file}: {same[axis]} and {key} mean the same; leave one out")
            same[axis] = key
        elif key.lower() in DIVIDE or means_split(key):
            raise QuartetError(
                f"{file}: {key}: this looks like a split; call its arrays x_train, y_train, x_test, …, or leave it out"
            )
    # What else begins with x or y, such as x_mean, belongs to no example.
    return {name: same for name, same in keys.items() if len(same) == 2 or not name or means_split(name)}


def _array(file: Path, archive: Any, key: str) -> np.ndarray:
    """Return an array of the archive. Raises QuartetError with a remedy for one of Python's objects."""
    try:
        array: np.ndarray = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        if key[:1].lower() == "x" or key[-2:].lower() in ("_x", "-x"):
            remedy = "save numpy.stack(list(x)), of examples that all have one shape: cut, pad or resize them first"
        else:
            remedy = f"save numpy.array(list({key}), dtype=int), or dtype=str for names"
        raise QuartetError(
            f"{file}: {key} holds Python's objects (dtype object), which may run code; {remedy}"
        ) from error
    return array


def _parts_missing(file: Path, archive: Any) -> QuartetError:
    """Return the error for arrays that do not make examples."""
    shapes = ", ".join(f"{key} {_array(file, archive, key).shape}" for key in archive.files) or "nothing"
    return QuartetError(f"{file} holds {shapes}; x (N, …) and y (N,), or x_train, y_train, x_test, … would do")
