"""Read a picture as bytes, for training and for predictions alike."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quartet.data.preparing.own_files import BrokenFile

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
KIND_OF_PAGE, OLD_KIND_OF_PAGE, BITS_PER_SAMPLE, WHITE_IS_ZERO = 254, 255, 258, 262  # tags of TIFF
REDUCED, MASK, OLD_REDUCED = 1, 4, 2  # kinds of pages that show another page: a small copy of it, or what is clear
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners measure, and write in 16


def read_image(path: Path, shape: tuple[int, int, int], *, bits: int = 16) -> np.ndarray:
    """Return an image as uint8 `shape` (H, W, C), upright, laid over white where it is transparent.

    Of 16 bits a pixel, the upper 8 of the lower `bits` are kept; floats are read from 0 to 1. Raises BrokenFile for
    anything else, and for a TIFF of several pages.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        # By a file object: given a path, Pillow 13 maps a TIFF on its side into memory, and garbles it.
        with path.open("rb") as file, Image.open(file) as image:
            _refuse_pages(path, image)
            upright = ImageOps.exif_transpose(image)
            if image.mode == "F" or image.mode.startswith("I"):
                upright = Image.fromarray(_as_bytes(path, upright, image, bits))
            elif image.has_transparency_data:
                white = Image.new("RGBA", upright.size, "white")
                white.alpha_composite(upright.convert("RGBA"))
                upright = white
            resized = upright.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BrokenFile(path, f"this picture cannot be read ({_short(error)})", _SAVE_OR_REMOVE) from error
    return np.asarray(resized, dtype=np.uint8).reshape(shape)


def bits_used(paths: Iterable[Path]) -> int | None:
    """Return how many bits of 16 the deep grey pictures among `paths` use, one of DEPTHS; None if no picture is deep.

    A file that cannot be read does not count, nor one that names its depth: a TIFF of 12 bits, or a PGM.
    """
    from PIL import Image

    most = None
    for path in paths:
        with (
            suppress(OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError),
            Image.open(path) as image,
        ):
            if image.mode.startswith("I") and image.format in ("PNG", "TIFF") and _named_bits(image) == 16:
                most = max(most or 0, int(np.asarray(image).max(initial=0)))
    return None if most is None else next((bits for bits in DEPTHS if most < 1 << bits), 16)


def _refuse_pages(path: Path, image: Image.Image) -> None:
    """Raise BrokenFile for a TIFF with more than one page that is no small copy and no mask of another."""
    if image.format != "TIFF" or (count := getattr(image, "n_frames", 1)) < 2:
        return
    pages = 0
    for i in range(count):
        image.seek(i)
        tags: Any = getattr(image, "tag_v2", {})
        pages += not (tags.get(KIND_OF_PAGE, 0) & (REDUCED | MASK) or tags.get(OLD_KIND_OF_PAGE) == OLD_REDUCED)
    image.seek(0)
    if pages > 1:
        raise BrokenFile(
            path, f"a TIFF of {pages} pages, of which one would count", "save its pages as files, or remove it"
        )


def _named_bits(image: Image.Image) -> int:
    """Return how many bits a pixel the file names; 16 where it names none, as a PNG of 16 bits."""
    tags: Any = getattr(image, "tag_v2", {})
    return int(tags.get(BITS_PER_SAMPLE, (16,))[0])


_SAVE_OR_REMOVE = "save it as a PNG of 8 bits a channel, or remove it"


def _as_bytes(path: Path, upright: Image.Image, image: Image.Image, used: int) -> np.ndarray:
    """Return the deep grey picture `upright`, of the file `image`, as uint8 (H, W), where 16 bits use the lower `used`.

    Raises BrokenFile if its white is unknown.
    """
    values = np.asarray(upright)
    if image.mode == "F":
        if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):  # false for NaN too
            span = f"from {values.min():.6g} to {values.max():.6g}"
            remedy = "scale it to 0 … 1 or save it as a PNG of 8 bits a channel"
            raise BrokenFile(path, f"a picture of floats {span}; 0 to 1 would do", remedy)
        return np.round(values * 255).astype(np.uint8)
    if image.mode == "I" and image.format not in ("PPM", "PNG"):  # those two hold 16 bits
        remedy = "scale it and save it as a PNG of 8 or 16 bits a channel"
        raise BrokenFile(
            path, f"a picture of 32-bit integers, up to {values.max(initial=0)}: its white is unknown", remedy
        )
    tags: Any = getattr(image, "tag_v2", {})
    bits = min(_named_bits(image), 16)
    if bits == 16 and image.format in ("PNG", "TIFF"):
        bits = used
    grey = np.minimum(values >> (bits - 8), 255).astype(np.uint8)
    if tags.get(WHITE_IS_ZERO) == 0:
        grey = 255 - grey
    clear = image.info.get("transparency")
    return grey if clear is None else np.where(values == clear, np.uint8(255), grey)


def _short(error: BaseException) -> str:
    """Return an error's text without the name of the file object."""
    text = getattr(error, "strerror", None) or str(error)
    return "not a picture that Pillow knows" if "cannot identify image file" in text else text
