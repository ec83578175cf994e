"""Your own images, in one folder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quartet.data.loading.files import split_indices, write_rows
from quartet.data.preparing.copies import Division, contradictions, digests, divide
from quartet.data.preparing.images import describe_images, write_images
from quartet.data.preparing.labels import odd_classes
from quartet.data.preparing.own_files import entries, files_below, name_some, read_all, subfolders
from quartet.data.preparing.pictures import SUFFIXES, bits_used, read_image
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import Splits, describe_taken, find_splits, refuse_nested, split_of
from quartet.data.preparing.store import listing
from quartet.types import QuartetError

PIECE = 256  # images copied at once
Item = tuple[Path, int]


@dataclass(frozen=True)
class Given:
    """What the folder holds: the splits, the folder of each, the classes, and each split's (path, label) items."""

    splits: Splits
    roots: dict[str, Path]
    classes: list[str]
    items: dict[str, list[Item]]

    def ignored(self) -> list[str]:
        """Return a line about the files that are not read, by ending; pictures beside the class folders too."""
        counts: Counter[str] = Counter()
        for root in self.roots.values():
            loose = [path for path in entries(root) if path.is_file() and is_picture(path)]
            counts.update(f"{path.suffix.lower()} outside a class folder" for path in loose)
            below = [path for name in self.classes for path in files_below(root / name)]
            counts.update(path.suffix.lower() or "without an ending" for path in below if not is_picture(path))
        listed = ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items()))
        return [f"not read: {listed}"] if counts else []


