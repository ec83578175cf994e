"""Find exact copies among examples, keep each on one side of a split, and keep them out of the test split.

Shapes: N examples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np

from quartet.data.loading.files import SPLITS
from quartet.types import QuartetError

# For each split: the given split that its examples come from, and their places there.
Division = dict[str, tuple[str, np.ndarray]]


def digests(rows: Iterable[np.ndarray]) -> list[bytes]:
    """Return a digest of each example's values."""
    return [hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in rows]


def divide(
    given: Mapping[str, Sequence[Hashable]],
    choose: Callable[[np.ndarray, list[str]], Mapping[str, np.ndarray]],
    *,
    where: object,
) -> tuple[Division, list[str]]:
    """Hold the missing splits out of training; return the examples of each split, and lines about exact copies.

    Args:
        given: for each given split, what identifies each of its examples; equal means a copy.
        choose: takes the places of the distinct training examples and the missing splits; returns, for training and
            each missing split, which of these places (by their index) it gets. Copies follow the first of their kind.
        where: the user's folder or file.

    Test examples that training or validation holds too are dropped. Raises QuartetError if none is left.
    """
    missing = [split for split in SPLITS if split not in given]
    division: Division = {split: (split, np.arange(len(keys))) for split, keys in given.items()}
    lines = []
    if missing:
        first = first_places(given["train"])
        (distinct,) = np.nonzero(first == np.arange(len(first)))
        copies = len(first) - len(distinct)
        try:
            chosen = choose(distinct, missing)
        except QuartetError as error:
            raise QuartetError(f"{error} ({copies} exact copies are not counted)") if copies else error from error
        side = np.full(len(first), "train", dtype=object)
        for split, picked in chosen.items():
            side[distinct[picked]] = split
        side = side[first]
        division |= {split: ("train", np.nonzero(side == split)[0]) for split in ("train", *missing)}
        if copies:
            lines.append(f"{copies} exact copies of other examples: each in the same split as its original")
    keys = {split: [given[part][i] for i in places] for split, (part, places) in division.items()}
    keep, said = without_copies(keys, where=where)
    part, places = division["test"]
    division["test"] = (part, places[keep])
    return division, lines + said


def first_places(keys: Sequence[Hashable]) -> np.ndarray:
    """Return for each example the place (N,) of the first one that is equal to it."""
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)


def without_copies(keys: Mapping[str, Sequence[Hashable]], *, where: object) -> tuple[np.ndarray, list[str]]:
    """Return the places of the test examples that neither training nor validation holds, and lines about the others.

    Raises QuartetError if no test example is left.
    """
    trained, seen = set(keys["train"]), {*keys["train"], *keys["val"]}
    keep = np.array([i for i, key in enumerate(keys["test"]) if key not in seen], dtype=np.int64)
    lines = []
    if copies := sum(key in trained for key in keys["val"]):
        lines.append(f"{copies} examples of val are in train too: exact copies, which validation does not need")
    if dropped := len(keys["test"]) - len(keep):
        lines.append(f"{dropped} examples of test left out: exact copies of examples in train or val")
    if dropped and not len(keep):
        raise QuartetError(
            f"{where}: every example of test is in train or val too; give test others, or remove it: "
            "a share of train is then held out"
        )
    return keep, lines


def contradictions(examples: Iterable[tuple[Hashable, int, object]], classes: Sequence[str]) -> list[str]:
    """Return a warning where one and the same example has several classes, as one of them must be wrong.

    `examples`: what identifies each, its label, and its name. The warning names two, each with its class.
    """
    first: dict[Hashable, tuple[int, object]] = {}
    odd: dict[Hashable, tuple[object, object]] = {}
    for key, label, name in examples:
        known, there = first.setdefault(key, (label, name))
        if known != label:
            odd.setdefault(key, (f"{there} ({classes[known]})", f"{name} ({classes[label]})"))
    if not odd:
        return []
    one, other = next(iter(odd.values()))
    many = "1 example is" if len(odd) == 1 else f"{len(odd)} examples are each"
    return [f"WARNING: {many} in several classes, of which one at most is right: {one} and {other} hold the same"]
