"""One's own texts, pairs and arrays as programs save them, or refused with a remedy that works."""

from __future__ import annotations

import codecs
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from running import prepare_own as make
from running import refused_own as refused

from quartet.data import ImageArrays, SeriesArrays, Source
from quartet.data.preparing.text_files import is_header, read_text, read_tsv
from quartet.data.sources.text_files import matches
from quartet.types import QuartetError

CODES = ("en", "de")


def pairs_of(path: Path, content: str | bytes) -> list[tuple[str, str]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_tsv(path, codes=CODES)[0]


# ---- texts


@pytest.mark.parametrize(
    "content",
    [
        "Grüße\r\nund Küsse\r\n".encode(),
        codecs.BOM_UTF8 + "Grüße\nund Küsse\n".encode(),
        "Grüße\rund Küsse\r".encode(),
        codecs.BOM_UTF16_LE + "Grüße\r\nund Küsse\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Grüße\nund Küsse\n".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "Grüße\nund Küsse\n".encode("utf-32-le"),
    ],
)
def test_texts_of_any_system_are_the_same(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert read_text(tmp_path / "a.txt") == "Grüße\nund Küsse\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Grüße".encode("latin-1"), r"not UTF-8 text \(line 1, byte 2\); save it as UTF-8"),
        ("Gras".encode("utf-16-le"), "character 1 is NUL, as in UTF-16 without its mark; save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"\0", "not UTF-16 text"),
        (codecs.BOM_UTF8 + b"\r\n", "the text is empty"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(QuartetError, match=words):
        read_text(tmp_path / "a.txt")


def test_all_broken_texts_are_named_at_once(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "texts", files=5)
    (folder / "1.txt").write_bytes(b"\xff")
    (folder / "3.txt").write_text("")
    refused(
        tmp_path, small.text_files(folder), r"2 files cannot be used: .*1\.txt \(not UTF-8.*3\.txt \(the text is emp"
    )
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "a.tsv").write_text("one\ttwo\nthree\nfour\n")
    (tables / "b.en").write_text("one\n")
    (tables / "b.de").write_text("one\ntwo\n")
    refused(
        tmp_path,
        small.sentence_pairs(tables),
        r"2 files .*a\.tsv, line 2 \(.*and 1 more lines\), .*b\.en \(has 1 lines",
    )


def test_hidden_texts_are_skipped_and_endings_have_any_case(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "texts")
    whole = make(tmp_path / "a", small.text_files(folder, pattern="**/*.txt"))
    (folder / "1.txt").rename(folder / "1.TXT")
    for name in (".git/a.txt", "__MACOSX/._1.txt", "._0.txt", ".ipynb_checkpoints/0-checkpoint.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\xff\xfe\xfd")
    assert make(tmp_path / "b", small.text_files(folder, pattern="**/*.txt")).digest == whole.digest
    pairs = small.write_pairs_folder(tmp_path / "pairs", pairs=50)
    for name in ("._corpus.en", ".hidden.tsv", "~$corpus.tsv"):
        (pairs / name).write_bytes(b"\xff\xfe\xfd")
    assert sum(make(tmp_path / "c", small.sentence_pairs(pairs)).examples.values()) == 50


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a.txt", "**/*.txt", True),
        ("x/y/a.TXT", "**/*.txt", True),
        ("x/a.txt", "*.txt", False),
        ("x/a.txt", "X/*.txt", True),
        ("x/a.md", "**/*.txt", False),
        ("x/y/a.txt", "x/**/*.txt", True),
        ("y/a.txt", "x/**/*", False),
    ],
)
def test_patterns(path: str, pattern: str, expected: bool) -> None:
    assert matches(path.split("/"), pattern.split("/")) == expected


def test_a_pattern_without_files_names_one_that_works(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "texts")
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(".md"))
    (folder / "a.pdf").write_bytes(b"%PDF\0\xff")
    with pytest.raises(
        QuartetError, match=r"no file of .* matches .*; 'data.source.pattern=\*\*/\*\.md' would do"
    ) as said:
        make(tmp_path, small.text_files(folder, pattern="**/*.txt"))
    pattern = str(said.value).partition("data.source.pattern=")[2].partition("'")[0]
    make(tmp_path, small.text_files(folder, pattern=pattern))
    for path in folder.glob("*.md"):
        path.unlink()
    refused(
        tmp_path / "b", small.text_files(folder, pattern="**/*.txt"), r"it holds \.pdf: give it files of plain text"
    )


# ---- pairs


