"""Pictures and maps in the form in which the page takes them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, QUALITY = 256, 80


def small_picture(image: Image.Image) -> bytes:
    """A grey picture as a JPEG whose longer side is at most 256 px."""
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def map_text(pixels: NDArray[np.uint8]) -> str:
    """A map uint8 [h, w] as `h,w,` and its bytes in base64."""
    height, width = pixels.shape
    return f"{height},{width},{base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()}"