class ImageFolder(Source):
    """`folder/<class>/*.png`, or `folder/train|val|test/<class>/*.png`; every image is resized to height × width.

    A missing split is held out of the training images by its share of each class, by `seed`. Exact copies stay on one
    side; test images that training or validation holds too are left out.
    """

    KIND = "images"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "a folder of images"

    def __init__(
        self,
        *,
        folder: str,
        height: int,
        width: int,
        channels: Literal[1, 3],
        validation: float,
        test: float,
        seed: int,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.shape = (height, width, int(channels))
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        given = self._given()
        used = bits_used(path for part in given.items.values() for path, _ in part)
        bits = used or 16
        keys = self._decode(staging, given.items, bits)
        division, copies = self._divide(given, keys)
        files = [
            (keys[part][i], label, path) for part, items in given.items.items() for i, (path, label) in enumerate(items)
        ]
        said = [*contradictions(files, given.classes), *odd_classes(given.classes)]
        for split, (part, places) in division.items():
            x = np.load(staging / f"all_{part}.npy", mmap_mode="r")
            labels = np.array([given.items[part][i][1] for i in places], dtype=np.int64)
            pieces = (x[places[start : start + PIECE]] for start in range(0, len(places), PIECE))
            write_images(staging, split, pieces, labels, shape=self.shape)
        for part in given.items:
            (staging / f"all_{part}.npy").unlink()
        facts = {**describe_images(staging, classes=given.classes), **({"bits": bits} if bits < 16 else {})}
        taken = describe_taken(facts["examples"], given.splits, classes=given.classes)
        return {**facts, "own": listing(self.folder), "taken": [*taken, *depth(used), *copies, *given.ignored(), *said]}

    def foreseen(self) -> dict[str, Any]:
        given = self._given()
        division, _ = self._divide(given, {split: [path for path, _ in items] for split, items in given.items.items()})
        examples = {split: len(places) for split, (_, places) in division.items()}
        return {"shape": list(self.shape), "classes": given.classes, "examples": examples}

    def _given(self) -> Given:
        """Return what the folder holds. Raises QuartetError for folders that are neither splits nor classes."""
        if not self.folder.is_dir():
            raise QuartetError(
                f"data.source.folder: there is no folder {self.folder.absolute()}; "
                "give one that holds a folder for each class"
            )
        splits = find_splits({path.name: path.name for path in subfolders(self.folder)}, where=self.folder)
        roots = {split: self.folder / found[0] for split, found in splits.entries.items() if found}
        inside = {split: [path.name for path in subfolders(root)] for split, root in roots.items()}
        if not splits.named:
            roots["train"], inside["train"] = self.folder, splits.entries["train"]
        classes = class_names(roots["train"], inside["train"])
        for split, found in inside.items():
            if unknown := sorted(set(found) - set(classes)):
                raise QuartetError(
                    f"{roots[split] / unknown[0]}: the training images have no such class; they have {classes}"
                )
            if not found:
                raise QuartetError(
                    f"{roots[split]}: this looks like a split and holds no class folder; move its pictures into "
                    f"{name_some(classes)}, or move it away. If it is a class, give it another name"
                )
        items = {split: list_images(root, classes) for split, root in roots.items()}
        remedy = "put splits above the classes, as train/cat and test/cat; if it is no split, give it another name"
        files = (path for part in items.values() for path, _ in part)
        refuse_nested(files, root=self.folder, remedy=remedy)
        return Given(splits, roots, classes, items)

    def _decode(self, staging: Path, given: dict[str, list[Item]], bits: int) -> dict[str, list[bytes]]:
        """Write the images of each given split to `all_<split>.npy`, and return a digest of each.

        Raises QuartetError that names all unreadable images.
        """
        from rich.progress import track

        keys: dict[str, list[bytes]] = {split: [] for split in given}
        items = [(split, path) for split, part in given.items() for path, _ in part]
        shown = track(items, description="reading images", transient=True)
        decoded = read_all(shown, lambda item: read_image(item[1], self.shape, bits=bits))

        def rows(split: str) -> Iterator[np.ndarray]:
            for _ in given[split]:
                image = next(decoded)
                if image is not None:
                    keys[split] += digests([image])
                    yield image

        for split, part in given.items():
            write_rows(staging / f"all_{split}.npy", rows(split), shape=(len(part), *self.shape), dtype=np.uint8)
        next(decoded, None)  # raises for broken images
        return keys

    def _divide(self, given: Given, keys: Mapping[str, Sequence[Any]]) -> tuple[Division, list[str]]:
        """Hold the missing splits out of training."""
        labels = np.array([label for _, label in given.items["train"]])
        folders = [given.roots["train"] / name for name in given.classes]
        return divide(keys, lambda i_N, missing: self._held_out(labels[i_N], missing, folders), where=self.folder)

    def _held_out(self, labels: np.ndarray, missing: list[str], folders: list[Path]) -> dict[str, np.ndarray]:
        """Return the places of training and of the missing splits, class by class."""
        shares = {"val": self.validation, "test": self.test}
        wanted = {split: share if split in missing else 0.0 for split, share in shares.items()}
        chosen: dict[str, list[np.ndarray]] = {split: [] for split in ("train", *missing)}
        for label, folder in enumerate(folders):
            (own,) = np.nonzero(labels == label)
            if len(own) <= len(missing):
                raise QuartetError(
                    f"{folder}: {len(own)} images, too few to hold some out; give {len(missing) + 1} or more"
                )
            parts = split_indices(len(own), validation=wanted["val"], test=wanted["test"], seed=self.seed)
            for split in chosen:
                chosen[split].append(own[parts[split]])
        return {split: np.concatenate(parts) for split, parts in chosen.items()}


def depth(used: int | None) -> list[str]:
    """Return a line about deep pictures that use fewer than 16 bits, given `used` of them; None for no such picture."""
    if used is None or used == 16:
        return []
    return [f"pictures of 16 bits use {used} of them: {2**used - 1} is taken as white, in predictions too"]


def class_names(folder: Path, names: list[str]) -> list[str]:
    """Return the names of the class folders. Raises QuartetError if there are fewer than two, or splits in their
    place."""
    inside = {name: [path.name for path in subfolders(folder / name)] for name in names} if len(names) == 1 else {}
    for name, below in inside.items():
        if len(below) > 1:
            raise QuartetError(
                f"data.source.folder: {folder} holds 1 class folder, {name}; data.source.folder={folder / name} has "
                f"{name_some(below)}"
            )
    if len(names) < 2:
        hint = "; if this is a class and no split, give it another name" if split_of(folder.name) else ""
        raise QuartetError(f"data.source.folder: {folder} holds {len(names)} class folders; two or more would do{hint}")
    for name in names:
        if not name.isprintable():  # control characters, and bytes outside UTF-8
            raise QuartetError(
                f"data.source.folder: {folder} holds the class {name!a}, which cannot be printed; rename it"
            )
    return names


def list_images(folder: Path, classes: list[str]) -> list[Item]:
    """Return each class's images in order of name. Raises QuartetError for a class without images."""
    items = []
    for label, name in enumerate(classes):
        below = files_below(folder / name) if (folder / name).is_dir() else []
        found = [path for path in below if is_picture(path)]
        if not found:
            raise QuartetError(f"{folder / name}: a class without images; add some ({' '.join(SUFFIXES)}) or remove it")
        items += [(path, label) for path in found]
    return items


def is_picture(path: Path) -> bool:
    """Return whether a file's ending, in any case, is that of a picture."""
    return path.suffix.lower() in SUFFIXES
