"""Tables of texts and labels: read as their writers meant them, or refused in a line that names the row."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from running import prepare_own as make
from running import refused_own as refused

from quartet.data import DataModule
from quartet.data.loading.files import SPLITS

ROWS = [(f"the {word} number {i}", word) for i in range(12) for word in ("cat", "dog")]


def csv_of(rows: list[tuple[str, str]], separator: str = ",", head: str = "text,label") -> str:
    quoted = [f'"{text}"{separator}{label}' for text, label in rows]
    return "\n".join([head.replace(",", separator), *quoted]) + "\n"


def texts_of(data: DataModule) -> dict[str, str]:
    """Every text with its class."""
    found = {}
    for split in SPLITS:
        batch = data.gather(split, np.arange(data.examples[split]))
        for text, label in zip(data.kind.words(batch) or (), batch["y"].tolist(), strict=True):
            found[text] = data.outputs.names[label]
    return found


def taken(data: DataModule) -> str:
    return "\n".join(data.manifest["taken"])


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", csv_of(ROWS)),
        ("mark.csv", b"\xef\xbb\xbf" + csv_of(ROWS).encode()),
        ("excel.csv", csv_of(ROWS, ";")),
        ("windows.csv", csv_of(ROWS, ";").replace("\n", "\r\n").encode("utf-16")),
        ("pipes.txt", csv_of(ROWS, "|")),
        ("tabs.tsv", csv_of(ROWS, "\t").replace('"', "")),
        ("quoted.tsv", csv_of(ROWS, "\t")),
        ("gaps.csv", "\n\n" + csv_of(ROWS).replace("\n", "\n\n") + ",\n"),
        ("names.csv", csv_of(ROWS, ",", " text , label ")),
    ],
)
def test_tables_are_read_whoever_wrote_them(name: str, content: str | bytes, tmp_path: Path, small: ModuleType) -> None:
    data = make(tmp_path, small.labelled_table(written(tmp_path / name, content)))
    assert texts_of(data) == dict(ROWS)
    assert data.examples == {"train": 16, "val": 4, "test": 4}
    assert f"train 16 ({name}), val 4 held out of train, test 4 held out of train; classes cat, dog" in taken(data)


def test_line_breaks_separators_and_quotes_belong_to_a_text(tmp_path: Path, small: ModuleType) -> None:
    odd = [
        ('one,\ntwo; "three" and\n\nfour', "cat"),
        ("tab\tand | pipe; semicolons;", "dog"),
        ("ünï\u2028code 🐈", "cat"),
    ]
    content = csv_of([(text.replace('"', '""'), label) for text, label in [*ROWS, *odd]])
    data = make(tmp_path, small.labelled_table(written(tmp_path / "a.csv", content)))
    assert texts_of(data) == dict([*ROWS, *odd])


def test_quotes_of_a_tsv_without_rules_are_text(tmp_path: Path, small: ModuleType) -> None:
    odd = [('"quoted" at the start', "cat"), ('5" long', "dog")]
    content = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in [*ROWS, *odd])
    assert texts_of(make(tmp_path, small.labelled_table(written(tmp_path / "a.tsv", content)))) == dict([*ROWS, *odd])


def test_a_parquet_is_read_with_numbers_as_labels(tmp_path: Path, small: ModuleType) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stars = [10 if word == "cat" else 9.0 for _, word in ROWS]
    table = pyarrow.table({"id": range(len(ROWS)), "body": [text for text, _ in ROWS], "stars": stars})
    parquet.write_table(table, tmp_path / "a.parquet.brotli", compression="brotli")
    data = make(tmp_path, small.labelled_table(tmp_path / "a.parquet.brotli", text="body", label="stars"))
    assert data.outputs.names == ("9", "10")
    assert texts_of(data) == {text: "10" if word == "cat" else "9" for text, word in ROWS}
    holes = pyarrow.table({"body": [*(text for text, _ in ROWS), None], "stars": [*stars, 9.0]})
    parquet.write_table(holes, tmp_path / "b.parquet")
    source = small.labelled_table(tmp_path / "b.parquet", text="body", label="stars")
    refused(tmp_path / "b", source, r"b\.parquet, row 25: its body is empty")
    written(tmp_path / "c.parquet", b"PAR1 and no more")
    refused(tmp_path / "c", small.labelled_table(tmp_path / "c.parquet"), r"c\.parquet: not a Parquet file that can")


def test_given_splits_are_kept_and_copies_stay_out_of_test(tmp_path: Path, small: ModuleType) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    written(folder / "Train.csv", csv_of([*ROWS, ROWS[0]]))
    written(folder / "test.tsv", csv_of([*ROWS[:3], ("a new cat", "cat"), ("a new dog", "dog")], "\t"))
    data = make(tmp_path, small.labelled_table(folder))
    assert data.examples["test"] == 2
    assert "1 exact copies of other examples: each in the same split as its original" in taken(data)
    assert "3 examples of test left out: exact copies of examples in train or val" in taken(data)
    assert data.examples["train"] + data.examples["val"] == 25


def test_the_tokenizer_sees_training_alone(tmp_path: Path, small: ModuleType) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    written(folder / "train.csv", csv_of(ROWS))
    for split in ("val", "test"):
        written(folder / f"{split}.csv", csv_of([(f"zyzzyva {split} zyzzyva {i}", "cat") for i in range(30)]))
    data = make(tmp_path, small.labelled_table(folder, vocabulary=400))
    tokens = json.loads((data.folder / "tokenizer.json").read_text())["tokens"]
    assert "Ġnumber" in tokens
    assert not [token for token in tokens if "zy" in token]


def test_splits_have_their_share_of_each_class(tmp_path: Path, small: ModuleType) -> None:
    rows = [(f"cat {i}", "cat") for i in range(80)] + [(f"dog {i}", "dog") for i in range(20)]
    data = make(tmp_path, small.labelled_table(written(tmp_path / "a.csv", csv_of(rows)), validation=0.1, test=0.2))
    for split, expected in (("train", [56, 14]), ("val", [8, 2]), ("test", [16, 4])):
        assert np.bincount(np.load(data.folder / f"y_{split}.npy")).tolist() == expected


def test_long_texts_are_cut_and_counted(tmp_path: Path, small: ModuleType) -> None:
    rows = [*ROWS, ("word " * 500, "cat"), ("other " * 900, "dog")]
    data = make(tmp_path, small.labelled_table(written(tmp_path / "a.csv", csv_of(rows)), longest=30))
    assert data.inputs.context == 30
    assert "2 texts are longer than data.source.longest=30 tokens: their ends are cut off" in taken(data)


def test_one_text_with_two_labels_is_a_warning(tmp_path: Path, small: ModuleType) -> None:
    rows = [*ROWS, (ROWS[0][0], "dog"), ("cats", "Cat ")]
    data = make(tmp_path, small.labelled_table(written(tmp_path / "a.csv", csv_of(rows))))
    assert "a.csv, line 2 (cat) and a.csv, line 26 (dog) hold the same" in taken(data)
    assert "'Cat' and 'cat' are classes whose names look like one" in taken(data)


BAD: list[tuple[str | bytes, dict[str, Any], str]] = [
    (csv_of(ROWS), {"text": "body"}, r"data\.source\.text: .*a\.csv has no column body; it has text, label"),
    (csv_of(ROWS, ";"), {"label": "class"}, r"data\.source\.label: .*a\.csv has no column class; it has text, label"),
    (csv_of(ROWS), {"label": "text"}, r"data\.source\.text, data\.source\.label: both are text"),
    (csv_of(ROWS, head="text,label").replace("text,label", "text,text"), {}, "has 2 columns called text; give each"),
    (
        csv_of([*ROWS, ("x", "cat")]).replace("text,label", "label,label"),
        {"text": "x", "label": "label"},
        "no column x",
    ),
    (
        csv_of([*ROWS[:3], ("  ", "cat"), *ROWS[3:], ("", "dog")]),
        {},
        r"a\.csv, line 5: its text is empty, and so 1 more",
    ),
    (csv_of([*ROWS, ("a text", "")]), {}, r"a\.csv, line 26: its label is empty; complete or remove"),
    (
        csv_of([(text, "cat") for text, _ in ROWS]),
        {},
        r"a\.csv: the label holds one class, cat; examples of two or more",
    ),
    (csv_of(ROWS) + 'no quotes, here, cat\n"a","b"\n', {}, r"a\.csv, line 26: 3 columns, and 2 in the first line"),
    (
        csv_of(ROWS) + '"a quote that does not end, cat\n' * 3,
        {},
        r"a\.csv, line 26: (its quotes do not end|wrong quotes)",
    ),
    (csv_of(ROWS) + '"never ends, cat\n' + "more,dog\n" * 4, {}, r"a\.csv, line 26: its quotes do not end"),
    (csv_of(ROWS).encode() + "für,cat\n".encode("latin-1"), {}, r"a\.csv: not UTF-8 text \(line 26, byte \d+\)"),
    (csv_of([*ROWS, ("x" * 10_000_000, "cat")]), {}, r"a\.csv, line 26: a text of 10,000,000 characters"),
    (csv_of(ROWS) + '"a text","a\nb"\n', {}, r"a\.csv, line 26: its label holds a line break"),
    (csv_of(ROWS[:1]), {}, "the label holds one class"),
    ("text,label\n", {}, r"a\.csv: it has no rows below its first"),
    ("", {}, r"a\.csv: the text is empty"),
    (csv_of(ROWS), {"longest": 0}, r"data\.source\.longest: 0 tokens; 1 or more"),
    (csv_of(ROWS), {"vocabulary": 100}, r"data\.source\.vocabulary: 100 subwords"),
    (csv_of([("a", "cat"), ("b", "dog")]), {}, r"of 2 examples leave"),
]


@pytest.mark.parametrize(("content", "changes", "words"), BAD, ids=range(len(BAD)))
def test_a_table_that_cannot_be_used_is_refused(
    content: str | bytes, changes: dict[str, Any], words: str, tmp_path: Path, small: ModuleType
) -> None:
    refused(tmp_path, small.labelled_table(written(tmp_path / "a.csv", content), **changes), words)


def test_folders_and_files_that_are_no_tables_are_refused(tmp_path: Path, small: ModuleType) -> None:
    refused(tmp_path, small.labelled_table(tmp_path / "nowhere.csv"), r"data\.source\.file: there is no file")
    (tmp_path / "empty").mkdir()
    refused(
        tmp_path, small.labelled_table(tmp_path / "empty"), r"holds nothing; one of \.csv, \.tsv, \.parquet would do"
    )
    (tmp_path / "splits").mkdir()
    written(tmp_path / "splits" / "train.csv", csv_of(ROWS))
    written(tmp_path / "splits" / "test.csv", csv_of([("a", "cat"), ("b", "bird")]))
    refused(tmp_path, small.labelled_table(tmp_path / "splits"), "the label of test holds the class bird")
    written(tmp_path / "splits" / "test.csv", csv_of(ROWS))
    refused(tmp_path, small.labelled_table(tmp_path / "splits"), "every example of test is in train or val too")


# ---- a folder for each class


def folder_of(folder: Path, rows: list[tuple[str, str]] = ROWS) -> Path:
    for i, (text, label) in enumerate(rows):
        (folder / label).mkdir(parents=True, exist_ok=True)
        written(folder / label / f"{i}.txt", text + "\n")
    return folder


def test_each_folder_is_a_class_and_each_file_a_text(tmp_path: Path, small: ModuleType) -> None:
    data = make(tmp_path, small.labelled_folder(folder_of(tmp_path / "texts")))
    assert texts_of(data) == dict(ROWS)
    assert data.examples == {"train": 16, "val": 4, "test": 4}


def test_folders_of_splits_are_kept_and_copies_stay_out_of_test(tmp_path: Path, small: ModuleType) -> None:
    folder_of(tmp_path / "texts" / "train")
    folder_of(tmp_path / "texts" / "test", [*ROWS[:2], ("a new cat", "cat"), ("a new dog\nof two lines", "dog")])
    written(tmp_path / "texts" / "train" / "cat" / "notes.docx", "no text")
    data = make(tmp_path, small.labelled_folder(tmp_path / "texts"))
    assert data.examples["test"] == 2
    assert "2 examples of test left out: exact copies of examples in train or val" in taken(data)
    assert "not read: 1 .docx" in taken(data)
    assert texts_of(data)["a new dog\nof two lines"] == "dog"


def test_texts_that_cannot_be_read_are_all_named(tmp_path: Path, small: ModuleType) -> None:
    folder = folder_of(tmp_path / "texts")
    written(folder / "cat" / "0.txt", "für".encode("latin-1"))
    written(folder / "dog" / "1.txt", " \n")
    refused(
        tmp_path, small.labelled_folder(folder), r"2 files cannot be used: .*cat/0\.txt \(not UTF-8.*dog/1\.txt \(the"
    )
    written(folder / "dog" / "1.txt", "x" * 1_000_001)
    written(folder / "cat" / "0.txt", "a cat")
    refused(tmp_path, small.labelled_folder(folder), r"dog/1\.txt: a text of 1,000,001 characters; cut it")
    (folder / "empty").mkdir()
    refused(tmp_path, small.labelled_folder(folder), r"texts/empty: a class without texts; add some \(\.txt \.md\)")
