"""Your own sentence pairs: a TSV, or two files with matching lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.files import split_indices
from quartet.data.preparing.copies import divide
from quartet.data.preparing.own_files import entries, name_some, read_all, subfolders
from quartet.data.preparing.pairs import Pair, drop_seen, within, write_pairs
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import Splits, describe_taken, find_splits, means_split, refuse_unread
from quartet.data.preparing.store import listing
from quartet.data.preparing.text_files import read_lines, read_tsv
from quartet.types import QuartetError

Files = tuple[Path, ...]  # a TSV, or the source's and the target's file


class SentencePairs(Source):
    """Pairs from a .tsv file (source TAB target), a folder of them, or files `<name>.<source>` and `<name>.<target>`.

    Files or folders called train, val and test are the splits. Without val or test, `seed` holds out the shares
    `validation` and `test`, without pairs that share a sentence with training. Training and validation leave out pairs
    with fewer than `least_words` or more than `most_words`. Your own test file stays whole, but for pairs that are in
    training or validation too.
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
        splits, files = self._files()
        read, said = self._read(files)
        given = {split: pairs if split == "test" else self._fitting(pairs) for split, pairs in read.items()}
        parts, copies = self._divide(given, splits.missing)
        fields = write_pairs(staging, parts, vocabulary=self.vocabulary, languages=(self.source, self.target))
        taken = describe_taken(fields["examples"], splits)
        lost = sum(len(read[split]) - len(given[split]) for split in given)
        if lost:
            said.append(f"{lost} pairs left out: not of {self.least_words} to {self.most_words} words")
        return {**fields, "own": listing(self.folder), "taken": [*taken, *said, *copies, *self._unread()]}

    def _unread(self) -> list[str]:
        """Return a line that names folders of pairs that are no splits: only splits are read from folders."""
        if self.folder.is_file():
            return []
        names = [path.name for path in subfolders(self.folder) if not means_split(path.name) and self._has_pairs(path)]
        return [f"folders not read, as they are no splits: {name_some(names)}"] if names else []

    def _has_pairs(self, folder: Path) -> bool:
        """Return whether a folder holds a table or a file of the source language."""
        return any(is_ending(path, "tsv") or is_ending(path, self.source) for path in entries(folder))

    def _fitting(self, pairs: list[Pair]) -> list[Pair]:
        """Return the pairs within the limits of words."""
        return [pair for pair in pairs if within(pair, least=self.least_words, most=self.most_words)]

    def _divide(self, given: dict[str, list[Pair]], missing: list[str]) -> tuple[dict[str, list[Pair]], list[str]]:
        """Return the pairs of all splits, with the missing ones held out of training, and lines about copies."""
        pairs = given["train"]
        if missing and len(pairs) < 3:
            raise QuartetError(
                f"{self.folder}: {len(pairs)} pairs of {self.least_words} to {self.most_words} words; "
                "three or more would do"
            )
        division, said = divide(given, self._held_out, where=self.folder)
        parts = {split: [given[part][i] for i in places] for split, (part, places) in division.items()}
        for split in missing:
            fresh = drop_seen(parts[split], parts["train"])
            if dropped := len(parts[split]) - len(fresh):
                said.append(f"{dropped} of {split} left out: pairs that occur twice, or share a sentence with train")
            parts[split] = fresh
        return parts, said

    def _held_out(self, distinct: np.ndarray, missing: list[str]) -> dict[str, np.ndarray]:
        """Return the places of training and of the missing splits among distinct pairs."""
        validation, test = self.validation * ("val" in missing), self.test * ("test" in missing)
        parts = split_indices(len(distinct), validation=validation, test=test, seed=self.seed)
        return {split: parts[split] for split in ("train", *missing)}

    def _read(self, files: dict[str, list[Files]]) -> tuple[dict[str, list[Pair]], list[str]]:
        """Return the pairs of each split, and lines about headers and quotes."""
        said: list[str] = []

        def read(pair: Files) -> list[Pair]:
            if len(pair) == 2:
                return read_lines(*pair)
            pairs, lines = read_tsv(pair[0], codes=(self.source, self.target))
            said.extend(lines)
            return pairs

        found = read_all((pair for part in files.values() for pair in part), read)
        pairs = {split: [one for _ in part for one in next(found) or ()] for split, part in files.items()}
        next(found, None)  # raises for broken files
        return pairs, said

    def _files(self) -> tuple[Splits, dict[str, list[Files]]]:
        """Return the splits, and the files of each."""
        if self.folder.is_file():
            return Splits({"train": [self.folder.name]}), {"train": [(self.folder,)]}
        if not self.folder.is_dir():
            raise QuartetError(f"data.source.folder: there is no folder or file {self.folder.absolute()}")
        if self.source.lower() == self.target.lower():
            raise QuartetError(f"data.source.source, data.source.target: both are {self.source}; give two endings")
        found = pair_up(self.folder, self.source, self.target)
        names = {entry: Path(entry).stem for entry in found}
        for folder in subfolders(self.folder):
            if means_split(folder.name):
                inside = pair_up(folder, self.source, self.target)
                if not inside:
                    raise QuartetError(f"{folder}: this looks like a split, but holds no pairs; add some or remove it")
                names[f"{folder.name}/"] = folder.name
                found[f"{folder.name}/"] = [one for pairs in inside.values() for one in pairs]
        if not found:
            raise self._nothing()
        splits = find_splits(names, where=self.folder)
        refuse_unread(self.folder, splits)
        return splits, {
            split: [one for entry in part for one in found[entry]] for split, part in splits.entries.items()
        }

    def _nothing(self) -> QuartetError:
        """Return the error for a folder without pairs; it names the settings or the folder that would do."""
        said = f"{self.folder}: neither a .tsv nor a file ending in .{self.source}"
        for folder in subfolders(self.folder):
            if self._has_pairs(folder):
                return QuartetError(f"{said}; data.source.folder={folder} would do")
        endings: dict[str, list[str]] = {}
        for path in entries(self.folder):
            if path.is_file() and path.suffix:
                endings.setdefault(path.stem, []).append(path.suffix[1:])
        if two := next((found for found in endings.values() if len(found) == 2), None):
            return QuartetError(f"{said}; data.source.source={two[0]} data.source.target={two[1]} would do")
        held = name_some(sorted({f".{ending}" for found in endings.values() for ending in found})) or "no files"
        return QuartetError(
            f"{said}; it holds {held}. Save the pairs as .tsv, a source, one tab and a target in each line, or set "
            "data.source.source and data.source.target to your files' endings"
        )


