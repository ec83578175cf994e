"""Read the files to classify: pictures and series (npy, csv) as arrays for a model, texts line by line."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quartet.roles import text
from quartet.types import QuartetError

if TYPE_CHECKING:
    import numpy as np

Example = TypeVar("Example")
SERIES = (".npy", ".csv", ".txt")
TEXTS = (".txt",)


def examples(paths: list[Path], described: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the array of each example; a folder gives all its files, in order of name.

    A picture is read and resized as in training. Each row of a csv, and of an npy (N, L) or (N, L, C), is a series.
    `described` is the model's description, with dtype and shape. Raises QuartetError for a missing file at once; for
    unreadable files after the last example, one that names them all.
    """
    from quartet.data.preparing.own_files import read_all
    from quartet.data.preparing.pictures import SUFFIXES, read_image

    pictures = described["dtype"] == "uint8"
    shape, bits = tuple(described["shape"]), described.get("inputs", {}).get("bits", 16)

    def read(path: Path) -> list[tuple[str, np.ndarray]]:
        if pictures:
            return [(str(path), read_image(path, (shape[0], shape[1], shape[2]), bits=bits))]
        return [(f"{path}:{i + 1}", row) for i, row in enumerate(read_series(path, shape))]

    for found in read_all(list_files(paths, SUFFIXES if pictures else SERIES), read):
        yield from found or ()


def lines(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each line that is not empty; a folder gives its text files, "-" standard input.

    Raises QuartetError as `examples` does.
    """
    from quartet.data.preparing.own_files import read_all
    from quartet.data.preparing.text_files import read_text

    def read(path: Path) -> Iterable[str]:
        if path.name == "-":
            return (text.checked_text(line) for line in text.lines())
        return read_text(path).split("\n")

    files = [file for path in paths for file in ([path] if path.name == "-" else list_files([path], TEXTS))]
    for file, found in zip(files, read_all(files, read), strict=True):
        yield from numbered(str(file), found or ())


def numbered(name: str, given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the name, with the number of the line, and the text of each line that is not empty."""
    for number, line in enumerate(given, 1):
        if line.strip():
            yield f"{name}:{number}", line.strip()


def batches(given: Iterator[Example], size: int) -> Iterator[list[Example]]:
    """Yield the examples in lists of `size`; those before an error first, so that it loses none."""
    part: list[Example] = []
    try:
        for one in given:
            part.append(one)
            if len(part) == size:
                yield part
                part = []
    except QuartetError:
        if part:
            yield part
        raise
    if part:
        yield part


def list_files(paths: list[Path], suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of `paths`; a folder gives its files with one of the suffixes, but not the hidden ones."""
    from quartet.data.preparing.own_files import files_below

    for path in paths:
        if path.is_dir():
            found = [file for file in files_below(path) if file.suffix.lower() in suffixes]
            if not found:
                raise QuartetError(f"{path}: a folder without any {' '.join(suffixes)}")
            yield from found
        elif path.is_file():
            yield path
        else:
            raise QuartetError(f"{path}: no such file or folder")


def read_series(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the series of a file as an array (N, L, C), where `shape` is (L, C).

    Raises BrokenFile for rows of another length: they are never joined or cut to fit.
    """
    import numpy as np

    from quartet.data.preparing.own_files import BrokenFile

    flat = (shape[0] * shape[1],)
    try:
        if path.suffix.lower() == ".npy":
            found = np.load(path, allow_pickle=False).astype(np.float32)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy warns about an empty file, which the check below refuses
                found = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float32)
        if not found.size or not {found.shape, found.shape[1:]} & {shape, flat}:
            raise ValueError(f"it holds numbers of shape {found.shape}")
        return found.reshape(-1, *shape)
    except (OSError, ValueError) as error:
        reason = f"no series of length {shape[0]} and {shape[1]} channels ({error})"
        raise BrokenFile(path, reason, "give numbers, a series in each row") from error
