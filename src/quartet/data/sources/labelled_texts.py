"""Your own texts with labels: a table with a column of texts and one of labels, or a folder of texts for each class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.copies import contradictions, divide
from quartet.data.preparing.labels import class_labels, odd_classes, stratified_indices
from quartet.data.preparing.own_files import BrokenFile, entries, name_some, read_all
from quartet.data.preparing.source import Source
from quartet.data.preparing.splits import Splits, describe_taken, find_splits, refuse_unread
from quartet.data.preparing.store import listing
from quartet.data.preparing.tables import ENDINGS, Cells, read_table
from quartet.data.preparing.text import write_labelled
from quartet.data.preparing.text_files import read_text
from quartet.data.sources.class_folders import Endings, find_classes
from quartet.types import QuartetError

TEXTS = Endings((".txt", ".md"), examples="texts", files="files")
MOST = 1_000_000  # characters of a text; a longer one is a table whose quotes do not end


@dataclass(frozen=True)
class Labelled:
    """A text and its label, and where they stand."""

    text: str
    label: str
    where: str


@dataclass(frozen=True)
class Given:
    """What a source holds: the splits, the examples of each, the classes ([] for those that occur, in order), and lines
    about what was left out."""

    splits: Splits
    examples: dict[str, list[Labelled]]
    classes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class LabelledTexts(Source):
    """Texts with one label each.

    A missing split is held out of training by its share of each class, by `seed`. Exact copies stay on one side; test
    texts that training or validation holds too are left out. A text keeps its first `longest` tokens.
    """

    KIND = "labelled_text"

    tokenizer: Kind
    vocabulary: int
    longest: int
    validation: float
    test: float
    seed: int

    @abstractmethod
    def _read(self, downloads: Path) -> Given:
        """Return what the source holds."""

    @abstractmethod
    def _place(self) -> Path:
        """Return the user's file or folder, for messages."""

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        if self.longest < 1:
            raise QuartetError(f"data.source.longest: {self.longest} tokens; 1 or more would do")
        read = self._read(downloads)
        given, where = read.examples, self._place()
        labels, classes = _numbered(given, read.classes, where)

        def choose(distinct: np.ndarray, missing: list[str]) -> dict[str, np.ndarray]:
            shares = {"validation": self.validation, "test": self.test}
            return stratified_indices(labels["train"][distinct], missing, **shares, seed=self.seed)

        texts = {split: [one.text for one in part] for split, part in given.items()}
        division, copies = divide(texts, choose, where=where)
        chosen = {
            split: ([texts[part][i] for i in places], labels[part][places])
            for split, (part, places) in division.items()
        }
        settings = {"kind": self.tokenizer, "vocabulary": self.vocabulary, "longest": self.longest}
        fields, cut = write_labelled(staging, chosen, classes=classes, **settings)  # type: ignore[arg-type]
        rows = [
            (one.text, int(label), one.where)
            for split, part in given.items()
            for one, label in zip(part, labels[split], strict=True)
        ]
        taken = describe_taken(fields["examples"], read.splits, classes=classes)
        said = [*contradictions(rows, classes), *odd_classes(classes, used=labels["train"].tolist())]
        if cut:
            said.append(
                f"{cut} texts are longer than data.source.longest={self.longest} tokens: their ends are cut off"
            )
        return {**fields, "taken": [*taken, *read.said, *copies, *said]}


