"""Your own sentence pairs: a TSV, or two files with matching lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.data.loading.files import SPLITS, split_indices
from quartet.data.preparing.pairs import Pair, drop_seen, within, write_pairs
from quartet.data.preparing.source import Source
from quartet.data.preparing.store import listing
from quartet.data.sources.text_files import read_text
from quartet.types import QuartetError


class SentencePairs(Source):
    """Pairs from a .tsv file (source TAB target), a folder of them, or files `<name>.<source>` and `<name>.<target>`.

    Files called train, val and test are the splits. Without val or test, `seed` holds out the shares `validation` and
    `test`, without pairs that share a sentence with training. Training and validation leave out pairs with fewer than
    `least_words` or more than `most_words`. Your own test file stays whole.
    """

    KIND = "pairs"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "sentence pairs"

    def __init__(
        self,
        *,
        folder: str,
        source: str,
        target: str,
        vocabulary: int,
        least_words: int,
        most_words: int,
        validation: float,
        test: float,
        seed: int,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.source, self.target = source, target
        self.vocabulary = vocabulary
        self.least_words, self.most_words = least_words, most_words
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        found = self._read()
        given = {split: found.pop(split) for split in SPLITS if split in found}
        splits = {split: pairs if split == "test" else self._fitting(pairs) for split, pairs in given.items()}
        rest = self._fitting([pair for name in sorted(found) for pair in found[name]]) + splits.pop("train", [])
        splits |= self._held_out(rest, keep=splits)
        fields = write_pairs(staging, splits, vocabulary=self.vocabulary, languages=(self.source, self.target))
        return {**fields, "own": listing(self.folder)}

    def _fitting(self, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs within the limits of words."""
        return [pair for pair in pairs if within(pair, least=self.least_words, most=self.most_words)]

    def _held_out(self, pairs: list[Pair], *, keep: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
        """Return training, and whichever of val and test is not in `keep`."""
        missing = [split for split in ("val", "test") if split not in keep]
        if not missing:
            return {"train": pairs}
        if len(pairs) < 3:
            raise QuartetError(
                f"{self.folder}: {len(pairs)} pairs of {self.least_words} to {self.most_words} words; "
                "three or more would do"
            )
        shares = [getattr(self, name) if split in missing else 0.0 for split, name in _SHARES]
        parts = split_indices(len(pairs), validation=shares[0], test=shares[1], seed=self.seed)
        train = [pairs[i] for i in parts["train"]]
        return {"train": train, **{split: drop_seen([pairs[i] for i in parts[split]], train) for split in missing}}

    def _read(self) -> dict[str, list[Pair]]:
        """Return the pairs of each TSV, or of each two matching files, by stem."""
        if self.folder.is_file():
            return {self.folder.stem: read_tsv(self.folder)}
        if not self.folder.is_dir():
            raise QuartetError(f"data.source.folder: there is no folder or file {self.folder.absolute()}")
        found = {path.stem: read_tsv(path) for path in sorted(self.folder.glob("*.tsv"))}
        for path in sorted(self.folder.glob(f"*.{self.source}")):
            found[path.stem] = read_lines(path, path.with_suffix(f".{self.target}"))
        if not found:
            raise QuartetError(
                f"{self.folder}: neither a .tsv nor a file ending in .{self.source}; "
                "set data.source.source and data.source.target to your files' endings"
            )
        return found


_SHARES = (("val", "validation"), ("test", "test"))


def read_tsv(path: Path) -> list[Pair]:
    """Return source and target of each line. Raises QuartetError that names the first line without two columns."""
    pairs = []
    for number, line in enumerate(read_text(path).rstrip("\n").split("\n"), start=1):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise QuartetError(f"{path}, line {number}: expected a source, one tab and a target, not {line[:60]!r}")
        pairs.append((columns[0], columns[1]))
    return pairs


def read_lines(source: Path, target: Path) -> list[Pair]:
    """Return the pairs of two files, line by line, without lines that are empty in both.

    Raises QuartetError if a file is missing, the files differ in length, or a line is empty in only one.
    """
    if not target.exists():
        raise QuartetError(f"{source} has no counterpart: there is no {target}")
    left, right = (read_text(path).rstrip("\n").split("\n") for path in (source, target))
    if len(left) != len(right):
        raise QuartetError(
            f"{source} has {len(left)} lines and {target.name} {len(right)}: each line needs its counterpart"
        )
    pairs = []
    for number, pair in enumerate(zip(left, right, strict=True), start=1):
        first, second = (line.strip() for line in pair)
        if bool(first) != bool(second):
            raise QuartetError(f"{source} and {target.name}, line {number}: one of the two is empty")
        if first:
            pairs.append((first, second))
    return pairs
