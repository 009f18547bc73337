"""A loaded picture's values some rows at a time: on its way to NumPy as a whole, Pillow would copy it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

_BITS, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1
"""Tags of TIFF 6.0."""


class Bands:
    """Values of a picture: `bands[rows]` is [rows, W] or [rows, W, channels], a part of the array of all."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._unsigned = _is_unsigned(image)
        self.shape = (image.height, image.width)
        self.dtype = self[0:1].dtype

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        height, width = self._image.height, self._image.width
        band = np.asarray(self._image.crop((0, rows.start, width, min(rows.stop, height))))
        return band.view(np.uint32) if self._unsigned else band


def _is_unsigned(image: Image.Image) -> bool:
    """Whether a TIFF's whole numbers of 32 bits have no sign, which Pillow takes them to have."""
    tags = getattr(image, "tag_v2", {})
    signs = tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))
    return image.mode == "I" and tags.get(_BITS) == (32,) and signs == (_UNSIGNED,)
