"""Splits of one's own data: one rule for folders, files, pairs and arrays; and what was taken as what is printed."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import prepare_own as make
from running import refused_own as refused

from quartet.data import ImageArrays, SeriesArrays, Source, is_prepared
from quartet.data.preparing.splits import means_split, split_of

Files = dict[str, int]  # how many examples, by the name of the split that a person gave
COUNT = itertools.count()


class Kind:
    """A kind of own data: writes examples, all different, under a split's name; opens the folder or file."""

    def __init__(self, root: Path, small: ModuleType) -> None:
        self.root, self.small = root, small
        root.mkdir(parents=True)

    def write(self, name: str, count: int) -> None:
        raise NotImplementedError

    def source(self) -> Source:
        raise NotImplementedError


class Images(Kind):
    def write(self, name: str, count: int) -> None:
        folder = self.root / name if name != "others" else self.root
        for i in range(count):
            path = folder / ("circle", "square")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.frombuffer(random.Random(next(COUNT)).randbytes(192), np.uint8).reshape(8, 8, 3)).save(
                path
            )

    def source(self) -> Source:
        return self.small.image_folder(self.root, validation=0.1, test=0.1)


def lines(count: int) -> list[str]:
    words = random.Random(next(COUNT))
    return [f"number {next(COUNT)} " + self_made(words) for _ in range(count)]


def self_made(words: random.Random) -> str:
    return "".join(words.choice("abcdefgh ") for _ in range(20)).strip() + " end"


class Texts(Kind):
    def write(self, name: str, count: int) -> None:
        (self.root / f"{name}.txt").write_text("\n".join(lines(count * 20)))

    def source(self) -> Source:
        return self.small.text_files(self.root, pattern="**/*.txt")


class TextFolders(Texts):
    def write(self, name: str, count: int) -> None:
        (self.root / name).mkdir()
        (self.root / name / "a.txt").write_text("\n".join(lines(count * 10)))
        (self.root / name / "b.txt").write_text("\n".join(lines(count * 10)))


class Tables(Kind):
    def write(self, name: str, count: int) -> None:
        (self.root / f"{name}.tsv").write_text("".join(f"{a}\t{a[::-1]}\n" for a in lines(count)))

    def source(self) -> Source:
        return self.small.sentence_pairs(self.root)


class Aligned(Tables):
    def write(self, name: str, count: int) -> None:
        pairs = lines(count)
        (self.root / f"{name}.en").write_text("\n".join(pairs))
        (self.root / f"{name}.DE").write_text("\r\n".join(pair[::-1] for pair in pairs))


class Arrays(Kind):
    KIND: Any = ImageArrays

    def write(self, name: str, count: int) -> None:
        kept: dict[str, Any] = dict(np.load(self.root / "a.npz")) if (self.root / "a.npz").exists() else {}
        end = "" if name == "others" else f"_{name}"
        x = np.random.default_rng(next(COUNT)).integers(0, 256, (count, 6, 5), dtype=np.uint8)
        kept |= {f"x{end}": x, f"Y{end}": np.arange(count) % 2}
        np.savez(self.root / "a.npz", **kept)

    def source(self) -> Source:
        return self.KIND(file=str(self.root / "a.npz"), validation=0.1, test=0.1, seed=0)


class Series(Arrays):
    KIND = SeriesArrays


KINDS = [Images, Texts, TextFolders, Tables, Aligned, Arrays, Series]
Make = Callable[[Files], Kind]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def given(request: pytest.FixtureRequest, tmp_path: Path, small: ModuleType) -> Make:
    """`given({"Train": 40})`: own data of each kind, with these parts."""

    def make_(files: Files) -> Kind:
        kind = request.param(tmp_path / "own files", small)
        for name, count in files.items():
            kind.write(name, count)
        return kind

    return make_


def sizes(folder: Path) -> dict[str, int]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest.get("examples") or manifest["characters"]


