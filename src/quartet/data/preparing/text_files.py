"""Read a user's text files, and the pairs of sentences in tables and in files with matching lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from quartet.data.preparing.own_files import BrokenFile
from quartet.data.preparing.pairs import Pair

# The longer marks first, as UTF-32's begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_FIELD = r'(?:"(?:[^"]|"")*+"|[^"\t\n]*+)'
_CSV = re.compile(rf"(?:{_FIELD}[\t\n])*+{_FIELD}")
_DOUBLED = re.compile(r'(?:^|\t)"[^"\t\n]*""[^\t\n]*"(?=\t|$)', re.MULTILINE)
# Words of a table's first line that are no sentence: columns' names in English and German, languages and their codes.
_COLUMN_WORDS = (
    "source src target tgt trg input output from to original translation translated text sentence sentences phrase "
    "quelle ziel satz sätze übersetzung language lang sprache en de fr es it nl pt ru zh ja ko pl cs sv fi tr "
    "ar uk ro hu el vi english german french spanish italian dutch portuguese russian chinese japanese korean polish "
    "czech swedish finnish turkish arabic ukrainian romanian hungarian greek vietnamese deutsch englisch französisch "
    "spanisch italienisch niederländisch russisch français español italiano"
)


def read_text(path: Path) -> str:
    """Return a file's text, with line ends as \\n. UTF-16 and UTF-32 need their mark.

    Raises BrokenFile if it is empty or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BrokenFile(path, f"cannot be read ({error.strerror})", "replace or remove it") from error
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        named = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        lines_before = content.count(b"\n", 0, error.start)
        where = f"line {lines_before + 1}, byte {error.start}" if named == "UTF-8" else f"byte {error.start}"
        raise BrokenFile(path, f"not {named} text ({where})", "save it as UTF-8") from error
    if "\0" in text:
        place = text.index("\0")
        raise BrokenFile(path, f"no text: character {place} is NUL, as in UTF-16 without its mark", "save it as UTF-8")
    if not text.strip():
        raise BrokenFile(path, "the text is empty", "give it some text or remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_tsv(path: Path, *, codes: tuple[str, str]) -> tuple[list[Pair], list[str]]:
    """Return source and target of each row, and lines that say what was left out.

    Quotes follow the rules of csv, as Excel writes them, if all in the file do. A first row that names the columns or
    the languages (`codes`) is left out; so are empty rows and empty last columns. Raises BrokenFile that names the
    first row without two columns.
    """
    text = read_text(path)
    quoted = follows_csv(path, text)
    said = [f"{path.name}: quotes read by the rules of csv"] if quoted else []
    pairs: list[Pair] = []
    wrong: list[tuple[int, list[str]]] = []
    for number, columns in _rows(text, quoted=quoted):
        if len(columns) != 2 or not columns[0]:
            wrong.append((number, columns))
        else:
            pairs.append((columns[0], columns[1]))
    if wrong:
        raise _wrong_columns(path, wrong)
    if pairs and is_header(pairs[0], codes):
        first, second = pairs.pop(0)
        if (codes[1].lower() in _words(first)) and (codes[0].lower() in _words(second)):
            remedy = f"data.source.source={codes[1]} data.source.target={codes[0]} would do"
            raise BrokenFile(path, f"its header says {first}, then {second}, which is the other way round", remedy)
        said.append(f"{path.name}: its header is no pair: {first}, {second}")
    return pairs, said


def follows_csv(path: Path, text: str) -> bool:
    """Return whether the text has quotes, all by the rules of csv. Raises BrokenFile if only some are."""
    if '"' not in text or _CSV.fullmatch(text):
        return '"' in text
    if doubled := _DOUBLED.search(text):
        number = text.count("\n", 0, doubled.start() + 1) + 1
        reason = f"line {number} has quotes as Excel writes them, and other lines have others"
        raise BrokenFile(path, reason, 'write "say ""hi""" for quotes in all lines, or use no outer quotes')
    return False


def _rows(text: str, *, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the columns of each row, without empty last columns and empty rows."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    lines = io.StringIO(text, newline="\n")
    style: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    rows = csv.reader(lines, delimiter="\t", quoting=style, strict=quoted)
    for row in rows:
        columns = [column.replace("\n", " ").strip() for column in row]
        while columns and not columns[-1]:
            columns.pop()
        if columns:
            yield rows.line_num, columns


def is_header(columns: Pair, codes: tuple[str, str]) -> bool:
    """Return whether both columns consist of words for columns and languages: `Source (EN)`, `sentence_de`."""
    known = {*_COLUMN_WORDS.split()} | {code.lower() for code in codes}
    words = [_words(column) for column in columns]
    return columns[0].lower() != columns[1].lower() and all(each and known.issuperset(each) for each in words)


def _words(text: str) -> list[str]:
    """Return the words of a text in small letters."""
    return [word for word in re.split(r"[\W\d_]+", text.lower()) if word]


def _wrong_columns(path: Path, wrong: list[tuple[int, list[str]]]) -> BrokenFile:
    """Return the error for rows that are not a source and a target; it shows the first."""
    number, columns = wrong[0]
    shown = "\t".join(columns)[:60]
    more = f", and {len(wrong) - 1} more lines" if len(wrong) > 1 else ""
    several = f", {len(columns)} columns," if len(columns) > 2 else ""
    remedy = "keep two columns: cut -f1,2" if several else "complete or remove it"
    return BrokenFile(
        f"{path}, line {number}", f"expected a source, one tab and a target, not{several} {shown!r}{more}", remedy
    )


def read_lines(source: Path, target: Path) -> list[Pair]:
    """Return the pairs of two files, line by line, without lines that are empty in both.

    Raises BrokenFile if the files differ in length, or a line is empty in only one.
    """
    left, right = (read_text(path).rstrip("\n").split("\n") for path in (source, target))
    if len(left) != len(right):
        reason = f"has {len(left)} lines and {target.name} {len(right)}"
        raise BrokenFile(source, reason, "each line needs its counterpart")
    pairs = []
    for number, pair in enumerate(zip(left, right, strict=True), start=1):
        first, second = (line.strip() for line in pair)
        if bool(first) != bool(second):
            where = f"{source} and {target.name}, line {number}"
            raise BrokenFile(where, "one of the two is empty", "complete it, or empty the other too")
        if first:
            pairs.append((first, second))
    return pairs
