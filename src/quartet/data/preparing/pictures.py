"""Read a picture as bytes, for training and for predictions alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quartet.data.preparing.own_files import BrokenFile

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
BITS_PER_SAMPLE, WHITE_IS_ZERO = 258, 262  # tags of TIFF


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an image as uint8 `shape` (H, W, C), upright, laid over white where it is transparent.

    16 bits a pixel keep their upper 8; floats are read from 0 to 1. Raises BrokenFile for anything else.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        # By a file object: given a path, Pillow 13 maps a TIFF on its side into memory, and garbles it.
        with path.open("rb") as file, Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            if image.mode == "F" or image.mode.startswith("I"):
                upright = Image.fromarray(_as_bytes(path, upright, image))
            elif image.has_transparency_data:
                white = Image.new("RGBA", upright.size, "white")
                white.alpha_composite(upright.convert("RGBA"))
                upright = white
            resized = upright.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BrokenFile(path, f"this picture cannot be read ({_short(error)})", _SAVE_OR_REMOVE) from error
    return np.asarray(resized, dtype=np.uint8).reshape(shape)


_SAVE_OR_REMOVE = "save it as a PNG of 8 bits a channel, or remove it"


def _as_bytes(path: Path, upright: Image.Image, image: Image.Image) -> np.ndarray:
    """Return the deep grey picture `upright`, of the file `image`, as uint8 (H, W). Raises BrokenFile if its white is
    unknown."""
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
    bits = int(tags.get(BITS_PER_SAMPLE, (16,))[0])
    grey = (values >> (min(bits, 16) - 8)).astype(np.uint8)
    if tags.get(WHITE_IS_ZERO) == 0:
        grey = 255 - grey
    clear = image.info.get("transparency")
    return grey if clear is None else np.where(values == clear, np.uint8(255), grey)


def _short(error: BaseException) -> str:
    """Return an error's text without the name of the file object."""
    text = getattr(error, "strerror", None) or str(error)
    return "not a picture that Pillow knows" if "cannot identify image file" in text else text
