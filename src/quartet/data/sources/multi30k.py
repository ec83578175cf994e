"""Multi30k: Elliott, Frank, Sima'an and Specia (2016), arXiv:1605.00459; English and German of its first task."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.pairs import Pair, write_pairs
from quartet.data.preparing.places import Address, Folder, Place
from quartet.data.preparing.source import Source

UPSTREAM = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
FILES = {"train": "train", "val": "val", "test": "test_2016_flickr"}
DIGESTS = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
}


class Multi30k(Source):
    """29,000 / 1,014 / 1,000 captions in English and German, in the authors' splits (test: 2016, Flickr)."""

    KIND = "pairs"
    LICENCE = "captions for research and education only, see the terms of Flickr30k and of the data's repository"
    ORIGIN = "Multi30k, task 1"
    FETCHED_MB = 1.3

    def __init__(self, *, vocabulary: int, mirror: str | None = None) -> None:
        self.vocabulary = vocabulary
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        splits: dict[str, list[Pair]] = {}
        for split, stem in FILES.items():
            english, german = (self._lines(f"{stem}.{language}.gz", downloads) for language in ("en", "de"))
            splits[split] = list(zip(english, german, strict=True))
        return write_pairs(staging, splits, vocabulary=self.vocabulary, languages=("en", "de"))

    def _lines(self, file: str, downloads: Path) -> list[str]:
        """Return the lines of a fetched file."""
        places: list[Place] = [Folder(folder) for folder in mirrors(self.mirror, "multi30k")]
        places.append(Address(f"{UPSTREAM}/{file}"))
        content = gzip.decompress(fetch(downloads / file, digests=[DIGESTS[file]], places=places).read_bytes())
        return [line.strip() for line in content.decode("utf-8").split("\n")[:-1]]
