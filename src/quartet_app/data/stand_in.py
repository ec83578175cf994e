"""A stand-in for data that is not prepared yet: blank examples of the shape and number that its source foresees.

What a net costs on them is what it costs on the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"images": np.uint8, "series": np.float32}


def stand_in(source: Any, folder: Path) -> bool:
    """Write the stand-in for `source` into `folder`; False where the source foresees too little. Files are sparse: they
    take no room."""
    facts = source.foreseen()
    if source.KIND not in TYPES or not facts:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in facts["examples"].items():
        blank(folder / f"x_{split}.npy", (count, *facts["shape"]), TYPES[source.KIND])
        blank(folder / f"y_{split}.npy", (count,), np.int64)
    channels = facts["shape"][-1]
    manifest = {"name": folder.name, "kind": source.KIND, "digest": "", "mean": [128.0] * channels, **facts}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "std": [64.0] * channels}))
    return True


def blank(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Zeros of this shape, of which only the header is written."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + size)
