"""Data: `sources` say where examples come from, `preparing` writes them once, `loading` makes batches of them.

Names load on first use (PEP 562): preparing needs only numpy, while `DataModule` needs torch and Lightning. A source of
your own is one file; a config names its class as `quartet.data.sources.<file>.<Class>`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOMES = {
    "prepare": "preparing.store",
    "is_prepared": "preparing.store",
    "Source": "preparing.source",
    "Kind": "loading.kinds.kind",
    "DataModule": "loading.module",
    "Augment": "loading.augment",
    "Tokenizer": "loading.tokenizer",
    "FashionMNIST": "sources.fashion_mnist",
    "MNIST1D": "sources.mnist1d",
    "Shakespeare": "sources.shakespeare",
    "TinyShakespeare": "sources.tiny_shakespeare",
    "LibreOfficeHelp": "sources.libreoffice_help",
    "Multi30k": "sources.multi30k",
    "ImageFolder": "sources.image_folder",
    "TextFiles": "sources.text_files",
    "SentencePairs": "sources.sentence_pairs",
    "ImageArrays": "sources.arrays",
    "SeriesArrays": "sources.arrays",
    "Trec": "sources.trec",
    "LabelledTable": "sources.labelled_texts",
    "LabelledFolder": "sources.labelled_texts",
}


def __getattr__(name: str) -> Any:
    """Import a name of this package on its first use."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(HOMES)
