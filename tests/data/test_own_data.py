"""One's own images, texts, pairs and arrays: read as they are, or refused in words that name the file."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import prepare_own as make
from running import refused_own as refused

from quartet.data import ImageArrays, SeriesArrays, Source, is_prepared

# ---- images


def test_images_are_split_by_class_and_resized(tmp_path: Path, small: ModuleType) -> None:
    data = make(tmp_path, small.image_folder(small.write_image_folder(tmp_path / "images")))
    assert data.examples == {"train": 45, "val": 9, "test": 9}
    assert (data.inputs.height, data.inputs.width, data.inputs.channels) == (8, 6, 3)
    assert data.outputs.names == ("class0", "class1", "class2")
    (batch,) = data.batches("test")
    assert batch["y"].bincount().tolist() == [3, 3, 3]
    train = np.load(data.folder / "x_train.npy").astype(float)
    np.testing.assert_allclose(data.inputs.mean, train.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(data.inputs.std, train.std(axis=(0, 1, 2)))


def test_split_folders_are_taken_as_they_are(tmp_path: Path, small: ModuleType) -> None:
    for split, each in (("train", 8), ("test", 5)):
        small.write_image_folder(tmp_path / "images" / split, each=each, seed=each)
    data = make(tmp_path, small.image_folder(tmp_path / "images"))
    assert data.examples == {"train": 21, "val": 3, "test": 15}


def test_names_that_are_not_utf8_are_read_and_shown(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "images")
    (folder / "class0" / "0.png").rename(folder / "class0" / os.fsdecode(b"f\xfcr.png"))
    data = make(tmp_path, small.image_folder(folder))
    assert data.outputs.names == ("class0", "class1", "class2")
    assert is_prepared(data.folder, {}), "prepared again though nothing changed"
    (folder / "class0" / os.fsdecode(b"f\xfcr.png")).rename(folder / "class0" / os.fsdecode(b"f\xf6r.png"))
    assert not is_prepared(data.folder, {}), "a new name went unseen"


def test_grey_and_deep_images_are_read(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "images")
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(folder / "class0" / "0.png")
    data = make(tmp_path, small.image_folder(folder, channels=1, validation=0.1, test=0.1))
    values = np.concatenate([np.load(data.folder / f"x_{split}.npy") for split in ("train", "val", "test")])
    assert (values == 40_000 >> 8).all(axis=(1, 2, 3)).any()


def test_an_unreadable_picture_is_named(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "images")
    picture = folder / "class1" / "3.png"
    os.truncate(picture, picture.stat().st_size // 2)
    refused(tmp_path, small.image_folder(folder), r"class1/3\.png: this picture cannot be read")
    picture.write_text("not a picture")
    refused(tmp_path, small.image_folder(folder), r"class1/3\.png: this picture cannot be read")


def test_folders_that_are_no_images_are_refused(tmp_path: Path, small: ModuleType) -> None:
    refused(tmp_path, small.image_folder(tmp_path / "nowhere"), "there is no folder")
    folder = small.write_image_folder(tmp_path / "images")
    (folder / "empty").mkdir()
    refused(tmp_path, small.image_folder(folder), "images/empty: a class without images")
    refused(tmp_path, small.image_folder(small.write_image_folder(tmp_path / "one", classes=1)), "holds 1 class folder")
    few = small.write_image_folder(tmp_path / "few", each=2)
    refused(tmp_path, small.image_folder(few), "2 images, too few")


def test_a_change_of_the_files_is_noticed(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "images")
    data = make(tmp_path, small.image_folder(folder))
    assert is_prepared(data.folder, {})
    (folder / "class0" / "1.png").unlink()
    assert not is_prepared(data.folder, {})


# ---- text


@pytest.mark.parametrize("tokenizer", ["subword", "character"])
def test_texts_are_cut_and_come_back(tmp_path: Path, tokenizer: str, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "text")
    data = make(tmp_path, small.text_files(folder, tokenizer=tokenizer))
    texts = [path.read_text() for path in sorted(folder.iterdir())]
    parts = [text[round(len(text) * 0.9) :] for text in texts]
    stream = np.load(data.folder / "tokens_test.npy").tolist()
    assert data.tokenizer.decode(stream) == "\n\n".join(parts)
    assert data.characters["test"] == len("\n\n".join(parts))


def test_texts_called_train_val_and_test_are_the_splits(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "text")
    for name, split in enumerate(("train", "val", "test")):
        (folder / f"{name}.txt").rename(folder / f"{split}.txt")
    data = make(tmp_path, small.text_files(folder))
    assert data.tokenizer.decode(np.load(data.folder / "tokens_val.npy").tolist()) == (folder / "val.txt").read_text()


def test_texts_that_are_none_are_refused(tmp_path: Path, small: ModuleType) -> None:
    refused(tmp_path, small.text_files(tmp_path / "nowhere"), "there is no folder or file")
    folder = small.write_text_folder(tmp_path / "text")
    refused(tmp_path, small.text_files(folder, pattern="*.md"), "no file of .* matches")
    refused(tmp_path, small.text_files(folder, vocabulary=100), "vocabulary: 100 subwords; at least 260")
    (folder / "2.txt").write_text(" \n")
    refused(tmp_path, small.text_files(folder), r"2\.txt: the text is empty")
    (folder / "2.txt").write_bytes("Käse".encode("latin-1"))
    refused(tmp_path, small.text_files(folder), r"2\.txt: not UTF-8 text \(line 1, byte 1\)")
    (tmp_path / "short.txt").write_text("a")
    refused(tmp_path, small.text_files(tmp_path / "short.txt"), "the .* split has no text")


# ---- pairs


def test_line_aligned_files_and_a_tsv_are_the_same_pairs(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=200)
    lines = [(folder / f"corpus.{language}").read_text().splitlines() for language in ("en", "de")]
    (tmp_path / "corpus.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in zip(*lines, strict=True)))
    apart = make(tmp_path / "split_by_config", small.sentence_pairs(folder))
    together = make(tmp_path / "together", small.sentence_pairs(tmp_path / "corpus.tsv"))
    assert apart.digest == together.digest
    assert sum(apart.examples.values()) == 200


def test_pair_files_called_train_val_and_test_are_the_splits(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=100)
    for language in ("en", "de"):
        (folder / f"corpus.{language}").rename(folder / f"train.{language}")
        (folder / f"test.{language}").write_text("one two\n\nthree " + "four " * 60)
    data = make(tmp_path, small.sentence_pairs(folder))
    assert data.examples == {"train": 90, "val": 10, "test": 2}
    assert data.references("test")[0] == ("one two", "one two")


def test_test_sentences_that_occur_in_training_are_dropped(tmp_path: Path, small: ModuleType) -> None:
    (tmp_path / "pairs.tsv").write_text("".join(f"number {i % 30}\tZahl {i % 30}\n" for i in range(100)))
    data = make(tmp_path, small.sentence_pairs(tmp_path / "pairs.tsv", validation=0.2, test=0.2))
    assert all(data.examples[split] < 20 for split in ("val", "test"))


def test_pairs_that_do_not_align_are_refused(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_pairs_folder(tmp_path / "pairs", pairs=20)
    refused(tmp_path, small.sentence_pairs(tmp_path / "nowhere"), "there is no folder or file")
    refused(tmp_path, small.sentence_pairs(folder, source="fr"), r"no corpus\.fr; data\.source\.source=en would do")
    refused(tmp_path, small.sentence_pairs(folder, target="fr"), r"no corpus\.fr; data\.source\.target=de would do")
    words = r"neither a \.tsv nor a file ending in \.fr; data\.source\.source=de data\.source\.target=en would do"
    refused(tmp_path, small.sentence_pairs(folder, source="fr", target="it"), words)
    german = (folder / "corpus.de").read_text()
    (folder / "corpus.de").write_text(german + "noch eine\n")
    refused(tmp_path, small.sentence_pairs(folder), r"corpus\.en: has 20 lines and corpus\.de 21")
    (folder / "corpus.de").write_text("\n" + german.partition("\n")[2])
    refused(tmp_path, small.sentence_pairs(folder), r"corpus\.de, line 1: one of the two is empty")
    (tmp_path / "bad.tsv").write_text("one\ttwo\nonly one\n")
    refused(tmp_path, small.sentence_pairs(tmp_path / "bad.tsv"), r"bad\.tsv, line 2: expected a source, one tab")
    (tmp_path / "empty.tsv").write_text("")
    refused(tmp_path, small.sentence_pairs(tmp_path / "empty.tsv"), r"empty\.tsv: the text is empty")


# ---- arrays


def taken(data: Any) -> list[str]:
    return json.loads((data.folder / "manifest.json").read_text())["taken"]  # type: ignore[no-any-return]


def arrays(kind: type[Any], file: Path) -> Source:
    return kind(file=str(file), validation=0.2, test=0.2, seed=0)


def test_arrays_of_images_and_series_are_read(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(3, 6, 50)
    np.savez(tmp_path / "i.npz", x=random.integers(0, 256, (50, 5, 4), dtype=np.uint8), y=y)
    images = make(tmp_path / "i", arrays(ImageArrays, tmp_path / "i.npz"))
    assert (images.inputs.channels, images.outputs.names) == (1, ("3", "4", "5"))
    x = random.normal(3, 2, (50, 7))
    given: dict[str, Any] = {
        f"{axis}_{split}": part
        for i, split in enumerate(("train", "val", "test"))
        for axis, part in (("x", x + i), ("y", y - 3))
    }
    given["names"] = np.array(["low", "middle", "high"])
    np.savez(tmp_path / "s.npz", **given)
    series = make(tmp_path / "s", arrays(SeriesArrays, tmp_path / "s.npz"))
    assert series.examples == {"train": 50, "val": 50, "test": 50}
    assert series.outputs.names == ("low", "middle", "high")
    train = np.load(series.folder / "x_train.npy")
    np.testing.assert_array_equal(train[..., 0], x.astype(np.float32))  # raw: the model normalises
    np.testing.assert_allclose([*series.inputs.mean, *series.inputs.std], [x.mean(), x.std()])


def test_what_does_not_vary_is_not_blown_up(tmp_path: Path) -> None:
    x = np.stack([np.full((30, 6), 0.1), np.random.default_rng(0).normal(size=(30, 6))], axis=2)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 2)
    data = make(tmp_path, arrays(SeriesArrays, tmp_path / "a.npz"))
    assert data.inputs.std[0] == 1.0
    assert data.inputs.std[1] > 0.5


@pytest.mark.parametrize(
    ("first", "second"),
    [("Cat", "cat"), ("cat", "cat "), ("caf\u00e9", "cafe\u0301"), ("ice_cream", "ice cream"), ("Ａ", "a")],
)
def test_two_names_that_look_like_one_class_are_said(
    tmp_path: Path, small: ModuleType, first: str, second: str
) -> None:
    folder = small.write_image_folder(tmp_path / "images")
    for old, new in (("class0", first), ("class1", second)):
        (folder / old).rename(folder / new)
    x = np.random.default_rng(0).normal(size=(30, 6))
    np.savez(tmp_path / "a.npz", x=x, y=np.array([first, second])[np.arange(30) % 2])
    sources = small.image_folder(folder), arrays(SeriesArrays, tmp_path / "a.npz")
    for number, source in enumerate(sources):
        (said,) = [line for line in taken(make(tmp_path / str(number), source)) if "WARNING" in line]
        assert repr(first) in said
        assert repr(second) in said


def test_names_that_are_fine_are_not_warned_of(tmp_path: Path, small: ModuleType) -> None:
    assert not [line for line in taken(make(tmp_path, small.image_folder(small.write_image_folder(tmp_path / "i"))))
                if "WARNING" in line]  # fmt: skip
    x = np.random.default_rng(0).normal(size=(30, 6))
    np.savez(tmp_path / "a.npz", x=x, y=np.array([-1, 1, 11])[np.arange(30) % 3])
    assert not [line for line in taken(make(tmp_path / "a", arrays(SeriesArrays, tmp_path / "a.npz")))
                if "WARNING" in line]  # fmt: skip


def test_names_of_classes_are_each_one_s_own_and_those_without_examples_are_said(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 6))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 2, names=np.array(["low", "high", "none"]))
    data = make(tmp_path, arrays(SeriesArrays, tmp_path / "a.npz"))
    assert "WARNING: no example of none" in taken(data)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(30) % 2, names=np.array(["low", "low"]))
    refused(tmp_path / "b", arrays(SeriesArrays, tmp_path / "a.npz"), "names holds low twice")


@pytest.mark.parametrize("kind", [ImageArrays, SeriesArrays])
def test_each_class_has_its_share_of_each_split(kind: type[Any], tmp_path: Path) -> None:
    """Of 100, 20, 3 and 2 examples; the last class is too small for three splits, so that it only trains."""
    y = np.random.default_rng(1).permutation(np.repeat([7, 8, 9, 10], [100, 20, 3, 2]))
    x = np.arange(len(y), dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(3, 2)  # an example's place in the file
    np.savez(tmp_path / "a.npz", x=x, y=y)
    sets: dict[int, list[float]] = {}
    for seed in (0, 0, 1):
        source = kind(file=str(tmp_path / "a.npz"), validation=0.1, test=0.2, seed=seed)
        folder = make(tmp_path / str(len(sets)), source).folder
        places = {split: np.load(folder / f"x_{split}.npy").reshape(-1, 12)[:, 0] for split in ("train", "val", "test")}
        for split, chosen in places.items():
            np.testing.assert_array_equal(np.load(folder / f"y_{split}.npy"), y[chosen.astype(int)] - 7)
        assert sorted(np.concatenate(list(places.values()))) == list(range(125))
        found = {split: np.bincount(np.load(folder / f"y_{split}.npy"), minlength=4).tolist() for split in places}
        assert found == {"train": [70, 14, 1, 2], "val": [10, 2, 1, 0], "test": [20, 4, 1, 0]}
        sets[len(sets)] = places["test"].tolist()
    assert sets[0] == sets[1] != sets[2]


def test_labels_are_classes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 6))
    for y, names in (
        ((np.arange(30) % 3).astype(np.float64), ("0", "1", "2")),
        (np.array(["a", "b", "ü"])[np.arange(30) % 3], ("a", "b", "ü")),
        (np.array([b"a", b"b"])[np.arange(30) % 2], ("a", "b")),
        (np.arange(30) % 2 == 0, ("False", "True")),
    ):
        np.savez(tmp_path / "a.npz", x=x, y=y)
        assert make(tmp_path, arrays(SeriesArrays, tmp_path / "a.npz")).outputs.names == names
        shutil.rmtree(tmp_path / "data" / "own")


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.arange(30) / 3, r"y holds 0\.333333, which is no class; whole numbers or names would do"),
        (np.where(np.arange(30) == 4, np.nan, 1.0), "y is not a number in 1 examples; give them a class or leave them"),
        (np.eye(3)[np.arange(30) % 3], r"y is float64 \(30, 3\); one class an example, y \(N,\), would do: .*argmax"),
        (np.ones((30, 1)), r"y is float64 \(30, 1\).*y\.ravel\(\)"),
        (np.full(30, 5), "y holds one class, 5; examples of two or more would do"),
        (np.arange(30) * 1j, "y is complex128; classes as whole numbers or names would do"),
        (np.arange(30), "0.2 and 0.2 of 30 examples leave val empty; .*3 or more different examples of a class"),
    ],
)
def test_labels_that_are_none_are_refused(y: np.ndarray, said: str, tmp_path: Path) -> None:
    x = np.arange(600, dtype=np.uint16).reshape(30, 5, 4)
    np.savez(tmp_path / "i.npz", x=(x % 251).astype(np.uint8), y=y)
    np.savez(tmp_path / "s.npz", x=x[:, :, 0], y=y)
    refused(tmp_path, arrays(ImageArrays, tmp_path / "i.npz"), said)
    refused(tmp_path, arrays(SeriesArrays, tmp_path / "s.npz"), said)


def test_arrays_that_are_none_are_refused(tmp_path: Path) -> None:
    file, y = tmp_path / "a.npz", np.arange(9) % 3
    refused(tmp_path, arrays(SeriesArrays, file), "there is no file")
    np.savez(file, x=np.zeros((9, 5)))
    refused(tmp_path, arrays(SeriesArrays, file), r"holds x \(9, 5\)")
    np.savez(file, x=np.zeros((9, 5)), y=np.zeros(8))
    refused(tmp_path, arrays(SeriesArrays, file), r"x \(9, 5\), y \(8,\)")
    np.savez(file, x=np.full((9, 5), np.nan), y=y)
    refused(tmp_path, arrays(SeriesArrays, file), "not finite")
    refused(tmp_path, arrays(ImageArrays, file), "images are uint8")
    np.savez(file, x=1e9 + np.random.default_rng(0).normal(size=(9, 5)), y=y)
    refused(
        tmp_path, arrays(SeriesArrays, file), r"channel 0 of x varies by .* around 1e\+09, which float32 cannot tell"
    )
    np.savez(file, x=np.zeros((9, 5)), y=y, names=["a", "b"])
    refused(tmp_path, arrays(SeriesArrays, file), "y holds 0 to 2, but names has 2 classes")
    os.truncate(file, 100)
    refused(tmp_path, arrays(SeriesArrays, file), "not an npz that can be read")
