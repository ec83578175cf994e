"""Labels of your own examples: number the classes, and split so that every class has its share.

Shapes: N examples, K classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from quartet.data.loading.files import SPLITS, shuffled, split_indices
from quartet.data.preparing.own_files import name_some
from quartet.types import QuartetError

CLASSES = "biufSU"  # numpy's kinds of types that can name classes


def class_labels(
    given: Mapping[str, np.ndarray], names: np.ndarray | None, *, file: Path, what: str = "y"
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Number the classes of each split's `y` (N,) from 0; return these labels, int64 (N,), and the K classes' names.

    Messages call `y` by `what`. Floats with whole values are classes. Raises QuartetError, which names a remedy, for
    other floats, NaN, arrays of two dimensions, a single class, and labels outside `names`.
    """
    y = {split: _checked(array, file) for split, array in given.items()}
    values = np.unique(np.concatenate(list(y.values())))
    if len(values) < 2:
        raise QuartetError(f"{file}: {what} holds one class, {values[0]}; examples of two or more would do")
    for split, array in y.items():
        if len(new := np.setdiff1d(array, y["train"])):
            raise QuartetError(
                f"{file}: {what} of {split} holds the class {new[0]}, which no training example has; add some"
            )
    if names is not None and len(twice := [str(name) for name, count in Counter(names.tolist()).items() if count > 1]):
        raise QuartetError(f"{file}: names holds {twice[0]} twice; give each class a name of its own")
    if names is None:
        return {split: np.searchsorted(values, array) for split, array in y.items()}, [str(value) for value in values]
    values = values.astype(np.int64) if values.dtype.kind == "b" else values
    if values.dtype.kind not in "iu" or not 0 <= values[0] <= values[-1] < len(names):
        raise QuartetError(f"{file}: y holds {values[0]} to {values[-1]}, but names has {len(names)} classes")
    return {split: array.astype(np.int64) for split, array in y.items()}, [str(name) for name in names]


def odd_classes(classes: Sequence[str], *, used: Iterable[int] | None = None) -> list[str]:
    """Return warnings about names that look like one class, as `Cat` and `cat `, and about classes without an example.

    `used`: the labels that training has; None for all.
    """
    alike: dict[str, list[str]] = {}
    for name in classes:
        plain = unicodedata.normalize("NFKC", name).casefold()
        alike.setdefault(" ".join(re.split(r"[\s_-]+", plain.strip())), []).append(name)
    several = [same for same in alike.values() if len(same) > 1]
    more = f" (and {len(several) - 1} more)" if len(several) > 1 else ""
    lines = [
        f"WARNING: {' and '.join(map(repr, same))}{more} are classes whose names look like one; if they are one, give "
        "them one name"
        for same in several[:1]
    ]
    empty = [name for label, name in enumerate(classes) if used is not None and label not in set(used)]
    return lines + ([f"WARNING: no example of {name_some(empty)}"] if empty else [])


def stratified_indices(
    labels: np.ndarray, missing: Sequence[str], *, validation: float, test: float, seed: int
) -> dict[str, np.ndarray]:
    """Hold the `missing` splits (val, test) out by shares, class by class, as `seed` decides; each part ascending.

    A class with an example for each part is in every part; a smaller class only trains. Raises QuartetError if a part
    stays empty.
    """
    asked = {"val": validation, "test": test}
    shares = (validation if "val" in missing else 0.0, test if "test" in missing else 0.0)
    split_indices(len(labels), validation=shares[0], test=shares[1], seed=seed)  # raises for impossible shares
    parts: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for label in np.unique(labels):
        (own,) = np.nonzero(labels == label)
        own = own[shuffled(len(own), seed=(seed, int(label)))]
        held = _held_out(len(own), shares)
        cuts = [len(own) - sum(held), len(own) - held[1]]
        for split, part in zip(SPLITS, np.split(own, cuts), strict=True):
            parts[split].append(part)
    found = {split: np.sort(np.concatenate(parts[split])) for split in ("train", *missing)}
    empty = [split for split, part in found.items() if not len(part)]
    if empty:
        keys = {"val": "data.source.validation", "test": "data.source.test"}
        given = f"{', '.join(keys[split] for split in missing)}: {' and '.join(str(asked[split]) for split in missing)}"
        raise QuartetError(
            f"{given} of {len(labels)} examples leave {empty[0]} empty; shares above 0, and {len(missing) + 1} or more "
            "different examples of a class, would do"
        )
    return found


def _held_out(count: int, shares: tuple[float, float]) -> list[int]:
    """Return how many of a class's `count` examples validate and test: at least one each, if one is left to train."""
    held = [max(1, round(count * share)) if share > 0 else 0 for share in shares]
    if count <= sum(share > 0 for share in shares):
        return [0, 0]
    while sum(held) >= count:
        held[int(np.argmax(held))] -= 1
    return held


def _checked(y: np.ndarray, file: Path) -> np.ndarray:
    """Return `y` (N,) as whole numbers, truth values or texts. Raises QuartetError for anything else."""
    if y.ndim != 1:
        remedy = "if it is one-hot, y.argmax(1)" if y.ndim == 2 and y.shape[1] > 1 else "y.ravel()"
        raise QuartetError(f"{file}: y is {y.dtype} {y.shape}; one class an example, y (N,), would do: {remedy}")
    if y.dtype.kind not in CLASSES:
        raise QuartetError(f"{file}: y is {y.dtype}; classes as whole numbers or names would do")
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            remedy = "numpy.char.decode(y, 'latin-1') or another encoding would do"
            raise QuartetError(f"{file}: y holds names that are not UTF-8; {remedy}") from error
    if y.dtype.kind == "U" and (count := int((np.char.strip(y) == "").sum())):
        raise QuartetError(f"{file}: y is empty in {count} examples; give them a class or leave them out")
    if y.dtype.kind != "f":
        return y
    if not np.isfinite(y).all():
        count = int((~np.isfinite(y)).sum())
        raise QuartetError(f"{file}: y is not a number in {count} examples; give them a class or leave them out")
    odd = y[y != np.round(y)]
    if len(odd):
        raise QuartetError(
            f"{file}: y holds {odd[0]:g}, which is no class; whole numbers or names would do: numpy.digitize makes them"
        )
    return y.astype(np.int64)