@pytest.mark.parametrize(
    ("files", "held_out"),
    [
        ({"train": 36, "val": 40, "test": 44}, ""),
        ({"Train": 36, "VALID": 40, "Testing": 44}, ""),
        ({"training": 36, "dev": 40, "TEST": 44}, ""),
        ({"train": 36, "Validation": 40, "README": 44}, "test"),
        ({"TRAIN": 36, "test": 40, "notes": 44}, "val"),
        ({"train": 36, "old things": 10}, "val test"),
        ({"others": 36, "test": 10}, "val"),
        ({"others": 36, "dev": 10, "test": 12}, ""),
        ({"others": 36}, "val test"),
    ],
    ids=str,
)
def test_splits_are_recognised_alike(
    files: Files, held_out: str, given: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = given(files)
    folder = make(tmp_path, kind.source()).folder
    said = capsys.readouterr().err
    found = sizes(folder)
    for name, count in files.items():
        split = {"others": "train"}.get(name, split_of(name))
        if split is None:
            assert isinstance(kind, Images) or name in said.partition("left out")[2]
        elif split != "train" and "characters" not in said:
            assert found[split] == count
    unit = " characters" if "characters" in said else ""
    for split, count in found.items():
        made = f"{split} {count}{unit} held out of train" in said
        assert made == (split in held_out.split()), said
        assert f"{split} {count}{unit}" in said
    if isinstance(kind, (Images, Arrays, Series)):
        assert "classes " + ("circle, square" if isinstance(kind, Images) else "0, 1") in said


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"val": 10, "test": 10}, "there is val and test, but nothing to train on"),
        ({"Test": 10}, "there is test, but nothing to train on"),
        ({"train": 20, "dev": 10, "valid": 10}, "are all called val"),
        ({"train": 20, "test2016": 10}, "test2016.* looks like a split, but is not called"),
        ({"train_1": 20, "train_2": 20}, "train_1.* looks like a split"),
        ({"others": 20, "eval": 20}, "eval.* looks like a split"),
        ({"others": 20, "test-set": 20}, "test-set.* looks like a split"),
    ],
    ids=str,
)
def test_what_looks_like_a_split_and_is_none_is_refused(files: Files, words: str, given: Make, tmp_path: Path) -> None:
    refused(tmp_path, given(files).source(), words)


def test_names_that_mean_splits() -> None:
    for name in ("Train", "train (1)", "VAL", "valset", "dev2010", "tst2013", "held-out", "test_2", "Trainingset 1",
                 "val_images", "test-clean", "holdout", "evaluation", "train copy"):  # fmt: skip
        assert means_split(name), name
    for name in ("cat", "trains", "test tubes", "development board", "steam train", "contest", "interval", "valley",
                 "latest", "devil", "retrain", "testament", "validated", "evaluated", "README"):  # fmt: skip
        assert not means_split(name), name


@pytest.mark.parametrize("names", [("europarl.train", "europarl.test"), ("corpus", "corpus_test"),
                                   ("flickr-test", "train-flickr"), ("newstest2014", "europarl-train")])  # fmt: skip
def test_parts_of_names_that_mean_splits_together_are_refused(
    names: tuple[str, str], tmp_path: Path, small: ModuleType
) -> None:
    for kind in (Texts, Tables, Aligned):
        made = kind(tmp_path / kind.__name__, small)
        for name in names:
            made.write(name, 20)
        refused(tmp_path, made.source(), "looks like a split")


# ---- what each kind has for itself


def test_classes_called_like_splits_are_no_classes(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "photos", classes=2)
    (folder / "class1").rename(folder / "train")
    refused(tmp_path, small.image_folder(folder), "photos/train holds 0 class folders.*give it another name")
    (folder / "train").rename(folder / "class1")
    (folder / "test").mkdir()
    refused(tmp_path, small.image_folder(folder), "photos/test: this looks like a split and holds no class folder")
    (folder / "class0" / "1.png").rename(folder / "test" / "1.png")
    refused(tmp_path, small.image_folder(folder), "If it is a class, give it another name")


