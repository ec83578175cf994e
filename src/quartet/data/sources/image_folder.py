"""Your own images, in one folder for each class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quartet.data.loading.files import SPLITS, split_indices
from quartet.data.preparing.images import describe_images, write_images
from quartet.data.preparing.source import Source
from quartet.data.preparing.store import listing
from quartet.types import QuartetError

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
PIECE = 256  # images decoded at once
Item = tuple[Path, int]


class ImageFolder(Source):
    """`folder/<class>/*.png`, or `folder/train|val|test/<class>/*.png`; every image is resized to height × width.

    Without split folders, `validation` and `test` are the shares of each class to hold out, by `seed`. With `train` and
    only one other folder, the missing split is taken from `train`.
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
        classes, splits = self._splits()
        for split, items in splits.items():
            labels = np.array([label for _, label in items], dtype=np.int64)
            write_images(staging, split, self._pieces(items), labels, shape=self.shape)
        return {**describe_images(staging, classes=classes), "own": listing(self.folder)}

    def foreseen(self) -> dict[str, Any]:
        classes, splits = self._splits()
        examples = {split: len(items) for split, items in splits.items()}
        return {"shape": list(self.shape), "classes": classes, "examples": examples}

    def _splits(self) -> tuple[list[str], dict[str, list[Item]]]:
        """Return the classes, and the (path, label) items of each split."""
        given = [split for split in SPLITS if (self.folder / split).is_dir()]
        if "train" not in given or len(given) == 1:
            classes = class_names(self.folder)
            return classes, self._held_out(list_images(self.folder, classes), missing=["val", "test"])
        classes = class_names(self.folder / "train")
        splits = {split: list_images(self.folder / split, classes) for split in given}
        missing = [split for split in SPLITS if split not in given]
        return classes, splits | self._held_out(splits["train"], missing=missing) if missing else splits

    def _held_out(self, items: list[Item], *, missing: list[str]) -> dict[str, list[Item]]:
        """Take the missing splits from `items`, class by class."""
        splits: dict[str, list[Item]] = {"train": [], **{split: [] for split in missing}}
        shares = {"val": self.validation, "test": self.test}
        for label in sorted({label for _, label in items}):
            own = [item for item in items if item[1] == label]
            if len(own) <= len(missing):
                raise QuartetError(
                    f"{own[0][0].parent}: {len(own)} images, too few to hold some out; give {len(missing) + 1} or more"
                )
            wanted = {split: shares[split] if split in missing else 0.0 for split in shares}
            parts = split_indices(len(own), validation=wanted["val"], test=wanted["test"], seed=self.seed)
            for split in splits:
                splits[split] += [own[i] for i in parts[split]]
        return splits

    def _pieces(self, items: list[Item]) -> Iterator[np.ndarray]:
        """Yield the decoded images in pieces."""
        from rich.progress import track

        for start in track(range(0, len(items), PIECE), description="reading images", transient=True):
            yield np.stack([read_image(path, self.shape) for path, _ in items[start : start + PIECE]])


def class_names(folder: Path) -> list[str]:
    """Return the names of the class folders, sorted. Raises QuartetError if there are fewer than two."""
    if not folder.is_dir():
        raise QuartetError(
            f"data.source.folder: there is no folder {folder.absolute()}; give one that holds a folder for each class"
        )
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise QuartetError(f"data.source.folder: {folder} holds {len(names)} class folders; two or more would do")
    return names


def list_images(folder: Path, classes: list[str]) -> list[Item]:
    """Return each class's images in order of name. Raises QuartetError for an empty or unknown class."""
    unknown = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(classes))
    unknown = [name for name in unknown if not name.startswith(".")]
    if unknown:
        raise QuartetError(f"{folder / unknown[0]}: the training images have no such class; they have {classes}")
    items = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise QuartetError(f"{folder / name}: a class without images; add some ({' '.join(SUFFIXES)}) or remove it")
        items += [(path, label) for path in found]
    return items


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an image as uint8 `shape` (H, W, C), turned upright. Raises QuartetError that names an unreadable file."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I")  # 16 bits a pixel, which PIL would clip at 255
            plain = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)) if deep else image
            upright = ImageOps.exif_transpose(plain).convert("L" if channels == 1 else "RGB")
            resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise QuartetError(f"{path}: this picture cannot be read ({error}); replace or remove it") from error
    return np.asarray(resized, dtype=np.uint8).reshape(shape)
