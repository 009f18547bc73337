"""From raw attention to the stored map: how wide it is, and its 8-bit form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 4095
"""Attention is rounded to this many steps of its peak before cells are ranked, so that float noise moves nothing."""


def finish_map(attention: NDArray[np.float32], mass: float) -> NDArray[np.uint8]:
    """The stored form of an attention map: uint8 [h, w] whose peak is 255.

    Raw attention is so peaked that its mean over its peak is a few hundredths, and a mix by it hardly changes the
    picture. With `mass` in (0, 1] the smallest region that holds that share of the attention is filled at 255; outside
    it the map falls off in proportion to the attention, so that it keeps its order and has no hard edge. With `mass` 0
    the map is the attention itself over its peak. A map without any attention prefers nothing: 255 everywhere.

    `attention` is float32 [h, w], ≥ 0 and finite; ValueError otherwise.
    """
    if not np.isfinite(attention).all() or (attention < 0).any():
        raise ValueError("attention must be finite and not negative")
    peak = float(attention.max())
    if peak <= 0:
        return np.full(attention.shape, 255, np.uint8)
    levels = np.rint(attention.astype(np.float64) / peak * _LEVELS).astype(np.int64)
    top = _level_of_mass(levels, mass) if mass > 0 else _LEVELS
    filled: NDArray[np.uint8] = ((510 * np.minimum(levels, top) + top) // (2 * top)).astype(np.uint8)
    return filled


def _level_of_mass(levels: NDArray[np.int64], mass: float) -> int:
    """The highest level such that the cells at or above it hold the share `mass` of all; equals stay together."""
    ranked = np.sort(levels, axis=None)[::-1]
    reached = np.cumsum(ranked) >= mass * ranked.sum() - 1e-9
    return max(1, int(ranked[int(np.argmax(reached))]))


def map_area(stored: NDArray[np.uint8]) -> float:
    """The share of the image that a stored map covers: its mean over its peak, in (0, 1]; 0 for a map of zeros."""
    peak = int(stored.max())
    return float(stored.mean(dtype=np.float64) / peak) if peak else 0.0
