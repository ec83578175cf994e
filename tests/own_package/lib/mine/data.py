"""Waves of one to four turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quartet.data import Source

LENGTH = 24
EXAMPLES = {"train": 200, "val": 60, "test": 61}


class Waves(Source):
    KIND = "series"
    LICENCE = "none"
    ORIGIN = "a formula"

    def __init__(self, *, noise: float) -> None:
        self.noise = noise

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        draw = np.random.default_rng(0)
        for split, count in EXAMPLES.items():
            turns = np.arange(count) % 4
            x = np.sin(np.linspace(0, 6, LENGTH) * (1 + turns[:, None])) + draw.normal(0, self.noise, (count, LENGTH))
            np.save(staging / f"x_{split}.npy", x[..., None].astype(np.float32))
            np.save(staging / f"y_{split}.npy", turns)
        classes = ["one", "two", "three", "four"]
        return {"shape": [LENGTH, 1], "classes": classes, "examples": EXAMPLES, "mean": [0.0], "std": [1.0]}
