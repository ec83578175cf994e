"""Arrays as PNG pictures inside the page.

Shape suffixes: N pictures, H height, W width, C channels.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from quartet.report.drawing.markup import Markup, tag

if TYPE_CHECKING:
    import numpy as np

COLD, MIDDLE, WARM = (33, 92, 160), (244, 243, 239), (190, 62, 38)  # below, at and above zero


def as_bytes(x: np.ndarray) -> np.ndarray:
    """Return pixels as uint8: bytes unchanged, floats scaled from their lowest to their highest value."""
    import numpy as np

    if x.dtype == np.uint8:
        return x
    x = np.nan_to_num(x.astype(np.float64))
    low, high = float(x.min(initial=np.inf)), float(x.max(initial=-np.inf))
    return ((x - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)


def signed(x: np.ndarray) -> np.ndarray:
    """Map numbers `(…)` to colours `(…, 3)`: blue below zero, paper white at zero, red above. The largest size is
    saturated."""
    import numpy as np

    x = np.nan_to_num(x.astype(np.float64))
    x = (x / (np.abs(x).max(initial=0.0) or 1.0))[..., None]
    cold, middle, warm = (np.array(colour, dtype=np.float64) for colour in (COLD, MIDDLE, WARM))
    return np.where(x < 0, middle - x * (cold - middle), middle + x * (warm - middle)).round().astype(np.uint8)


def shade(x: np.ndarray) -> np.ndarray:
    """Map weights in [0, 1] `(H, W)` to grey `(H, W, 4)` of growing opacity, for light and dark paper."""
    import numpy as np

    grey = np.full((*x.shape, 4), 128, dtype=np.uint8)
    grey[..., 3] = (np.sqrt(np.clip(np.nan_to_num(x), 0, 1)) * 255).round()
    return grey


def sheet(pictures_NHWC: np.ndarray, *, columns: int, gap: int = 1) -> np.ndarray:
    """Arrange pictures `(N, H, W, C)` in rows of `columns`, with transparent gaps: `(H', W', 4)`."""
    import numpy as np

    n, h, w, _ = pictures_NHWC.shape
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    out = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), dtype=np.uint8)
    for i, picture in enumerate(pictures_NHWC):
        y, x = (i // columns) * (h + gap), (i % columns) * (w + gap)
        out[y : y + h, x : x + w, :3] = picture[..., :3]  # one channel is spread over three
        out[y : y + h, x : x + w, 3] = 255
    return out


def data_uri(pixels_HWC: np.ndarray) -> str:
    """Return uint8 pixels of 1, 3 or 4 channels as a PNG data URI."""
    from PIL import Image

    picture = Image.fromarray(pixels_HWC[..., 0] if pixels_HWC.shape[-1] == 1 else pixels_HWC)
    file = BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def image(pixels_HWC: np.ndarray, *, alt: str, width: int | None = None) -> Markup:
    """Return a picture whose pixels stay square; `width` in CSS pixels, at most the column's width."""
    style = None if width is None else f"width:{width}px"
    return tag("img", class_="pixels", src=data_uri(pixels_HWC), alt=alt, style=style)


def with_channels(x: np.ndarray) -> np.ndarray:
    """Add a channel axis where it is missing: `(N, H, W)` or `(N, H, W, C)` → `(N, H, W, C)`."""
    return x[..., None] if x.ndim == 3 else x


def strip(images: Sequence[np.ndarray], *, columns: int, alt: str, width: int) -> Markup:
    """Return several pictures as one image of about `width` CSS pixels: a multiple of its own width, for sharp
    pixels."""
    import numpy as np

    pixels = sheet(with_channels(np.stack(list(images))), columns=columns)
    return image(pixels, alt=alt, width=pixels.shape[1] * max(1, round(width / pixels.shape[1])))
