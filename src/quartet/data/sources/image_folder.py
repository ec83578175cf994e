"""Your own images, in one folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quartet.data.loading.files import split_indices, write_rows
from quartet.data.preparing.copies import Division, contradictions, digests, divide
from quartet.data.preparing.images import describe_images, write_images
from quartet.data.preparing.labels import odd_classes
from quartet.data.preparing.own_files import read_all
from quartet.data.preparing.pictures import SUFFIXES, bits_used, read_image
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import describe_taken
from quartet.data.preparing.store import listing
from quartet.data.sources.class_folders import ClassFolders, Endings, Item, find_classes
from quartet.types import QuartetError

PIECE = 256  # images copied at once

IMAGES = Endings(SUFFIXES, examples="images", files="pictures")


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
        given = find_classes(self.folder, IMAGES)
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
        return {
            **facts,
            "own": listing(self.folder),
            "taken": [*taken, *depth(used), *copies, *given.ignored(IMAGES), *said],
        }

    def foreseen(self) -> dict[str, Any]:
        given = find_classes(self.folder, IMAGES)
        division, _ = self._divide(given, {split: [path for path, _ in items] for split, items in given.items.items()})
        examples = {split: len(places) for split, (_, places) in division.items()}
        return {"shape": list(self.shape), "classes": given.classes, "examples": examples}

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

    def _divide(self, given: ClassFolders, keys: Mapping[str, Sequence[Any]]) -> tuple[Division, list[str]]:
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
