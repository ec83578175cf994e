"""Make up small data of each kind, for quick tries that must fetch nothing: squares in noise, waves, few words."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COUNT, CLASSES = 2500, 10  # of images and of series
SENTENCES = 1500
WORDS = ["the", "cat", "eats", "a", "small", "red", "fish", "while", "its", "old", "friend", "sleeps", "under", "trees"]
HELD_OUT = {"validation": 0.25, "test": 0.25}  # of few labelled examples


@dataclass(frozen=True)
class Own:
    """Made-up data of a kind: the option of conf/data/, the key of its file or folder, and what lies there.

    `settings` are others of its source; `few` those for few examples, and `batch` the batch size for them.
    """

    option: str
    key: str
    place: str
    batch: int
    settings: dict[str, Any] = field(default_factory=dict)
    few: dict[str, Any] = field(default_factory=dict)


OWN = {
    "images": Own("own_image_arrays", "file", "images.npz", batch=16, few=HELD_OUT),
    "series": Own("own_series", "file", "series.npz", batch=16, few=HELD_OUT),
    "text": Own("own_text", "folder", "text", batch=4, settings={"tokenizer": "character"}),
    "labelled_text": Own("own_labelled", "file", "labelled.csv", batch=16, settings={"vocabulary": 300}, few=HELD_OUT),
    "pairs": Own("own_pairs", "folder", "pairs.tsv", batch=256, settings={"vocabulary": 300}),
}


def made_up(kind: str, folder: Path, *, count: int = COUNT, sentences: int = SENTENCES) -> tuple[str, dict[str, Any]]:
    """Return an option of conf/data/ and the settings of its source; writes the data to `folder` if it is not there."""
    if not folder.exists():
        make(folder, count=count, sentences=sentences)
    own = OWN[kind]
    return own.option, {own.key: str(folder.resolve() / own.place), **own.settings}


def make(folder: Path, *, count: int, sentences: int) -> None:
    """Write one data set of each kind: `count` images and series of ten classes, and as many sentences as given."""
    import numpy as np

    (folder / "text").mkdir(parents=True)
    draw, words = np.random.default_rng(0), random.Random(0)
    y_N = np.arange(count) % CLASSES
    x_NHW = draw.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for x_HW, label in zip(x_NHW, y_N, strict=True):
        x_HW[14 * (label // 5) :][:14, 5 * (label % 5) :][:, :5] += 150
    np.savez(folder / "images.npz", x=x_NHW, y=y_N)
    waves_NL = np.sin(np.linspace(0, 9, 40)[None] * (1 + y_N[:, None])) + draw.normal(0, 0.1, (count, 40))
    np.savez(folder / "series.npz", x=waves_NL.astype(np.float32), y=y_N)
    spoken = [" ".join(words.choices(WORDS, k=words.randint(3, 12))) for _ in range(sentences)]
    (folder / "text" / "a.txt").write_text(".\n".join(spoken), encoding="utf-8")
    pairs = "".join(f"{sentence}\t{' '.join(reversed(sentence.split()))}\n" for sentence in spoken)
    (folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    told = "".join(f"{sentence} {WORDS[i % CLASSES]} {i},{WORDS[i % CLASSES]}\n" for i, sentence in enumerate(spoken))
    (folder / "labelled.csv").write_text(f"text,label\n{told}", encoding="utf-8")