def test_classes_of_other_splits_are_those_of_training(tmp_path: Path, small: ModuleType) -> None:
    for split, classes in (("train", 2), ("valid", 2), ("test", 3)):
        small.write_image_folder(tmp_path / "a" / split, classes=classes, seed=classes)
    refused(tmp_path, small.image_folder(tmp_path / "a"), r"test/class2: the training images have no such class")
    for split, classes in (("train", 3), ("test", 2)):
        small.write_image_folder(tmp_path / "b" / split, classes=classes, seed=classes)
    refused(tmp_path, small.image_folder(tmp_path / "b"), r"test/class2: a class without images")


def test_splits_within_classes_are_refused(tmp_path: Path, small: ModuleType) -> None:
    for i, (name, part) in enumerate(itertools.product(("cat", "dog"), ("Train", "test"))):
        made = small.write_image_folder(tmp_path / "made", classes=1, seed=i) / "class0"
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        made.rename(tmp_path / "photos" / name / part)
    refused(tmp_path, small.image_folder(tmp_path / "photos"), "cat holds Train, test.*lies too deep\nput splits above")
    # Folders within a class that are no splits are part of it.
    for name in ("cat", "dog"):
        for old, new in (("Train", "young"), ("test", "old")):
            (tmp_path / "photos" / name / old).rename(tmp_path / "photos" / name / new)
            (tmp_path / "photos" / name / new / "0.png").rename(tmp_path / "photos" / name / new / "0.PNG")
    assert sum(make(tmp_path, small.image_folder(tmp_path / "photos")).examples.values()) == 84


def test_a_folder_around_the_folder_is_named(tmp_path: Path, small: ModuleType) -> None:
    for split in ("train", "test"):
        small.write_image_folder(tmp_path / "photos" / "photos" / split)
    refused(
        tmp_path, small.image_folder(tmp_path / "photos"), r"data\.source\.folder=\S*/photos/photos has test, train"
    )
    for parent in ("english", "german"):
        for name in ("train", "test"):
            path = tmp_path / "texts" / parent / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines(100)))
    source = small.text_files(tmp_path / "texts", pattern="**/*.txt")
    refused(tmp_path, source, r"english holds test\.txt, train\.txt.*\ngive its folder as data\.source\.folder")
    Tables.write(Tables(tmp_path / "pairs" / "en-de", small), "train", 30)
    refused(tmp_path, small.sentence_pairs(tmp_path / "pairs"), r"data\.source\.folder=\S*/pairs/en-de would do")


def test_a_split_that_lies_too_deep_is_refused(tmp_path: Path, small: ModuleType) -> None:
    texts = Texts(tmp_path / "texts", small)
    for name in ("one", "two", "test"):
        (texts.root / "english" / "old").mkdir(parents=True, exist_ok=True)
        texts.write(f"english/old/{name}", 20)
    refused(tmp_path, texts.source(), r"english/old holds test\.txt: this looks like a split, but lies too deep")
    (texts.root / "english/old/test.txt").rename(texts.root / "english/old/train.txt")
    make(tmp_path, texts.source())


