"""One's own pictures: transparent, deep, turned and broken ones, in training and in predictions; clutter is skipped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import prepare_own as make
from running import refused_own as refused

from quartet.data import SeriesArrays, is_prepared
from quartet.data.preparing.own_files import files_below
from quartet.data.preparing.pictures import read_image
from quartet.roles.files import batches, examples
from quartet.types import QuartetError

GREY, COLOUR = (4, 4, 1), (4, 4, 3)


def half_clear(mode: str) -> Image.Image:
    """Black on the left; on the right nothing, whose hidden colour is black too."""
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (2, 0, 4, 4))
    return picture.convert(mode) if mode != "RGBA" else picture


def read(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture as a prediction reads it, which must be as training does."""
    ((_, found),) = examples([path], {"dtype": "uint8", "shape": shape})
    np.testing.assert_array_equal(found, read_image(path, shape))
    return found


def save(path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def clear_palette() -> Image.Image:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 0, 0, 0])
    picture.paste(1, (2, 0, 4, 4))
    return picture


def deep_with_clear() -> Image.Image:
    values = np.full((4, 4), 300, dtype=np.uint16)
    values[:, 2:] = 301
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("name", "made", "options"),
    [
        ("rgba.png", lambda: half_clear("RGBA"), {}),
        ("la.png", lambda: half_clear("LA"), {}),
        ("palette.png", clear_palette, {"transparency": 1}),
        ("bytes.png", clear_palette, {"transparency": b"\xff\x00"}),
        ("a.gif", clear_palette, {"transparency": 1}),
        ("a.webp", lambda: half_clear("RGBA"), {"lossless": True, "exact": True}),
        ("a.tif", lambda: half_clear("RGBA"), {}),
        ("deep.png", deep_with_clear, {"transparency": 301}),
    ],
)
@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_transparent_pictures_lie_over_white(
    name: str, made: Callable[[], Image.Image], options: dict[str, object], shape: tuple[int, int, int], tmp_path: Path
) -> None:
    found = read(save(tmp_path / name, made(), **options), shape)
    assert (found[:, :2] <= 1).all()
    assert (found[:, 2:] == 255).all()


def test_a_half_transparent_picture_is_mixed_with_white(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("RGBA", (4, 4), (200, 0, 0, 127)))
    np.testing.assert_allclose(read(path, COLOUR)[0, 0], [228, 128, 128], atol=1)


def test_opaque_pictures_are_read_as_ever(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    for mode in ("RGB", "L", "CMYK", "1", "P"):
        ending = "tif" if mode == "CMYK" else "png"
        path = save(tmp_path / f"{mode}.{ending}", Image.fromarray(pixels[..., :3]).convert(mode))
        np.testing.assert_array_equal(read(path, COLOUR), np.asarray(Image.open(path).convert("RGB")))
        np.testing.assert_array_equal(read(path, GREY)[..., 0], np.asarray(Image.open(path).convert("L")))


RAMP = np.arange(6).reshape(2, 3) * 40  # of bytes


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "tiff"])
@pytest.mark.parametrize("values", [RAMP.astype(np.uint8), RAMP.astype(np.uint16) << 8], ids=["8", "16"])
def test_pictures_are_turned_upright(turn: int, ending: str, values: np.ndarray, tmp_path: Path) -> None:
    """By EXIF's definition of the eight orientations."""
    exif = Image.Exif()
    exif[274] = turn
    options = {"compression": "tiff_lzw"} if ending == "tiff" else {}
    path = save(tmp_path / f"a.{ending}", Image.fromarray(values), exif=exif, **options)
    upright = {
        1: RAMP, 2: RAMP[:, ::-1], 3: RAMP[::-1, ::-1], 4: RAMP[::-1],
        5: RAMP.T, 6: RAMP[::-1].T, 7: RAMP[::-1, ::-1].T, 8: RAMP[:, ::-1].T,
    }[turn]  # fmt: skip
    np.testing.assert_array_equal(read(path, (*upright.shape, 1))[..., 0], upright)


