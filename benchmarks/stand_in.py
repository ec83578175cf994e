"""Find an experiment's data; with --quick, small data that are made up here, so that nothing is fetched."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
from measure import Skipped

from quartet.types import QuartetError
from quartet_app.data.prepared import ensure

FOLDER = Path("made_up")
COUNT, CLASSES = 2500, 10  # of images and of series: 15 batches of the input path
WORDS = ["the", "cat", "eats", "a", "small", "red", "fish", "while", "its", "old", "friend", "sleeps", "under", "trees"]


def prepared(config: dict[str, Any]) -> Path:
    """Return the absolute folder of the prepared data of a resolved config. Raises Skipped where they cannot be had."""
    try:
        return ensure(config["data"]).resolve()
    except QuartetError as error:
        raise Skipped(str(error)) from error


def small_data(kind: str) -> list[str]:
    """Return the overrides that put made-up data of a `kind` (images, series, text, pairs) in the place of real ones.

    The first call writes them below the working directory.
    """
    folder = FOLDER.resolve()
    if not folder.exists():
        make(folder)
    return {
        "images": ["data=own_image_arrays", f"data.source.file={folder}/images.npz"],
        "series": ["data=own_series", f"data.source.file={folder}/series.npz"],
        "text": ["data=own_text", f"data.source.folder={folder}/text", "data.source.tokenizer=character"],
        "pairs": ["data=own_pairs", f"data.source.folder={folder}/pairs.tsv", "data.source.vocabulary=300"],
    }[kind]


def make(folder: Path) -> None:
    """Write one data set of each kind: squares in noise, waves, and sentences of few words."""
    (folder / "text").mkdir(parents=True)
    draw, words = np.random.default_rng(0), random.Random(0)
    y_N = np.arange(COUNT) % CLASSES
    x_NHW = draw.integers(0, 60, (COUNT, 28, 28), dtype=np.uint8)
    for x_HW, label in zip(x_NHW, y_N, strict=True):
        x_HW[14 * (label // 5) :][:14, 5 * (label % 5) :][:, :5] += 150
    np.savez(folder / "images.npz", x=x_NHW, y=y_N)
    waves_NL = np.sin(np.linspace(0, 9, 40)[None] * (1 + y_N[:, None])) + draw.normal(0, 0.1, (COUNT, 40))
    np.savez(folder / "series.npz", x=waves_NL.astype(np.float32), y=y_N)
    sentences = [" ".join(words.choices(WORDS, k=words.randint(3, 12))) for _ in range(1500)]
    (folder / "text" / "a.txt").write_text(".\n".join(sentences))
    (folder / "pairs.tsv").write_text("".join(f"{s}\t{' '.join(reversed(s.split()))}\n" for s in sentences))