def test_folders_of_pairs_that_are_no_splits_are_named(
    tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = Tables(tmp_path / "pairs", small)
    tables.write("more", 40)
    for name in ("old", "images"):
        (tables.root / name).mkdir()
    tables.write("old/some", 9)
    assert sum(make(tmp_path, tables.source()).examples.values()) == 40
    assert "folders not read, as they are no splits: old\n" in capsys.readouterr().err


def test_names_outside_utf_8(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    os.rename(folder / "class0/1.png", os.fsencode(folder / "class0") + b"/f\xfcr.png")
    data = make(tmp_path, small.image_folder(folder))
    assert sum(data.examples.values()) == 63
    assert is_prepared(data.folder, {})
    os.rename(folder / "class1", os.fsencode(folder) + b"/f\xfcr")
    refused(tmp_path / "b", small.image_folder(folder), r"the class 'f\\udcfcr', which cannot be printed; rename it")
    (tmp_path / "texts").mkdir()
    (Path(os.fsdecode(os.fsencode(tmp_path / "texts") + b"/f\xfcr.txt"))).write_text("\n".join(lines(200)))
    make(tmp_path / "c", small.text_files(tmp_path / "texts"))


def test_empty_splits_are_refused(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_text_folder(tmp_path / "texts")
    (folder / "val").mkdir()
    refused(
        tmp_path, small.text_files(folder), r"texts/val: this looks like a split, but no file in it matches \*\.txt"
    )
    pairs = small.write_pairs_folder(tmp_path / "pairs", pairs=30)
    (pairs / "Dev").mkdir()
    refused(tmp_path, small.sentence_pairs(pairs), "pairs/Dev: this looks like a split, but holds no pairs")
    x = np.arange(40 * 9, dtype=np.float32).reshape(40, 9)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(40) % 2, x_val=x[:0], y_val=np.arange(0))
    refused(tmp_path, SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.1, test=0.1, seed=0), "hold no example")


def test_a_split_that_is_not_read_is_refused(tmp_path: Path, small: ModuleType) -> None:
    texts, tables = Texts(tmp_path / "texts", small), Tables(tmp_path / "tables", small)
    for kind, other in ((texts, "Test.md"), (tables, "dev.csv")):
        kind.write("train", 30)
        (kind.root / other).write_text("some")
        refused(tmp_path, kind.source(), rf"{other}: this looks like a split, but is not read")
        (kind.root / other).rename(kind.root / "train.log")
        make(tmp_path, kind.source())
        (tmp_path / "data" / "own" / "manifest.json").unlink()
        (tmp_path / "data" / "own").rename(tmp_path / f"made {other}")


def test_one_file_is_cut_whatever_its_name(tmp_path: Path, small: ModuleType) -> None:
    Tables(tmp_path / "tables", small).write("test", 50)
    assert sum(make(tmp_path, small.sentence_pairs(tmp_path / "tables" / "test.tsv")).examples.values()) == 50


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("x_train", "y_train", "x_test"), "x_test has no y"),
        (("x", "y", "x_val"), "x_val has no y"),
        (("x", "y", "train_idx"), "train_idx: this looks like a split"),
        (("train_images", "train_labels", "test_images", "test_labels"), "train_images: this looks like a split"),
        (("x", "y", "split"), "split: this looks like a split"),
        (("x", "y", "x_a", "y_a"), "which of these trains"),
        (("x_train", "y_train", "X_TRAIN", "y_test", "x_test"), "x_train and X_TRAIN mean the same"),
    ],
    ids=str,
)
def test_arrays_that_look_like_splits(names: tuple[str, ...], words: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    made: dict[str, Any] = {
        name: draw.normal(size=(40, 5)) if "x" in name.lower() else np.arange(40) % 2 for name in names
    }
    np.savez(tmp_path / "a.npz", **made)
    refused(tmp_path, SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.1, test=0.1, seed=0), words)


def test_names_of_a_split_in_either_order(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 5)), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", train_X=x, Train_y=y, X_dev=x + 1, Y_Dev=y, x_mean=x.mean(0), extra=np.zeros(3))
    made = make(tmp_path, SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.1, test=0.1, seed=0))
    assert made.examples == {"train": 36, "val": 40, "test": 4}


def test_a_class_that_training_lacks_is_refused(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x + 1, y_test=y + 1)
    source = SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.1, test=0.1, seed=0)
    refused(tmp_path, source, "y of test holds the class 2, which no training example has")


# ---- exact copies


