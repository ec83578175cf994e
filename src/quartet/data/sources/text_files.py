"""Your own text: files below a folder."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from quartet.data.loading.files import SPLITS
from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.copies import without_copies
from quartet.data.preparing.own_files import BrokenFile, entries, files_below, name_some, read_all
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import Splits, describe_taken, find_splits, refuse_nested, refuse_unread, split_of
from quartet.data.preparing.store import listing
from quartet.data.preparing.text import cut, write_text
from quartet.data.preparing.text_files import read_text
from quartet.types import QuartetError


class TextFiles(Source):
    """The files of `folder` that match `pattern`, or one file. Each is cut into three parts in order: train, val, test.

    Files or folders called train, val and test (train.txt, train/*.txt) keep these splits; a missing split is cut from
    the end of each training file. A test file that is in training or validation too is left out.
    """

    KIND = "text"
    LICENCE = "your own data, under your own terms"
    ORIGIN = "text files"

    def __init__(
        self, *, folder: str, pattern: str, tokenizer: Kind, vocabulary: int, validation: float, test: float
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.pattern = pattern
        self.tokenizer: Kind = tokenizer
        self.vocabulary = vocabulary
        self.validation, self.test = validation, test

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        splits, files = self._files()
        texts = read_all((path for paths in files.values() for path in paths), read_text)
        given = {split: [next(texts) or "" for _ in paths] for split, paths in files.items()}
        next(texts, None)  # raises for broken files
        documents, copies = self._divide(given)
        fields = write_text(staging, documents, kind=self.tokenizer, vocabulary=self.vocabulary)
        count = sum(map(len, given.values()))
        taken = describe_taken(fields["characters"], splits, unit=" characters")
        return {**fields, "documents": count, "own": listing(self.folder), "taken": [*taken, *copies]}

    def _divide(self, given: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], list[str]]:
        """Cut the missing splits from each training text, in order."""
        missing = [split for split in SPLITS if split not in given]
        validation, test = self.validation * ("val" in missing), self.test * ("test" in missing)
        cuts = [cut(text, validation=validation, test=test) for text in given["train"]]
        documents = {split: [parts[split] for parts in cuts] for split in ("train", *missing)}
        documents |= {split: given[split] for split in given if split != "train"}
        # Whole training files: a test file may be one from which validation was cut.
        compared = {split: [text.strip() for text in texts] for split, texts in {**documents, **given}.items()}
        if "test" in missing:
            compared["test"] = []
        elif len(compared["test"]) == 1 and any(compared["test"][0] in text for text in compared["train"]):
            compared["train"] += compared["test"]  # the one file of test is a passage of a training file
        keep, copies = without_copies(compared, where=self.folder)
        return {**documents, "test": [documents["test"][i] for i in keep]} if "test" in given else documents, copies

    def _files(self) -> tuple[Splits, dict[str, list[Path]]]:
        """Return the splits, and the files of each. Raises QuartetError if there are none."""
        if self.folder.is_file():
            return Splits({"train": [self.folder.name]}), {"train": [self.folder]}
        if not self.folder.is_dir():
            raise QuartetError(f"data.source.folder: there is no folder or file {self.folder.absolute()}")
        below = files_below(self.folder)
        parts = {path: path.relative_to(self.folder).parts for path in below}
        files = [path for path in below if matches(parts[path], Path(self.pattern).parts)]
        if not files:
            raise self._no_match(below)
        names = {parts[path][0]: path.stem if len(parts[path]) == 1 else parts[path][0] for path in files}
        splits = find_splits(names, where=self.folder)
        for path in entries(self.folder):
            if path.name not in names and path.is_dir() and split_of(path.name):
                raise QuartetError(
                    f"{path}: this looks like a split, but no file in it matches {self.pattern}; add some, or remove it"
                )
        refuse_unread(self.folder, splits)
        chosen = {
            split: [path for path in files if parts[path][0] in entries_] for split, entries_ in splits.entries.items()
        }
        remedy = f"give its folder as data.source.folder, or move splits up to {self.folder}"
        refuse_nested(
            (path for paths in chosen.values() for path in paths), root=self.folder, remedy=remedy, names=True
        )
        return splits, chosen

    def _no_match(self, below: list[Path]) -> QuartetError:
        """Return the error for a pattern that no file matches; it names a pattern that matches readable files."""
        said = f"data.source.pattern: no file of {self.folder} matches {self.pattern}"
        for ending, _ in Counter(path.suffix for path in below).most_common():
            with contextlib.suppress(BrokenFile):
                read_text(next(path for path in below if path.suffix == ending))
                return QuartetError(f"{said}; 'data.source.pattern=**/*{ending}' would do")
        held = name_some(sorted({path.suffix or "without an ending" for path in below})) or "nothing"
        return QuartetError(f"{said}; it holds {held}: give it files of plain text, as **/*.txt")


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a path matches a pattern, part by part in any case; `**` stands for any folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return matches(parts, pattern[1:]) or (bool(parts) and matches(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0].lower(), pattern[0].lower()) and matches(parts[1:], pattern[1:])
