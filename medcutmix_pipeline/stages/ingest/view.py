"""Frontal or lateral, by the picture alone.

A frontal chest is two dark lungs on either side of a bright spine, more or less its own mirror image; a lateral one is
dark behind the sternum and behind the heart and bright at its edges. Seventeen numbers see that: how well the picture
matches its mirror image, and the brightness of a 4 × 4 grid over half of it, both halves averaged, so that it makes no
difference which way a lateral chest looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import View

# Logistic regression (C = 1) on the 4,302 Open-I images of both views, each as it is and twice with random crops of up
# to 12 % a side and gammas of 0.6 to 1.6. `benchmarks/view.py` gives its accuracy.
_INTERCEPT = -3.01
_SYMMETRY = 4.22
_GRID = (
    (1.30, -1.02, -1.66, -1.69),
    (4.26, 2.17, -2.52, -1.13),
    (-2.40, -1.14, -0.10, 3.32),
    (-0.33, 0.80, 0.30, -0.15),
)
"""From top to bottom, and from the edge to the middle."""

_SURE = 1.0
"""Log-odds below which the picture is taken to say nothing."""

_SIDE = 32
_BLACK = 16


def image_view(pixels: npt.NDArray[np.uint8]) -> View | None:
    """The view that a chest radiograph, uint8 [H, W], shows, or None where the picture leaves it open."""
    odds = view_odds(pixels)
    if abs(odds) < _SURE:
        return None
    return "frontal" if odds > 0 else "lateral"


def view_odds(pixels: npt.NDArray[np.uint8]) -> float:
    """Log-odds that a chest radiograph is frontal; 0 for a picture without contrast."""
    image = _without_borders(Image.fromarray(pixels))
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    deviation = small.std()
    if deviation == 0:
        return 0.0
    small = (small - small.mean()) / deviation
    mirrored = small[:, ::-1]
    symmetry = float((small * mirrored).mean())
    half = ((small + mirrored) / 2)[:, : _SIDE // 2]
    grid = half.reshape(4, _SIDE // 4, 4, _SIDE // 8).mean(axis=(1, 3))
    return _INTERCEPT + _SYMMETRY * symmetry + float((grid * np.array(_GRID)).sum())


def _without_borders(image: Image.Image) -> Image.Image:
    """The picture without the black bands of padding or collimation around it."""
    small = np.asarray(image.resize((64, 64), Image.Resampling.BOX))
    rows, columns = np.flatnonzero(small.max(axis=1) > _BLACK), np.flatnonzero(small.max(axis=0) > _BLACK)
    if len(rows) < 8 or len(columns) < 8:
        return image
    width, height = image.size
    box = (columns[0] * width // 64, rows[0] * height // 64)
    end = (-(-(columns[-1] + 1) * width // 64), -(-(rows[-1] + 1) * height // 64))
    return image.crop((int(box[0]), int(box[1]), int(end[0]), int(end[1])))