def test_quotes_of_excel_follow_the_rules_of_csv(tmp_path: Path) -> None:
    content = '"He said ""hi"""\t"Er sagte ""hallo"""\r\nplain\tschlicht\r\n"a, b\nc"\t"d, e"\r\n'
    expected = [('He said "hi"', 'Er sagte "hallo"'), ("plain", "schlicht"), ("a, b c", "d, e")]
    assert pairs_of(tmp_path / "a.tsv", content) == expected
    assert pairs_of(tmp_path / "a.tsv", codecs.BOM_UTF16_LE + content.encode("utf-16-le")) == expected


@pytest.mark.parametrize(
    "line",
    ['"Hello," she said.\t"Hallo", sagte sie.', 'a 5" pipe\tein Rohr', '"open\tauf', 'say "yes"\tsag "ja"'],
)
def test_quotes_of_plain_tables_stay(line: str, tmp_path: Path) -> None:
    assert pairs_of(tmp_path / "a.tsv", f'one\teins\n{line}\n"two"\tzwei\n') == [
        ("one", "eins"), tuple(line.split("\t")), ('"two"', "zwei")
    ]  # fmt: skip


def test_quotes_of_both_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QuartetError, match=r"a\.tsv: line 2 has quotes as Excel writes them, and other lines"):
        pairs_of(tmp_path / "a.tsv", 'a 5" pipe\tein Rohr\n"He said ""hi"""\tx\n')