class LabelledTable(LabelledTexts):
    """A CSV, TSV or Parquet file whose first row names its columns, or a folder of such files called train, val and
    test; `text` and `label` are columns."""

    LICENCE = "your own data, under your own terms"
    ORIGIN = "a table of texts and labels"

    def __init__(
        self,
        *,
        file: str,
        text: str,
        label: str,
        tokenizer: Kind,
        vocabulary: int,
        longest: int,
        validation: float,
        test: float,
        seed: int,
    ) -> None:
        self.file = Path(file).expanduser()
        self.columns = [("data.source.text", str(text)), ("data.source.label", str(label))]
        self.tokenizer, self.vocabulary, self.longest = tokenizer, vocabulary, longest
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        return {**super().build(staging, downloads), "own": listing(self.file)}

    def _place(self) -> Path:
        return self.file

    def _read(self, downloads: Path) -> Given:
        splits, files = self._files()
        tables = read_all((path for paths in files.values() for path in paths), self._table)
        given = {split: [one for _ in paths for one in next(tables) or ()] for split, paths in files.items()}
        next(tables, None)  # raises for broken files
        return Given(splits, given)

    def _table(self, path: Path) -> list[Labelled]:
        """Return the examples of a file. Raises BrokenFile that names the first row without a text or a label."""
        rows = read_table(path, self.columns)
        if not rows:
            raise BrokenFile(path, "it has no rows below its first", "add some, or remove it")
        for (_, name), column in zip(self.columns, range(len(self.columns)), strict=True):
            refuse_rows(path, [row for row in rows if not row.values[column]], f"its {name} is empty")
        odd = [row for row in rows if not row.values[1].isprintable()]
        refuse_rows(path, odd, "its label holds a line break, or another character that cannot be printed")
        long = [row for row in rows if len(row.values[0]) > MOST]
        most = max((len(row.values[0]) for row in long), default=0)
        refuse_rows(path, long, f"a text of {most:,} characters, as where quotes do not end")
        return [Labelled(row.values[0], row.values[1], f"{path.name}, {row.where}") for row in rows]

    def _files(self) -> tuple[Splits, dict[str, list[Path]]]:
        """Return the splits and the tables of each."""
        if self.file.is_file():
            return Splits({"train": [self.file.name]}), {"train": [self.file]}
        if not self.file.is_dir():
            raise QuartetError(f"data.source.file: there is no file {self.file.absolute()}")
        found = {path.name: path.stem for path in entries(self.file) if path.suffix.lower() in ENDINGS}
        if not found:
            held = name_some(path.name for path in entries(self.file)) or "nothing"
            raise QuartetError(f"data.source.file: {self.file} holds {held}; one of {', '.join(ENDINGS)} would do")
        splits = find_splits(found, where=self.file)
        refuse_unread(self.file, splits)
        return splits, {split: [self.file / name for name in names] for split, names in splits.entries.items()}


class LabelledFolder(LabelledTexts):
    """`folder/<class>/*.txt`, or `folder/train|val|test/<class>/*.txt`: each file is a text."""

    LICENCE = "your own data, under your own terms"
    ORIGIN = "a folder of texts"

    def __init__(
        self,
        *,
        folder: str,
        tokenizer: Kind,
        vocabulary: int,
        longest: int,
        validation: float,
        test: float,
        seed: int,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.tokenizer, self.vocabulary, self.longest = tokenizer, vocabulary, longest
        self.validation, self.test, self.seed = validation, test, seed

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        return {**super().build(staging, downloads), "own": listing(self.folder)}

    def _place(self) -> Path:
        return self.folder

    def _read(self, downloads: Path) -> Given:
        found = find_classes(self.folder, TEXTS)
        texts = read_all((path for part in found.items.values() for path, _ in part), _text)
        examples = {
            split: [Labelled(next(texts) or "", found.classes[label], str(path)) for path, label in part]
            for split, part in found.items.items()
        }
        next(texts, None)  # raises for broken files
        return Given(found.splits, examples, found.classes, found.ignored(TEXTS))


def _text(path: Path) -> str:
    """Return a file's text. Raises BrokenFile for one that cannot be read, is empty or too long."""
    text = read_text(path).strip()
    if len(text) > MOST:
        raise BrokenFile(path, f"a text of {len(text):,} characters", f"cut it into texts of at most {MOST:,}")
    return text


def refuse_rows(path: Path, rows: Sequence[Cells], reason: str) -> None:
    """Raise BrokenFile for rows that cannot be used, if there are any; it names the first."""
    if rows:
        more = f", and so {len(rows) - 1} more" if len(rows) > 1 else ""
        raise BrokenFile(f"{path}, {rows[0].where}", f"{reason}{more}", "complete or remove such rows")


def _numbered(
    given: dict[str, list[Labelled]], named: list[str], where: Path
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the labels (N,) of each split, and the classes' names; whole numbers are put in the order of numbers."""
    held = {split: [one.label for one in part] for split, part in given.items()}
    if named:
        return {split: np.array([named.index(label) for label in part]) for split, part in held.items()}, named
    whole = all(label == str(_whole(label)) for part in held.values() for label in part)
    y = {split: np.array([int(label) if whole else label for label in part]) for split, part in held.items()}
    return class_labels(y, None, file=where, what="the label")


def _whole(label: str) -> int | None:
    """Return a label as a whole number; None for another one."""
    try:
        return int(label)
    except ValueError:
        return None
