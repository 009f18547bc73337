"""The stored form of an image: square, of a given size at most, encoded."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Mode = Literal["pad", "crop", "stretch"]
Format = Literal["jpg", "png", "webp"]

_GAP = 3.0
"""Blocks are averaged until the image is this many times larger than the result; then the exact, slow filter begins."""


def square(pixels: npt.NDArray[np.uint8], size: int, mode: Mode) -> npt.NDArray[np.uint8]:
    """The picture as a square, uint8 [S, S].

    `pad` keeps everything and fills with black on both sides, S = min(size, longer side); `crop` cuts the middle out,
    S = min(size, shorter side); `stretch` gives up the proportions, S = min(size, longer side).
    """
    height, width = pixels.shape
    image = Image.fromarray(pixels)
    if mode == "crop":
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        height = width = side
    side = min(size, max(height, width))
    if mode == "stretch":
        return _resized(image, side, side)
    scale = side / max(height, width)
    inner = _resized(image, max(1, round(height * scale)), max(1, round(width * scale)))
    canvas = np.zeros((side, side), np.uint8)
    top, left = (side - inner.shape[0]) // 2, (side - inner.shape[1]) // 2
    canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return canvas


def resized(pixels: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [size, size], larger or smaller."""
    return _resized(Image.fromarray(pixels), size, size)


def _resized(image: Image.Image, height: int, width: int) -> npt.NDArray[np.uint8]:
    if image.size == (width, height):
        return np.asarray(image, np.uint8)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP), np.uint8)


def encode(pixels: npt.NDArray[np.uint8], image_format: Format, quality: int) -> bytes:
    """A file with nothing but the picture; the same arguments give the same bytes. `png` ignores `quality`."""
    settings: dict[Format, tuple[str, dict[str, Any]]] = {
        "jpg": ("JPEG", {"quality": quality}),
        "png": ("PNG", {"compress_level": 6}),
        "webp": ("WEBP", {"quality": quality, "method": 4}),
    }
    name, options = settings[image_format]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name, **options)
    return buffer.getvalue()
