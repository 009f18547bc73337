"""Pictures of 16 bits a channel in colour, or in grey with transparency, of which Pillow keeps the higher bytes alone.

Told that the other byte of each pair comes first, its decoders keep the lower bytes; both together are the values.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.stages.ingest.bands import Bands
from medcutmix_pipeline.stages.ingest.scaling import blocks, stretched
from medcutmix_pipeline.stages.ingest.strays import span_without_strays

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

_COLOUR = re.compile(r"(RGB[AX]?);16([BLN])")
_OTHER_FIRST = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_GREY = "LA;16B"
_PLANES, _APART = 284, 2
"""PlanarConfiguration of TIFF 6.0."""
_BYTES = "RGBA"
"""Four bytes a pixel just as they are, which of grey with transparency are two pairs."""

_LUMINANCE = np.array([0.299, 0.587, 0.114, 0], np.float32)
_PAIR = np.array([256, 1, 0, 0], np.float32)

Values = npt.NDArray[Any]


def is_deep_colour(image: ImageFile) -> bool:
    """Whether an opened picture is one of these, and its lower bytes can be had.

    They cannot where one colour means transparency, and where each channel of a TIFF is stored for itself.
    """
    layout = _layout(image)
    apart = getattr(image, "tag_v2", {}).get(_PLANES) == _APART
    return not apart and "transparency" not in image.info and (layout == _GREY or bool(_COLOUR.fullmatch(layout)))


def deep_grey(image: ImageFile, opened: Callable[[], ImageFile]) -> npt.NDArray[np.uint8]:
    """The luminance (Rec. 601), uint8 [H, W]: the least becomes 0 and the greatest 255.

    Transparent pixels are black and do not count. `image` is loaded afterwards; `opened` opens the same file again.
    """
    layout = _layout(image)
    colour = _COLOUR.fullmatch(layout)
    if colour is None:
        _read_as(image, _BYTES)
        values = _with(None, image, _PAIR)
        return _shown(values, image, 2)
    low = opened()
    _read_as(low, f"{colour[1]};16{_OTHER_FIRST[colour[2]]}")
    values = _with(None, low, _LUMINANCE)
    del low  # before the other one is loaded: large pictures are to fit twice, not three times
    values = _with(values, image, 256 * _LUMINANCE)
    return _shown(values, image, 3 if image.mode == "RGBA" else None)


def _layout(image: ImageFile) -> str:
    """How Pillow is to read the pixels, as its decoders call it."""
    how = image.tile[0].args if image.tile else ""
    return str(how[0] if isinstance(how, tuple) else how)


def _read_as(image: ImageFile, layout: str) -> None:
    image.tile = [
        part._replace(args=(layout, *part.args[1:]) if isinstance(part.args, tuple) else layout) for part in image.tile
    ]


def _with(values: Values | None, image: ImageFile, weights: Values) -> Values:
    """The weighted sum of the picture's channels, uint16 [H, W], added to `values`."""
    image.load()
    total = np.zeros((image.height, image.width), np.uint16) if values is None else values
    bands = Bands(image)
    for rows in blocks(total.shape):
        band = bands[rows]
        total[rows] += np.rint(band @ weights[: band.shape[2]]).astype(np.uint16)
    return total


def _shown(values: Values, image: ImageFile, alpha: int | None) -> npt.NDArray[np.uint8]:
    """The values stretched; channel `alpha` of the picture tells how opaque they are."""

    bands = Bands(image)

    def opacity(rows: slice) -> npt.NDArray[np.uint8] | None:
        return None if alpha is None else bands[rows][..., alpha]

    def counts(rows: slice) -> npt.NDArray[np.bool_] | None:
        opaque = opacity(rows)
        return None if opaque is None else opaque > 0

    span = span_without_strays(values, counts)
    shown = np.empty(values.shape, np.uint8)
    for rows in blocks(values.shape):
        opaque, part = opacity(rows), stretched(values[rows], span)
        shown[rows] = part if opaque is None else (part * np.float32(1 / 255) * opaque + 0.5).astype(np.uint8)
    return shown
