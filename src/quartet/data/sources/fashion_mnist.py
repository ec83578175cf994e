"""Fashion-MNIST: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.images import describe_images, write_images
from quartet.data.preparing.places import Address, DebianPackage, Folder, Place
from quartet.data.preparing.source import Source
from quartet.types import QuartetError

UPSTREAM = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
# Digests of the unpacked files, as Debian compresses its copies again.
DIGESTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


class FashionMNIST(Source):
    """60,000 + 10,000 grey images of 28×28, ten kinds of clothing; the last `validation` training images validate."""

    KIND = "images"
    LICENCE = "MIT, copyright Zalando SE"
    ORIGIN = "Fashion-MNIST, Zalando Research"
    FETCHED_MB = 30.9

    def __init__(self, *, validation: int, mirror: str | None = None) -> None:
        if not 0 < validation < 60_000:
            raise QuartetError(f"data.source.validation: {validation} images; 1 to 59999 would do")
        self.validation = validation
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        raw = {file: read_idx(self._fetch(file, downloads)) for file in DIGESTS}
        x, y = raw["train-images-idx3-ubyte"][..., None], raw["train-labels-idx1-ubyte"]
        held = len(x) - self.validation
        splits = {
            "train": (x[:held], y[:held]),
            "val": (x[held:], y[held:]),
            "test": (raw["t10k-images-idx3-ubyte"][..., None], raw["t10k-labels-idx1-ubyte"]),
        }
        for split, (images, labels) in splits.items():
            write_images(staging, split, [images], labels, shape=(28, 28, 1))
        return describe_images(staging, classes=CLASSES)

    def foreseen(self) -> dict[str, Any]:
        examples = {"train": 60_000 - self.validation, "val": self.validation, "test": 10_000}
        return {"shape": [28, 28, 1], "classes": list(CLASSES), "examples": examples}

    def _fetch(self, file: str, downloads: Path) -> Path:
        """Fetch an unpacked IDX file."""
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "fashion_mnist")]
        places.append(Address(f"{UPSTREAM}/{file}.gz"))
        places.append(DebianPackage("dataset-fashion-mnist", f"usr/share/datasets/fashion-mnist/{file}.gz"))
        return fetch(downloads / file, digests=[DIGESTS[file]], places=places)


def read_idx(path: Path) -> np.ndarray:
    """Return an IDX file's bytes in the shape of its header: two zeros, type, dimensions, then big-endian sizes."""
    content = path.read_bytes()
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape([int(size) for size in shape])