def test_copies_in_given_splits_are_kept_out_of_test(
    given: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = given({"train": 30, "val": 12, "test": 12})
    if isinstance(kind, Images):
        for i, source in enumerate(("train/circle/0.png", "val/circle/2.png")):
            (kind.root / f"test/circle/copy{i}.png").write_bytes((kind.root / source).read_bytes())
    elif isinstance(kind, TextFolders):
        for i, source in enumerate(("train/a.txt", "val/b.txt")):
            (kind.root / f"test/copy{i}.txt").write_bytes((kind.root / source).read_bytes() + b"\r\n")
    elif isinstance(kind, Texts):
        whole = (kind.root / "train.txt").read_text()
        (kind.root / "test.txt").write_text(whole[len(whole) // 2 :])
        refused(tmp_path, kind.source(), "every example of test is in train or val")
        return
    elif isinstance(kind, Tables):
        for end in ("tsv",) if not isinstance(kind, Aligned) else ("en", "DE"):
            copies = [(kind.root / f"{part}.{end}").read_text().split("\n")[3].strip() for part in ("train", "val")]
            (kind.root / f"test.{end}").write_text(
                "\n".join([(kind.root / f"test.{end}").read_text().replace("\r", "").strip("\n"), *copies])
            )
    else:
        held = dict(np.load(kind.root / "a.npz"))
        held["x_test"] = np.concatenate([held["x_test"], held["x_train"][:1], held["x_val"][:1]])
        held["Y_test"] = np.concatenate([held["Y_test"], [0, 0]])
        np.savez(kind.root / "a.npz", **held)
    folder = make(tmp_path, kind.source()).folder
    said = capsys.readouterr().err
    assert "2 examples of test left out: exact copies of examples in train or val" in said
    if "examples" in json.loads((folder / "manifest.json").read_text()):
        assert sizes(folder) == {"train": 30, "val": 12, "test": 12}


def test_the_same_test_as_training_is_refused(given: Make, tmp_path: Path) -> None:
    kind = given({"train": 20})
    if isinstance(kind, Arrays):
        held = dict(np.load(kind.root / "a.npz"))
        np.savez(kind.root / "a.npz", **held, x_test=held["x_train"], y_test=held["Y_train"])
    for path in [path for path in kind.root.rglob("*") if path.is_file() and path.name != "a.npz"]:
        copy = kind.root / str(path.relative_to(kind.root)).replace("train", "test")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    refused(tmp_path, kind.source(), "every example of test is in train or val too; give test others")


@pytest.mark.parametrize("seed", range(3))
def test_copies_land_on_one_side_of_splits_that_we_make(
    seed: int, tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example is there three times, pictures also as another file of the same pixels and in the other class."""
    folder = small.write_image_folder(tmp_path / "photos", classes=2)
    for name in ("class0", "class1"):
        for path in list((folder / name).iterdir()):
            Image.open(path).save(folder / name / f"{path.stem} copy.bmp")
            Image.open(path).save(folder / "class1" / f"{name} {path.stem}.tiff")
    draw = np.random.default_rng(seed)
    x, y = draw.normal(size=(50, 6)).repeat(3, 0), (np.arange(50) % 2).repeat(3)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    for source in (
        small.image_folder(folder, seed=seed, height=9, width=7),
        SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.2, test=0.2, seed=seed),
    ):
        made = make(tmp_path / source.KIND, source).folder
        parts = [{row.tobytes() for row in np.load(made / f"x_{split}.npy")} for split in ("train", "val", "test")]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
        assert sum(sizes(made).values()) == (len(list(folder.rglob("*.*"))) if source.KIND == "images" else 150)
        assert "exact copies of other examples: each in the same split as its original" in capsys.readouterr().err


def test_too_few_different_examples_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 4)), y=np.arange(30) % 2)
    source = SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.1, test=0.1, seed=0)
    refused(tmp_path, source, r"29 exact copies are not counted")
