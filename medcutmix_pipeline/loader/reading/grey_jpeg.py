"""Grey JPEGs, decoded right into the memory of their batch: nearly all images of a dataset.

Pillow's `Image.open` reads a header in Python, under the interpreter's lock, and its image is copied out once more.
Here the header is walked in a few steps, and the same codec is called with the batch's memory. What is odd in any way
is left to `Image.open`, which judges it.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, _imaging

if TYPE_CHECKING:
    from numpy.typing import NDArray

_START = b"\xff\xd8"
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, Huffman coded
_PASSED_OVER = {0xE0, 0xFE, 0xDB, 0xC4, 0xDD}  # JFIF, comment, tables, restart interval
_SCAN = 0xDA
_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">BHHB")
_SCALES = (8, 4, 2, 1)


def grey_jpeg_size(data: memoryview) -> tuple[int, int] | None:
    """(height, width) in px of a JPEG of one channel of 8 bits; None where it is anything else, or odd.

    Segment must stand behind segment up to the first scan, with one frame among them: so the codec, which reads the
    header again, cannot find another size in it than the one for which it is given memory.
    """
    if data[:2] != _START:
        return None
    position, size = 2, None
    while position + 16 < len(data):
        start, marker, length = _SEGMENT.unpack_from(data, position)
        if start != 0xFF:
            return None
        if marker == _SCAN:
            return size
        if marker in _FRAMES and size is None:
            depth, height, width, channels = _FRAME.unpack_from(data, position + 4)
            if depth != 8 or channels != 1:
                return None
            size = height, width
        elif marker not in _PASSED_OVER:
            return None
        position += 2 + length
    return None


def decode_grey_jpeg(data: memoryview, pixels: NDArray[np.uint8], max_pixels: int, resize: bool) -> bool:
    """Decode a grey JPEG into `pixels`, uint8 [H, W] without gaps; with `resize` also one that the codec can scale so.

    False where it is no such JPEG, has more than `max_pixels`, or is damaged; what is in `pixels` then is undefined.
    """
    size = grey_jpeg_size(data)
    if size is None or size[0] * size[1] > max_pixels or not _codec_is_known():
        return False
    scale = _scale(size, pixels.shape) if resize else 1
    if tuple(-(-side // scale) for side in size) != pixels.shape:
        return False
    return _decode(data, pixels, scale)


def _scale(size: tuple[int, int], wanted: tuple[int, ...]) -> int:
    """By how much the codec is to scale down: as far as it can without going below what is wanted."""
    most = min(side // want for side, want in zip(size, wanted, strict=True))
    return next((scale for scale in _SCALES if scale <= most), 1)


def _decode(data: memoryview, pixels: NDArray[np.uint8], scale: int) -> bool:
    height, width = pixels.shape
    # refuses memory with gaps; the image holds it while it is there
    image = _imaging.map_buffer(pixels, (width, height), "raw", 0, ("L", 0, 1))
    decoder = _imaging.jpeg_decoder("L", "L", "", scale, 0)
    try:
        decoder.setimage(image, (0, 0, width, height))
        read, error = decoder.decode(data)
    finally:
        decoder.cleanup()
    return bool(read < 0 and error >= 0)  # below 0: it has got all it wants


@lru_cache(maxsize=1)
def _codec_is_known() -> bool:
    """Whether this Pillow's codec is called like the ones that we know; tried once, on a small picture."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).save(file, "JPEG")
    pixels = np.zeros((16, 24), np.uint8)
    try:
        done = _decode(memoryview(file.getvalue()), pixels, 1)
    except Exception:  # how another Pillow would say no is not known
        return False
    with Image.open(file) as image:
        return done and np.array_equal(pixels, np.asarray(image))