def test_deep_pictures_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    expected = np.round(ramp * 255)
    deep = np.round(ramp * 65535).astype(np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5 4 4 1023\n" + np.round(ramp * 1023).astype(">u2").tobytes())
    for path in (
        save(tmp_path / "floats.tif", Image.fromarray(ramp)),
        save(tmp_path / "a.png", Image.fromarray(deep)),
        save(tmp_path / "a.tif", Image.fromarray(deep)),
        save(tmp_path / "big.tif", Image.fromarray(deep.astype(">u2"))),
        tmp_path / "a.pgm",
    ):
        for shape in (GREY, COLOUR):
            np.testing.assert_allclose(read(path, shape)[..., 0], expected, atol=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((4, 4), 200, np.float32), r"a picture of floats from 200 to 200; .*scale it to 0 … 1"),
        (np.full((4, 4), -0.5, np.float32), "a picture of floats from -0.5 to -0.5"),
        (np.full((4, 4), np.nan, np.float32), "a picture of floats from nan to nan"),
        (np.full((4, 4), 70_000, np.int32), "a picture of 32-bit integers, up to 70000: .*save it as a PNG of 8 or 16"),
        (np.full((4, 4), 200, np.int32), "a picture of 32-bit integers, up to 200"),
    ],
)
def test_pictures_whose_white_is_unknown_are_refused(values: np.ndarray, words: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(values))
    with pytest.raises(QuartetError, match=words):
        read(path, GREY)


