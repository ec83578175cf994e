"""MNIST-1D: Greydanus and Kobak (2020), arXiv:2011.14439; made by its authors' generator."""

from __future__ import annotations

import random
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from quartet.data.loading.files import write_array
from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.images import count_examples
from quartet.data.preparing.places import Folder, Place, PyPIPackage
from quartet.data.preparing.source import Source
from quartet.types import QuartetError

VERSION = "0.0.2.post1"
WHEEL = f"mnist1d-{VERSION}-py3-none-any.whl"
DIGEST = "e780fadc12ab6e45994dcb02bbe728b347243e0a5d13790f2a86992500eceb86"


class MNIST1D(Source):
    """4,000 + 1,000 sequences of 40 numbers, ten digits; the last `validation` training sequences are held out.

    Equals the published set to 2.4e-7, so that the published accuracies hold: logistic 32, MLP 68, CNN 94, GRU 91 %.
    """

    KIND = "series"
    LICENCE = "Apache-2.0, Sam Greydanus and others"
    ORIGIN = "MNIST-1D, made by the generator of its authors"
    FETCHED_MB = 0.02

    def __init__(self, *, validation: int, mirror: str | None = None) -> None:
        if not 0 < validation < 4000:
            raise QuartetError(f"data.source.validation: {validation} sequences; 1 to 3999 would do")
        self.validation = validation
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "mnist1d")]
        places.append(PyPIPackage(f"mnist1d=={VERSION}", DIGEST))
        made = generate(fetch(downloads / WHEEL, digests=[DIGEST], places=places))
        held = len(made["x"]) - self.validation
        splits = {
            "train": (made["x"][:held], made["y"][:held]),
            "val": (made["x"][held:], made["y"][held:]),
            "test": (made["x_test"], made["y_test"]),
        }
        for split, (x, y) in splits.items():
            # Rounded, as the last bits of float64 sums differ between builds of numpy and scipy.
            write_array(staging / f"x_{split}.npy", x.round(6).astype(np.float32)[..., None])
            write_array(staging / f"y_{split}.npy", y.astype(np.int64))
        return {**self.foreseen(), "examples": count_examples(staging)}

    def foreseen(self) -> dict[str, Any]:
        examples = {"train": 4000 - self.validation, "val": self.validation, "test": 1000}
        return {"shape": [40, 1], "classes": [str(digit) for digit in range(10)], "examples": examples}


def generate(wheel: Path) -> dict[str, np.ndarray]:
    """Run the wheel's `make_dataset` from the archive, leaving this process's generators as they were.

    Two of its files are read: its package also imports matplotlib and requests, for a plot and a download.
    """
    package = {name: ModuleType(f"mnist1d.{name}") for name in ("transform", "data")}
    package["utils"] = ModuleType("mnist1d.utils")
    package["utils"].__dict__.update(set_seed=_set_seed, ObjectView=_View, from_pickle=None, to_pickle=None)
    stand_ins = {"mnist1d": ModuleType("mnist1d"), "requests": ModuleType("requests")}
    stand_ins |= {f"mnist1d.{name}": module for name, module in package.items()}
    saved = {name: sys.modules.get(name) for name in stand_ins}
    states = np.random.get_state(), random.getstate()
    sys.modules.update(stand_ins)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in ("transform", "data"):
                code = compile(archive.read(f"mnist1d/{name}.py"), f"{wheel}/mnist1d/{name}.py", "exec")
                exec(code, package[name].__dict__)
        return package["data"].make_dataset()
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
        for name, module in saved.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def _set_seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)


class _View:
    """The generator's arguments as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__ = values
