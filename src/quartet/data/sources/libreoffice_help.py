"""The help of LibreOffice: its paragraphs have the same ids in all languages, so that they align exactly."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path
from typing import Any, Literal

from quartet.data.preparing.fetch import fetch, mirrors
from quartet.data.preparing.pairs import Pair, drop_seen, within, write_pairs
from quartet.data.preparing.places import DebianPackage, Folder, Place, open_deb
from quartet.data.preparing.source import Source

HELP = "usr/share/libreoffice/help/"
# Digests of the pages of version 7.4.7, as each security revision rebuilds the package.
DIGESTS = {
    "en-us": "8b72fec9963b6767e9dc89a7b22bac8d989be09dc4e8f5a2fc48798d8e237966",
    "de": "a18d8970d294463bdec080915cc072df48e5b09f5b225832eba60343a8338aa3",
    "fr": "993cb90240274c21823cb00d95c905c3408ff88c582e943e5f5d86cb8219c201",
}
# From a paragraph's or heading's opening tag to the next such tag. One program wrote all pages, so that a pattern gives
# the same result as a parser, and eleven times as fast.
PARAGRAPH = re.compile(r'<(?:p|h[1-6])\b[^>]*?\bid="((?:par_|hd_)[^"]*)"[^>]*>(.*?)(?=</?(?:p|h[1-6])\b)', re.DOTALL)
BREAK, TAG = re.compile(r"<br\b[^>]*>"), re.compile(r"<[^>]*>")


class LibreOfficeHelp(Source):
    """English help paragraphs and their translations, 3 to 40 words each; all of a page is in one split.

    `accept`: digests of another release's pages to allow; the error for a wrong digest names them.
    """

    KIND = "pairs"
    LICENCE = "MPL-2.0, the LibreOffice contributors"
    ORIGIN = "the help of LibreOffice 7.4"
    FETCHED_MB = 5.0

    def __init__(
        self, *, language: Literal["de", "fr"], vocabulary: int, accept: list[str] | None, mirror: str | None = None
    ) -> None:
        self.language = language
        self.vocabulary = vocabulary
        self.accept = list(accept or [])
        self.mirror = mirror

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        read = {language: read_pages(self._fetch(language, downloads)) for language in ("en-us", self.language)}
        english, other = map(paragraphs_of, read.values())
        pages: dict[str, list[Pair]] = {}
        for key, sentence in english.items():
            pair = (sentence, other.get(key, ""))
            if within(pair, least=3, most=40) and pair[0] != pair[1]:
                pages.setdefault(key[0], []).append(pair)
        splits: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
        for page, pairs in pages.items():
            splits[split_of(page)] += pairs
        for split in ("val", "test"):
            splits[split] = drop_seen(splits[split], splits["train"])
        fields = write_pairs(staging, splits, vocabulary=self.vocabulary, languages=("en", self.language))
        return {**fields, "pages": {language: digest_of(pages) for language, pages in read.items()}}

    def _fetch(self, language: str, downloads: Path) -> Path:
        """Fetch the help package of a language."""
        package = f"libreoffice-help-{language}"
        places: list[Place] = [Folder(f, f"{package}_*.deb") for f in mirrors(self.mirror, "libreoffice_help")]
        places.append(DebianPackage(package))
        digests = [DIGESTS[language], *self.accept]
        advice = "another release; to use it, add its digest to data.source.accept"
        return fetch(downloads / f"{package}.deb", digests=digests, places=places, digest=pages_digest, advice=advice)


def split_of(page: str) -> str:
    """Return the split of a page: a digest of its name puts 5 % into validation and 5 % into test."""
    share = int.from_bytes(hashlib.sha256(page.encode()).digest()[:4], "big") % 20
    return {0: "val", 1: "test"}.get(share, "train")


def read_pages(package: Path) -> dict[str, bytes]:
    """Return a package's pages by their path below the language's folder."""
    pages = {}
    with open_deb(package) as tar:
        for info in tar:
            if info.isfile() and info.name.endswith(".html") and "/text/" in info.name:
                file = tar.extractfile(info)
                assert file is not None
                pages[info.name.removeprefix("./").removeprefix(HELP).partition("/")[2]] = file.read()
    return pages


def pages_digest(package: Path) -> str:
    """Return the digest of a package's pages. Raises ValueError for an incomplete package."""
    return digest_of(read_pages(package))


def digest_of(pages: dict[str, bytes]) -> str:
    """Return the SHA-256 over each page's path, NUL and the SHA-256 of its bytes, in order of path."""
    total = hashlib.sha256()
    for path, content in sorted(pages.items()):
        total.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    return total.hexdigest()


def paragraphs_of(pages: dict[str, bytes]) -> dict[tuple[str, str], str]:
    """Return the text of each paragraph and heading by (page, id), in order of path, with single blanks.

    An id that occurs twice on a page marks variants of one paragraph: the first counts.
    """
    found: dict[tuple[str, str], str] = {}
    for path, content in sorted(pages.items()):
        for match in PARAGRAPH.finditer(content.decode("utf-8")):
            text = html.unescape(TAG.sub("", BREAK.sub(" ", match[2])))
            found.setdefault((path, match[1]), " ".join(text.split()))
    return found
