"""Small data sets of one's own, prepared through the real sources."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quartet.data import (
    Augment,
    DataModule,
    ImageFolder,
    LabelledFolder,
    LabelledTable,
    SentencePairs,
    SeriesArrays,
    TextFiles,
    prepare,
)

TALE = "the cat eats a small red fish while its friend sleeps under an old tree by the river and dreams of birds"


def sentence(words: random.Random, least: int, most: int) -> str:
    return " ".join(words.choice(TALE.split()) for _ in range(words.randint(least, most)))


def write_image_folder(folder: Path, *, classes: int = 3, each: int = 21, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed)
    for k in range(classes):
        (folder / f"class{k}").mkdir(parents=True)
        for i in range(each):
            Image.fromarray(pixels.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(folder / f"class{k}" / f"{i}.png")
    return folder


def write_text_folder(folder: Path, *, files: int = 3, sentences: int = 300) -> Path:
    folder.mkdir(parents=True)
    words = random.Random(0)
    for i in range(files):
        text = ".\n".join(sentence(words, 4, 12).capitalize() for _ in range(sentences))
        (folder / f"{i}.txt").write_text(text, encoding="utf-8")
    return folder


def write_pairs_folder(folder: Path, *, pairs: int = 1500) -> Path:
    folder.mkdir(parents=True)
    words = random.Random(0)
    sources = [sentence(words, 3, 25) for _ in range(pairs)]
    targets = [" ".join(reversed(source.split())) + (" indeed" if words.random() < 0.3 else "") for source in sources]
    (folder / "corpus.en").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (folder / "corpus.de").write_text("\n".join(targets) + "\n", encoding="utf-8")
    return folder


def image_folder(folder: Path, **changes: Any) -> ImageFolder:
    given = {"height": 8, "width": 6, "channels": 3, "validation": 0.15, "test": 0.15, "seed": 0}
    return ImageFolder(folder=str(folder), **{**given, **changes})


def text_files(folder: Path, **changes: Any) -> TextFiles:
    given = {"pattern": "*.txt", "tokenizer": "subword", "vocabulary": 300, "validation": 0.1, "test": 0.1}
    return TextFiles(folder=str(folder), **{**given, **changes})


def sentence_pairs(folder: Path, **changes: Any) -> SentencePairs:
    given = {"source": "en", "target": "de", "vocabulary": 320, "least_words": 1, "most_words": 40}
    return SentencePairs(folder=str(folder), **{**given, "validation": 0.1, "test": 0.1, "seed": 0, **changes})


def write_labelled(path: Path, *, rows: int = 240, text: str = "text", label: str = "label") -> Path:
    """A CSV of sentences of different length; the animal in a sentence is its label."""
    words = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([label, "id", text])
        for i in range(rows):
            animal = ("cat", "fish", "bird")[i % 3]
            lines.writerow([animal, i, f"{sentence(words, 0, 20)} {animal}, {sentence(words, 1, 5)}"])
    return path


def labelled_table(file: Path, **changes: Any) -> LabelledTable:
    given = {"text": "text", "label": "label", "tokenizer": "subword", "vocabulary": 320, "longest": 64}
    return LabelledTable(file=str(file), **{**given, "validation": 0.15, "test": 0.15, "seed": 0, **changes})


def labelled_folder(folder: Path, **changes: Any) -> LabelledFolder:
    given = {"tokenizer": "subword", "vocabulary": 320, "longest": 64, "validation": 0.15, "test": 0.15, "seed": 0}
    return LabelledFolder(folder=str(folder), **{**given, **changes})


@pytest.fixture
def small() -> ModuleType:
    """What is above, for tests that make small data of their own."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A prepared folder of each kind."""
    base = tmp_path_factory.mktemp("own")
    series = np.random.default_rng(0)
    np.savez(base / "series.npz", x=series.normal(size=(90, 12, 2)), y=series.integers(0, 4, 90))
    sources = {
        "images": image_folder(write_image_folder(base / "images")),
        "series": SeriesArrays(file=str(base / "series.npz"), validation=0.2, test=0.2, seed=0),
        "text": text_files(write_text_folder(base / "text")),
        "labelled_text": labelled_table(write_labelled(base / "labelled.csv")),
        "pairs": sentence_pairs(write_pairs_folder(base / "pairs")),
    }
    return {
        kind: prepare(name=kind, source=source, recipe={}, root=base / "data", downloads=base / "downloads")
        for kind, source in sources.items()
    }


@pytest.fixture
def open_data(prepared: dict[str, Path]) -> Callable[..., DataModule]:
    """`open_data(kind, **loading)`: a DataModule of the small data set of that kind."""
    loading = {
        "images": {"batch_size": 16, "evaluation_batch_size": 4, "augment": Augment(shift=1, flip=True, erase=0)},
        "series": {"batch_size": 8, "evaluation_batch_size": 5},
        "text": {"batch_size": 8, "evaluation_batch_size": 7, "context": 16},
        "labelled_text": {"batch_size": 16, "evaluation_batch_size": 5},
        "pairs": {"batch_size": 1024, "evaluation_batch_size": 512},
    }

    def open_(kind: str, **changes: Any) -> DataModule:
        return DataModule(folder=prepared[kind], **{**loading[kind], **changes})

    return open_