def pair_up(folder: Path, source: str, target: str) -> dict[str, list[Files]]:
    """Return the pairs of files and the tables in `folder` by the first file's name, in order of their stems.

    Raises QuartetError for a file without counterpart, and for two that share their stem.
    """
    stems: dict[str, dict[str, list[Path]]] = {}
    for path in entries(folder):
        for ending in ("tsv", source, target):
            if not path.is_dir() and is_ending(path, ending):
                stems.setdefault(path.stem, {"tsv": [], source: [], target: []})[ending].append(path)
    found: dict[str, list[Files]] = {}
    for stem, same in sorted(stems.items()):
        files = [path for each in same.values() for path in each]
        if len(files) > (1 if same["tsv"] else 2):
            named = name_some([path.name for path in files])
            raise QuartetError(f"{folder}: {named} are all pairs called {stem}; keep one way, or rename one")
        if not same["tsv"] and not (same[source] and same[target]):
            key, ending = ("source", source) if same[target] else ("target", target)
            raise _no_counterpart(files[0], f"data.source.{key}", ending)
        found[files[0].name] = [tuple(files)]
    return found


def is_ending(path: Path, ending: str) -> bool:
    """Return whether a file's ending, in any case, is this one."""
    return path.suffix.lower() == f".{ending.lower()}"


def _no_counterpart(path: Path, key: str, missing: str) -> QuartetError:
    """Return the error for a file in one language; if there is another language beside it, it says how to take it."""
    others = [one.suffix[1:] for one in entries(path.parent) if one.stem == path.stem and one != path and one.suffix]
    remedy = f"{key}={others[0]} would do" if others else "add it, or move the file away"
    return QuartetError(f"{path} has no counterpart: there is no {path.with_suffix(f'.{missing}').name}; {remedy}")
