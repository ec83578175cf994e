"""Data: where examples come from (`Source`), how they are prepared once, and how batches of them are made.

Preparing needs numpy only, so that nothing here is imported before it is asked for (PEP 562): torch and Lightning come
with `DataModule`. A source of your own is one file; name its class by the file, `quartet.data.<file>.<Class>`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOMES = {
    "prepare": "store",
    "is_prepared": "store",
    "Source": "source",
    "DataModule": "module",
    "Augment": "augment",
    "Tokenizer": "tokenizer",
    "FashionMNIST": "fashion_mnist",
    "MNIST1D": "mnist1d",
    "Shakespeare": "shakespeare",
    "TinyShakespeare": "tiny_shakespeare",
    "LibreOfficeHelp": "libreoffice_help",
    "Multi30k": "multi30k",
    "ImageFolder": "image_folder",
    "TextFiles": "text_files",
    "SentencePairs": "sentence_pairs",
    "ImageArrays": "arrays",
    "SeriesArrays": "arrays",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(HOMES)
