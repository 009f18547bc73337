"""Images and maps of a shard, from bytes to pixels, with nothing trusted that they say of themselves."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medcutmix_pipeline.loader.reading.grey_jpeg import decode_grey_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcutmix_pipeline.loader.reading.shard import Sample

_TOO_LARGE = "its image has more than {} pixels, or is too long"
_FORMATS = ("JPEG", "PNG", "WEBP")
_LARGEST_NPY_HEADER = 4096
_LARGEST_GRID = 1 << 20
_LONGEST_SIDE = 65_535  # of a JPEG, the longest of the three; scaling takes memory in proportion to it
_NPY = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '\|u1', 'fortran_order': False, "
    rb"'shape': \((\d{1,4}), (\d{1,5}), (\d{1,5})\), \} *\n",
    re.DOTALL,
)


class Undecodable(Exception):  # noqa: N818 - becomes a ShardError where shard and key are known
    """An image or a map that cannot be decoded; the message says why."""


def image_size(sample: Sample, max_pixels: int) -> tuple[int, int]:
    """(height, width) in px that the image's header tells.

    Raises:
        Undecodable: no JPEG, PNG or WebP, or larger than `max_pixels`.
    """
    with _opened(sample, max_pixels) as image:
        return image.height, image.width


def decode_into(sample: Sample, pixels: NDArray[np.uint8], max_pixels: int, resize: bool) -> None:
    """Decode a sample's image as 8-bit grey into `pixels`, uint8 [H, W].

    With `resize` an image of another size is scaled to [H, W]: a JPEG by the codec as far as powers of two go, the rest
    bilinear with antialias.

    Raises:
        Undecodable: no JPEG, PNG or WebP, damaged, larger than `max_pixels`, or of another size without `resize`.
    """
    if decode_grey_jpeg(sample.image, pixels, max_pixels, resize):
        return
    height, width = pixels.shape
    with _opened(sample, max_pixels) as image:
        if (image.height, image.width) != (height, width):
            if not resize:
                raise Undecodable(
                    f"its image is {image.width} × {image.height} px, others are {width} × {height}: set image_size"
                )
            image.draft("L", (width, height))
        try:
            grey = image if image.mode == "L" else image.convert("L")
            if grey.size != (width, height):
                grey = grey.resize((width, height), Image.Resampling.BILINEAR)
            pixels[:] = np.asarray(grey)
        except Exception:  # a codec that is fed hostile bytes raises whatever it stumbles over
            raise Undecodable("its image is damaged") from None


def decode_maps(sample: Sample) -> NDArray[np.uint8]:
    """A sample's maps, uint8 [S, h, w].

    Raises:
        Undecodable: not a plain uint8 array of three axes with as many maps as the record names.
    """
    data = sample.maps if sample.maps is not None else memoryview(b"")
    start = 10 + int.from_bytes(data[8:10], "little")
    shape = _npy_shape(bytes(data[:start])) if start <= _LARGEST_NPY_HEADER else None
    if shape is None:
        raise Undecodable("its .attn.npy is not a plain uint8 array of three axes")
    count, height, width = shape
    if count != sample.n_maps or not 0 < height * width <= _LARGEST_GRID or len(data) - start != count * height * width:
        raise Undecodable("its .attn.npy has not the size that its header and the record tell")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


@lru_cache(maxsize=64)
def _npy_shape(header: bytes) -> tuple[int, int, int] | None:
    """The shape that a .npy header tells; None unless it is a plain one of uint8 [S, h, w]. Headers repeat: it is kept.

    A pattern, not NumPy's reader: that evaluates the header as Python literals, more than a map needs.
    """
    match = _NPY.fullmatch(header)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _opened(sample: Sample, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(sample.image), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Undecodable(_TOO_LARGE.format(max_pixels)) from None
    except Exception:  # a codec that is fed hostile bytes raises whatever it stumbles over
        raise Undecodable("its image is no JPEG, PNG or WebP") from None
    if image.width * image.height > max_pixels or max(image.size) > _LONGEST_SIDE:
        raise Undecodable(_TOO_LARGE.format(max_pixels))
    if getattr(image, "is_animated", False) or image.mode[0] in "IF":
        raise Undecodable("its image is animated or has more than 8 bits")
    return image
