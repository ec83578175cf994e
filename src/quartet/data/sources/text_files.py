"""Your own text: files below a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.data.loading.files import SPLITS
from quartet.data.loading.tokenizer import Kind
from quartet.data.preparing.source import Source
from quartet.data.preparing.store import listing
from quartet.data.preparing.text import cut, write_text
from quartet.types import QuartetError


class TextFiles(Source):
    """The files of `folder` that match `pattern`, or one file. Each is cut into three parts in order: train, val, test.

    A folder with train.txt, val.txt and test.txt keeps these splits.
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
        files = self._files()
        if [path.name for path in files] == sorted(f"{split}.txt" for split in SPLITS):
            documents = {path.stem: [read_text(path)] for path in files}
        else:
            cuts = [cut(read_text(path), validation=self.validation, test=self.test) for path in files]
            documents = {split: [parts[split] for parts in cuts] for split in SPLITS}
        fields = write_text(staging, documents, kind=self.tokenizer, vocabulary=self.vocabulary)
        return {**fields, "documents": len(files), "own": listing(self.folder)}

    def _files(self) -> list[Path]:
        """Return the files to read. Raises QuartetError if there are none."""
        if self.folder.is_file():
            return [self.folder]
        if not self.folder.is_dir():
            raise QuartetError(f"data.source.folder: there is no folder or file {self.folder.absolute()}")
        files = sorted(path for path in self.folder.glob(self.pattern) if path.is_file())
        if not files:
            raise QuartetError(
                f"data.source.pattern: no file of {self.folder} matches {self.pattern}; '**/*.txt' would do"
            )
        return files


def read_text(path: Path) -> str:
    """Return a file's text. Raises QuartetError, which names the file, if it is empty or not UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise QuartetError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    if not text.strip():
        raise QuartetError(f"{path}: the text is empty; give it some text or remove it")
    return text