def test_blank_lines_and_last_tabs_are_no_columns(tmp_path: Path) -> None:
    content = "\n\none\teins\t\n\n \t \ntwo\tzwei\t\t \nthree\tdrei"
    assert pairs_of(tmp_path / "a.tsv", content) == [("one", "eins"), ("two", "zwei"), ("three", "drei")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("one\teins\ntwo\t\n", r"a\.tsv, line 2: expected a source, one tab and a target, not 'two'; complete or"),
        ("one\teins\n\tzwei\n", r"line 2: expected a source"),
        (
            "Go.\tGeh.\tCC-BY\nRun\tLauf\tCC-BY\n",
            r"line 1: .*not, 3 columns, 'Go.*, and 1 more lines; keep two columns: cut",
        ),
        ("one,eins\n", "line 1: expected a source"),
    ],
)
def test_rows_without_two_columns_are_refused(content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(QuartetError, match=words):
        pairs_of(tmp_path / "a.tsv", content)


def test_headers() -> None:
    for header in (("source", "target"), ("English", "German"), ("EN", "DE"), ("en", "fr"), ("src_text", "tgt_text"),
                   ("sentence_en", "sentence_de"), ("Source (EN)", "Target (DE)"), ("Quelle", "Ziel")):  # fmt: skip
        assert is_header(header, CODES), header
    for pair in (
        ("the source", "die Quelle"),
        ("Hello", "Hallo"),
        ("text", "text"),
        ("1", "2"),
        ("target", "Zielscheibe"),
    ):
        assert not is_header(pair, CODES), pair
    assert is_header(("xx", "sl"), ("sl", "xx"))


def test_a_header_is_no_pair(tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=60)
    texts = [(folder / f"corpus.{code}").read_text().splitlines() for code in CODES]
    rows = "\n".join(map("\t".join, zip(*texts, strict=True)))
    (tmp_path / "a.tsv").write_text(f"\nEnglish\tGerman\t\n{rows}\n")
    assert sum(make(tmp_path, small.sentence_pairs(tmp_path / "a.tsv")).examples.values()) == 60
    assert "a.tsv: its header is no pair: English, German" in capsys.readouterr().err


def test_a_header_the_other_way_round_is_refused(tmp_path: Path) -> None:
    for header in ("de\ten", "Text (DE)\tText (EN)"):
        with pytest.raises(QuartetError, match=r"way round; data\.source\.source=de data\.source\.target=en"):
            pairs_of(tmp_path / "a.tsv", f"{header}\neins\tone\n")


def test_a_table_beside_files_of_the_same_name_is_refused(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=60)
    (folder / "corpus.TSV").write_text("one\teins\n")
    refused(
        tmp_path, small.sentence_pairs(folder), "corpus.TSV, corpus.en, corpus.de are all pairs called corpus; keep"
    )
    (folder / "corpus.TSV").rename(folder / "more.TSV")
    assert sum(make(tmp_path, small.sentence_pairs(folder)).examples.values()) == 61
    (folder / "only.de").write_text("eins\n")
    refused(tmp_path / "b", small.sentence_pairs(folder), r"only\.de has no counterpart: there is no only\.en; add it")
    (folder / "only.fr").write_text("un\n")
    refused(tmp_path / "b", small.sentence_pairs(folder), r"no only\.en; data\.source\.source=fr would do")


# ---- arrays


def arrays(kind: Any, file: Path) -> Source:
    return kind(file=str(file), validation=0.2, test=0.2, seed=0)


Y = np.arange(30) % 2
BYTES = np.random.default_rng(0).integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("x", "remedy"),
    [
        (BYTES, "x.transpose(0, 2, 3, 1)"),
        (BYTES[:, :1], "x.transpose(0, 2, 3, 1)"),
        (BYTES[:, 0].reshape(30, 64), "x.reshape(-1, 8, 8)"),
        (BYTES[:, 0] / 255, "(x * 255).round().astype(numpy.uint8)"),
        (BYTES[:, 0] > 100, "(x * 255).round().astype(numpy.uint8)"),
        (BYTES[:, 0].astype(int), "x.round().astype(numpy.uint8)"),
        (BYTES.transpose(0, 2, 3, 1) / 255, "(x * 255).round().astype(numpy.uint8)"),
    ],
)
def test_the_remedy_for_images_works(x: np.ndarray, remedy: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    with pytest.raises(QuartetError) as said:
        make(tmp_path, arrays(ImageArrays, tmp_path / "a.npz"))
    assert remedy in str(said.value)
    np.savez(tmp_path / "a.npz", x=eval(remedy, {"x": x, "numpy": np}), y=Y)
    data = make(tmp_path, arrays(ImageArrays, tmp_path / "a.npz"))
    assert (data.inputs.height, data.inputs.width) == (8, 8)


@pytest.mark.parametrize(
    ("key", "objects", "remedy"),
    [
        ("y", [0, 1], "numpy.array(list(y), dtype=int)"),
        ("names", ["cat", "dog"], "dtype=str for names"),
        ("x", [1, 2], "numpy.stack(list(x))"),
    ],
)
def test_objects_are_refused_with_a_remedy(key: str, objects: list[Any], remedy: str, tmp_path: Path) -> None:
    made: dict[str, Any] = {"x": BYTES[:, 0], "y": Y, "names": np.array(["a", "b"])}
    np.savez(
        tmp_path / "a.npz", **{**made, key: np.array(objects, dtype=object), "other": np.array([{}], dtype=object)}
    )
    with pytest.raises(QuartetError, match=f"a.npz: {key} holds Python's objects") as said:
        make(tmp_path, arrays(ImageArrays, tmp_path / "a.npz"))
    assert remedy in str(said.value)
    np.savez(tmp_path / "a.npz", **made, other=np.array([{}], dtype=object))
    make(tmp_path, arrays(ImageArrays, tmp_path / "a.npz"))


def test_other_files_are_refused_with_a_remedy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", BYTES)
    refused(tmp_path, arrays(ImageArrays, tmp_path / "a.npy"), r"not an npz .*numpy\.savez\('a', x=x, y=y\)")
    np.savez(tmp_path / "a.npz", x_train=BYTES[:, 0], y_train=Y, x_test=BYTES[:, 0, :4], y_test=Y)
    refused(tmp_path, arrays(ImageArrays, tmp_path / "a.npz"), "examples of the splits have different shapes")


@pytest.mark.parametrize(
    ("kind", "x", "y", "words"),
    [
        (ImageArrays, BYTES[..., None], Y, r"x is uint8 \(30, 3, 8, 8, 1\); images are uint8 .*another shape"),
        (ImageArrays, BYTES[:, :0, 0], Y, r"x is uint8 \(30, 0, 8\); images are"),
        (SeriesArrays, BYTES[:, 0, 0, :0], Y, r"x is uint8 \(30, 0\); series are numbers"),
        (SeriesArrays, BYTES[:, 0, 0] > 9, Y, r"x is bool \(30, 8\); series are numbers .*x\.astype\(float\)"),
        (SeriesArrays, BYTES[:, 0, 0].astype(str), Y, r"x\.astype\(float\)"),
        (SeriesArrays, BYTES[:, 0, 0], np.array([b"\xff", b"a"])[Y], r"not UTF-8; numpy\.char\.decode\(y, 'latin-1'\)"),
        (SeriesArrays, BYTES[:, 0, 0], np.array(["a", " "])[Y], "y is empty in 15 examples; give them a class"),
    ],
)
def test_arrays_of_other_kinds_are_refused(kind: Any, x: np.ndarray, y: np.ndarray, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=x, y=y)
    refused(tmp_path, arrays(kind, tmp_path / "a.npz"), words)


def test_one_language_is_no_pair(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=60)
    refused(
        tmp_path, small.sentence_pairs(folder, target="EN"), r"data\.source\.source, data\.source\.target: both are en"
    )
