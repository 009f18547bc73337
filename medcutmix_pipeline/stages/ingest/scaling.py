"""From pixel values of any type to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_8bit(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """`low` becomes 0, `high` 255, what lies between in proportion, rounded half up; what lies beyond is clipped."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    scaled = np.asarray(values, np.float64)
    # In this order whole numbers meet no rounding but the last, so that what lies half way between two greys goes up.
    scaled = (scaled - low) * 255.0 / (high - low) + 0.5
    return np.clip(scaled, 0, 255).astype(np.uint8)


def stretch(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.uint8]:
    """The least valid value becomes 0, the greatest 255. Values that are not finite are not valid, and become 0."""
    usable = np.isfinite(values)
    if valid is not None:
        usable &= valid
    if not usable.any():
        return np.zeros(values.shape, np.uint8)
    chosen = values[usable]
    scaled = to_8bit(np.where(usable, values, 0).astype(np.float64), float(chosen.min()), float(chosen.max()))
    return np.where(usable, scaled, np.uint8(0))
