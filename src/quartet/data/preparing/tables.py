"""Read columns of a user's table: CSV with any usual separator, TSV, or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from quartet.data.preparing.own_files import BrokenFile, name_some
from quartet.data.preparing.text_files import follows_csv, read_text
from quartet.types import QuartetError

ENDINGS = (".csv", ".tsv", ".parquet")
SEPARATORS = ("\t", ",", ";", "|")
PARQUET = b"PAR1"  # what such a file begins with


@dataclass(frozen=True)
class Cells:
    """The wanted cells of a row, without blanks at their ends, and where it is: "line 7", or "row 7" of a Parquet."""

    where: str
    values: tuple[str, ...]


def read_table(path: Path, wanted: Sequence[tuple[str, str]]) -> list[Cells]:
    """Return the wanted columns of each row of a table.

    `wanted`: (key, name of the column), the key for messages. Rows without any text are left out. Raises QuartetError
    for a missing column, and BrokenFile, which names a row, for what cannot be read.
    """
    keys = [key for key, _ in wanted]
    names = [name for _, name in wanted]
    if len(set(names)) < len(names):
        raise QuartetError(f"{', '.join(keys)}: both are {names[0]}; give two columns")
    try:
        with path.open("rb") as file:
            packed = file.read(len(PARQUET)) == PARQUET
    except OSError as error:
        raise BrokenFile(path, f"cannot be read ({error.strerror})", "replace or remove it") from error
    return _parquet(path, wanted) if packed else _separated(path, wanted)


def _separated(path: Path, wanted: Sequence[tuple[str, str]]) -> list[Cells]:
    """Return the cells of a file of text, whose first line names the columns."""
    text = read_text(path).lstrip("\n")
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    heads = {separator: next(_rows(path, text, separator, quoted=True, most=1))[1] for separator in SEPARATORS}
    names = {name for _, name in wanted}
    able = [separator for separator, head in heads.items() if names <= set(head)]
    separator = able[0] if able else max(SEPARATORS, key=lambda separator: len(heads[separator]))
    head = heads[separator]
    places = [_place(path, head, key, name) for key, name in wanted]
    quoted = separator != "\t" or follows_csv(path, text)
    cells, wrong = [], []
    for line, row in _rows(path, text, separator, quoted=quoted):
        if len(row) != len(head):
            wrong.append((line, len(row)))
        else:
            cells.append(Cells(f"line {line}", tuple(row[place] for place in places)))
    if wrong:
        line, count = wrong[0]
        more = f", and {len(wrong) - 1} more rows" if len(wrong) > 1 else ""
        reason = f"{count} columns, and {len(head)} in the first line{more}"
        raise BrokenFile(f"{path}, line {line}", reason, 'put quotes around a text that holds the separator: "a, b"')
    return cells[1:]


def _rows(
    path: Path, text: str, separator: str, *, quoted: bool, most: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the columns of each row, but for empty rows; at most `most` rows."""
    style: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=style, strict=most is None and quoted)
    start, count = 1, 0
    while most is None or count < most:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"its quotes do not end ({error})" if "end of data" in str(error) else f"wrong quotes ({error})"
            raise BrokenFile(f"{path}, line {start}", reason, 'write "say ""hi""" for quotes within quotes') from error
        found = [column.strip() for column in row]
        if any(found):
            count += 1
            yield start, found
        start = rows.line_num + 1


def _place(path: Path, head: Sequence[str], key: str, name: str) -> int:
    """Return the place of a column. Raises QuartetError, which names the columns that there are."""
    if head.count(name) == 1:
        return head.index(name)
    if name in head:
        raise QuartetError(f"{key}: {path} has {head.count(name)} columns called {name}; give each a name of its own")
    raise QuartetError(f"{key}: {path} has no column {name}; it has {name_some(head, most=12)}")


def _parquet(path: Path, wanted: Sequence[tuple[str, str]]) -> list[Cells]:
    """Return the cells of a Parquet file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise QuartetError(
            f"{path}: {error}: Parquet needs the extra pipeline: pip install -e '.[pipeline]'"
        ) from error
    try:
        head = [str(name) for name in parquet.read_schema(path).names]
        for key, name in wanted:
            _place(path, head, key, name)
        table = parquet.read_table(path, columns=[name for _, name in wanted])
        columns = [[_cell(value) for value in table[name].to_pylist()] for _, name in wanted]
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise BrokenFile(path, f"not a Parquet file that can be read ({reason})", "write it again") from error
    return [Cells(f"row {i}", values) for i, values in enumerate(zip(*columns, strict=True), 1)]


def _cell(value: Any) -> str:
    """Return a value as text; "" for one that is missing."""
    if value is None or value != value:  # NaN
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
