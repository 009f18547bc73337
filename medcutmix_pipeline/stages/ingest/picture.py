"""PNG, JPEG, WebP and TIFF, through Pillow."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from medcutmix_pipeline.stages.ingest.bands import Bands
from medcutmix_pipeline.stages.ingest.deep_colour import deep_grey, is_deep_colour
from medcutmix_pipeline.stages.ingest.quiet import quiet
from medcutmix_pipeline.stages.ingest.rejection import ImageReject, beyond_memory, check_size
from medcutmix_pipeline.stages.ingest.scaling import Rows, blocks, stretched
from medcutmix_pipeline.stages.ingest.strays import span_without_strays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from medcutmix_pipeline.schemas.config import IngestConfig

_ORIENTATION, _PHOTOMETRIC = 0x0112, 0x0106
_WHITE_IS_ZERO = 0
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})

_opening = threading.Lock()


def _format(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def is_picture(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG, WebP or TIFF file."""
    return _format(data) is not None


@contextmanager
def _own_limits() -> Iterator[None]:
    """Pillow's limit on pixels is a setting of the process; it is off while a header is read, so that ours counts."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def decode_picture(data: bytes, config: IngestConfig, at_least: int | None = None) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [H, W]; see `decode`. Raises ImageReject."""
    try:
        with quiet():
            return _decoded(data, config, at_least)
    except ImageReject:
        raise
    except MemoryError:
        raise beyond_memory() from None
    except (EOFError, OSError) as error:
        # Pillow tells a cut file from a bad one by its words alone.
        if isinstance(error, EOFError) or "truncated" in str(error):
            raise ImageReject("image-truncated", "the file ends too early") from None
        unknown = isinstance(error, UnidentifiedImageError)
        told = "a kind of file that Pillow does not read, or damaged" if unknown else "the file is damaged"
        raise ImageReject("image-undecodable", told) from None
    except Exception as error:  # whatever a decoder raises, the one file is at fault
        raise ImageReject("image-undecodable", f"the decoder failed ({type(error).__name__})") from None


def _decoded(data: bytes, config: IngestConfig, at_least: int | None) -> npt.NDArray[np.uint8]:
    image = _opened(data)
    check_size(image.height, image.width, config)
    if getattr(image, "n_frames", 1) > 1:
        raise ImageReject("image-multiframe", "more than one picture in the file")
    if at_least is not None and image.format == "JPEG" and image.mode in ("L", "RGB"):
        image.draft("L", (at_least, at_least))
    grey = deep_grey(image, lambda: _opened(data)) if is_deep_colour(image) else _grey(image)
    # Loading turned a TIFF upright; what still has an orientation afterwards was not turned.
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return np.ascontiguousarray(grey if turn is None else np.asarray(Image.fromarray(grey).transpose(turn)))


def _opened(data: bytes) -> ImageFile:
    with _own_limits():
        return Image.open(io.BytesIO(data), formats=[_format(data) or ""])


def _grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Any mode as 8-bit grey. Transparent pixels count as black, the background of a radiograph."""
    image.load()  # a TIFF's size may change
    if image.mode in _DEEP:
        return _stretched(Bands(image), negative=_is_negative(image))
    if image.mode == "L":
        return np.asarray(image, np.uint8)
    grey = np.empty((image.height, image.width), np.uint8)
    for rows in blocks((image.height, image.width)):
        band = image.crop((0, rows.start, image.width, min(rows.stop, image.height)))
        grey[rows] = np.asarray(_opaque(band).convert("L"), np.uint8)
    return grey


def _stretched(values: Rows, negative: bool) -> npt.NDArray[np.uint8]:
    """The least finite value becomes 0 and the greatest 255, in a negative the other way round; others become 0."""
    span = span_without_strays(values)
    shown = np.empty(values.shape, np.uint8)
    for rows in blocks(values.shape):
        band = values[rows]
        part = stretched(band, span)
        shown[rows] = np.where(np.isfinite(band), np.invert(part), part) if negative else part
    return shown


def _is_negative(image: Image.Image) -> bool:
    """Whether a deep picture's least value is white; Pillow turns such TIFFs over up to 8 bits, but not deeper ones."""
    return image.format == "TIFF" and image.getexif().get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _opaque(band: Image.Image) -> Image.Image:
    if not band.has_transparency_data:
        return band
    return Image.alpha_composite(Image.new("RGBA", band.size, (0, 0, 0, 255)), band.convert("RGBA"))