def test_all_broken_pictures_are_named_at_once(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    for name in ("class0/3.png", "class2/7.png"):
        os.truncate(folder / name, (folder / name).stat().st_size // 2)
    (folder / "class1/1.png").write_text("not a picture")
    (folder / "class1/2.png").write_bytes(b"")
    (folder / "class1/link.JPG").symlink_to("nowhere.jpg")
    Image.fromarray(np.full((4, 4), 7, np.float32)).save(folder / "class2/deep.TIF")
    words = (
        r"6 files cannot be used: .*class0/3\.png \(.*class1/1\.png \(.*not a picture.*class1/2\.png.*"
        r"class1/link\.JPG \(.*No such file.*class2/7\.png.*class2/deep\.TIF \(a picture of floats.*\n"
        r"save it as a PNG of 8 bits a channel, or remove it; scale it"
    )
    refused(tmp_path, small.image_folder(folder), words)


def test_a_prediction_answers_for_good_pictures_before_it_names_all_broken_ones(
    tmp_path: Path, small: ModuleType
) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    for name in ("class0/0.png", "class2/9.png"):
        (folder / name).write_bytes(b"")
    parts = batches(examples([folder], {"dtype": "uint8", "shape": GREY}), 16)
    assert [len(next(parts)) for _ in range(4)] == [16, 16, 16, 13]
    with pytest.raises(QuartetError, match=r"2 files cannot be used: .*class0/0\.png \(.*class2/9\.png"):
        next(parts)


def test_hidden_files_and_clutter_are_skipped(
    tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small.write_image_folder(tmp_path / ".data" / "photos")
    whole = make(tmp_path / "a", small.image_folder(folder))
    original = folder / "class0" / "1.png"
    for name in ("class0/.ipynb_checkpoints/1-checkpoint.png", "__MACOSX/class0/._1.png", ".thumbnails/a/1.png",
                 "class1/._1.png", "class1/.hidden.png", "class2/@eaDir/1.png/thumb.jpg", "class0/__MACOSX/1.png",
                 ".DS_Store", "class0/Thumbs.db"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, folder / name)
    again = make(tmp_path / "b", small.image_folder(folder))
    assert again.examples == whole.examples
    assert again.digest == whole.digest
    assert is_prepared(whole.folder, {})  # nothing that counts has changed
    assert "copies" not in capsys.readouterr().err
    assert len(list(examples([folder], {"dtype": "uint8", "shape": GREY}))) == 63


def test_what_is_not_read_is_said(tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    for name in ("class0/a.heic", "class1/b.HEIC", "class1/notes.txt", "3.png"):
        (folder / name).write_bytes(b"what")
    data = make(tmp_path, small.image_folder(folder))
    said = "not read: 2 .heic, 1 .png outside a class folder, 1 .txt"
    assert f"own: {said}\n" in capsys.readouterr().err
    assert said in json.loads((data.folder / "manifest.json").read_text())["taken"]


def test_linked_folders_are_followed_but_not_back(tmp_path: Path, small: ModuleType) -> None:
    elsewhere = small.write_image_folder(tmp_path / "elsewhere", classes=2)
    folder = tmp_path / "photos"
    (folder / "cat").mkdir(parents=True)
    (folder / "dog").symlink_to(elsewhere / "class0", target_is_directory=True)
    (folder / "cat" / "more").symlink_to(elsewhere / "class1", target_is_directory=True)
    (folder / "cat" / "back").symlink_to(folder, target_is_directory=True)
    assert len(files_below(folder / "dog")) == 21
    assert len(files_below(folder / "cat" / "more")) == 21
    (folder / "cat" / "back").unlink()
    (folder / "cat" / "back").symlink_to(folder / "cat", target_is_directory=True)
    assert sum(make(tmp_path, small.image_folder(folder)).examples.values()) == 42


@pytest.mark.parametrize(
    ("most", "bits"), [(200, 8), (1000, 10), (3071, 12), (4095, 12), (4096, 14), (16_384, 16), (65_535, 16)]
)
def test_bits_that_no_picture_uses_are_no_black(
    most: int, bits: int, tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of an X-ray of 12 bits in a file of 16: white is that of the whole set, in training and for a dark picture."""
    draw = np.random.default_rng(0)
    for label in range(2):
        (tmp_path / "photos" / f"class{label}").mkdir(parents=True)
        for i in range(10):
            values = draw.integers(0, most // 8, (8, 6)).astype(np.uint16)
            values[0, 0] = most if (label, i) == (1, 7) else 0
            ending = "tif" if i % 2 else "png"
            save(tmp_path / "photos" / f"class{label}" / f"{i}.{ending}", Image.fromarray(values))
    data = make(tmp_path, small.image_folder(tmp_path / "photos", channels=1))
    said = capsys.readouterr().err
    held = np.concatenate([np.load(data.folder / f"x_{split}.npy") for split in ("train", "val", "test")])
    assert held.max() == most >> (bits - 8)
    assert (f"pictures of 16 bits use {bits} of them: {2**bits - 1} is taken as white" in said) == (bits < 16)
    dark = tmp_path / "photos" / "class0" / "3.tif"
    described = {"dtype": "uint8", "shape": data.inputs.shape, "inputs": json.loads(json.dumps(asdict(data.inputs)))}
    ((_, found),) = examples([dark], described)
    assert any((found == row).all() for row in held), "a prediction reads it as training did"
    bright = save(tmp_path / "bright.png", Image.fromarray(np.full((8, 6), 65_535, np.uint16)))
    ((_, found),) = examples([bright], described)
    assert (found == 255).all(), "what is brighter than white is white"


def pages(path: Path, *kinds: dict[int, int]) -> Path:
    """A TIFF with a page for each mapping of tags."""
    made = [Image.new("L", (4, 4), 40 * i) for i, _ in enumerate(kinds)]
    for page, tags in zip(made, kinds, strict=True):
        page.encoderinfo = {"tiffinfo": tags}
    made[0].save(path, save_all=True, append_images=made[1:])
    return path


def test_a_tiff_of_pages_is_refused(tmp_path: Path, small: ModuleType) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    pages(folder / "class1" / "scan.TIF", {}, {}, {})
    refused(tmp_path, small.image_folder(folder), r"class1/scan.TIF: a TIFF of 3 pages, .*save its pages as files")
    with pytest.raises(QuartetError, match="a TIFF of 3 pages"):
        read(folder / "class1" / "scan.TIF", GREY)


@pytest.mark.parametrize("kind", [{254: 1}, {254: 4}, {254: 5}, {255: 2}])
def test_small_copies_and_masks_are_no_pages(kind: dict[int, int], tmp_path: Path) -> None:
    assert (read(pages(tmp_path / "a.tif", {}, kind), GREY) == 0).all()


def test_other_pictures_of_several_frames_count_by_their_first(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), 40 * i) for i in range(3)]
    for name in ("a.gif", "a.png", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert (read(tmp_path / name, GREY) == 0).all()


def test_one_picture_in_two_classes_is_said(
    tmp_path: Path, small: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small.write_image_folder(tmp_path / "photos")
    make(tmp_path, small.image_folder(folder))
    assert "WARNING" not in capsys.readouterr().err
    shutil.copyfile(folder / "class0" / "3.png", folder / "class2" / "z.png")
    Image.open(folder / "class1" / "4.png").save(folder / "class2" / "other.bmp")
    make(tmp_path, small.image_folder(folder))
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"own: WARNING: 2 examples are each in several classes, of which one at most is right: "
        f"{folder}/class1/4.png (class1) and {folder}/class2/other.bmp (class2) hold the same"
    )


@pytest.mark.parametrize("split", [False, True])
def test_one_series_in_two_classes_is_said(split: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 6)), np.arange(40) % 2
    x[9] = x[4]
    test = x[:6] + np.array([[1.0]] * 5 + [[0.0]])  # the last is one of train, by another class
    given = {"x_train": x, "y_train": y, "x_test": test, "y_test": 1 - y[:6]} if split else {}
    np.savez(tmp_path / "a.npz", **(given or {"x": x, "y": y}))
    make(tmp_path, SeriesArrays(file=str(tmp_path / "a.npz"), validation=0.2, test=0.2, seed=0))
    said = capsys.readouterr().err.splitlines()[-1]
    assert "WARNING" in said
    assert "example 4 of train (0) and example 9 of train (1) hold the same" in said
    assert ("2 examples are each" if split else "1 example is") in said
