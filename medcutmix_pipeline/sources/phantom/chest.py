"""The chest in the frontal view: its masks, and where in it a lesion lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Field, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .anatomy import Anatomy
    from .scene import Lesion

CARDIOTHORACIC = (0.505, 0.56, 0.62, 0.68)
"""Heart width over thorax width of an uncertain, mild, moderate and severe cardiomegaly."""


@dataclass(slots=True)
class Chest:
    """The layers of a frontal view that lesions need: masks are float32 [size, size] in [0, 1].

    `ratio` is the heart's width over the thorax's, `away` the distance from the midline, `reach` the same over the
    lung's own half-width; `medial` is 0 in the mediastinum, `above` 0 below the diaphragm, `lung` 1 where there is air;
    `heart` is a squared radius, below 1 inside; `clouds` is smooth noise.
    """

    canvas: Canvas
    anatomy: Anatomy
    contrast: float
    ratio: float
    away: Field
    reach: Field
    medial: Field
    above: Field
    lung: Field
    heart: Field
    heart_mask: Field
    clouds: Field

    def half(self, side: str) -> Field:
        """1 on the columns of one side of the patient, [1, size]."""
        left = (self.canvas.x > self.anatomy.midline).astype(np.float32)
        return left if side == "left" else 1 - left

    def place(self, lesion: Lesion, side: str, margin: float = 0.0) -> tuple[float, float]:
        """The centre of a lesion in its lung, `margin` away from chest wall and heart."""
        a = self.anatomy
        bottom = (a.dome_left if side == "left" else a.dome_right) + 0.02
        y = a.apex + 0.03 + margin + lesion.along * (bottom - a.apex - 0.03 - 1.6 * margin)
        inner, outer = inner_edge(a, y, side, self.ratio) + margin, outer_edge(a, y) - margin
        away = inner + lesion.across * max(outer - inner, 0.0)
        return a.midline + (away if side == "left" else -away), y


def outer_edge(anatomy: Anatomy, y: float) -> float:
    """Distance of the chest wall from the midline at height `y`."""
    t = min(max((anatomy.widest - y) / (anatomy.widest - anatomy.apex), 0.0), 1.0)
    return float(anatomy.half_width * (1 - t**2.4) ** (1 / 2.4))


def inner_edge(anatomy: Anatomy, y: float, side: str, ratio: float) -> float:
    """Distance of the mediastinum's or heart's border from the midline at height `y`."""
    width = 2 * ratio * anatomy.half_width
    inner = anatomy.mediastinum + 0.01
    t = (y - heart_centre(anatomy)) / anatomy.heart_length
    if abs(t) < 1:
        inner = max(inner, width * (0.72 if side == "left" else 0.30) * float(np.sqrt(1 - t * t)))
    return inner


def heart_centre(anatomy: Anatomy) -> float:
    """Height of the heart's centre."""
    return anatomy.dome_left - 0.62 * anatomy.heart_length


def lateral_field(canvas: Canvas, anatomy: Anatomy, inset: float = 0.0, drop: float = 0.0) -> Field:
    """Soft mask of what lies inside the chest wall and below the apex; `inset` and `drop` draw it in."""
    apex, width = anatomy.apex + drop, anatomy.half_width - inset
    across = np.abs(canvas.x - np.float32(anatomy.midline)) / np.float32(width)
    up = np.clip((anatomy.widest - canvas.y) / np.float32(anatomy.widest - apex), 0, None)
    return step((1 - across**2.4 - up**2.4) * np.float32(9.0))


def build_chest(canvas: Canvas, anatomy: Anatomy, lesions: Sequence[Lesion], contrast: float) -> Chest:
    """Masks and layers of the chest, before anything is summed."""
    a, c = anatomy, canvas
    offset = c.x - np.float32(a.midline)
    away = np.abs(offset)
    wide = {x.finding: x for x in lesions}.get("Enlarged Cardiomediastinum")
    spread = 1 + (0.35 + 0.25 * wide.grade) * contrast**0.5 if wide else 1.0
    flank = a.mediastinum * (0.9 + 0.25 * np.exp(-(((c.y - 0.45) / 0.12) ** 2)))
    if wide:
        flank = flank * (1 + (spread - 1) * np.exp(-(((c.y - 0.27) / 0.13) ** 2)))
    medial = step((away - flank) / np.float32(0.012))
    dome = np.where(offset > 0, a.dome_left, a.dome_right).astype(np.float32)
    t = (away - np.float32(0.19)) / np.float32(a.half_width - 0.19)
    dome = dome + np.float32(a.sulcus) * np.where(t > 0, t * t, 0.12 * t * t).astype(np.float32)
    above = step((dome - c.y) / np.float32(0.008))
    cage = lateral_field(c, a) * medial
    ratio = heart_ratio(a, lesions)
    heart = _heart(c, a, ratio)
    reach = away / np.maximum(_outer(a, c.y), np.float32(0.45 * a.half_width))
    clouds = 0.6 * c.clouds(7) + 0.4 * c.clouds(19)
    heart_mask = step((1 - heart) * np.float32(9.0))
    return Chest(c, a, contrast, ratio, away, reach, medial, above, cage * above, heart, heart_mask, clouds)


def _outer(anatomy: Anatomy, y: Field) -> Field:
    up = np.clip((anatomy.widest - y) / (anatomy.widest - anatomy.apex), 0, 1)
    width: Field = (anatomy.half_width * (1 - up**2.4) ** (1 / 2.4)).astype(np.float32)
    return width


def heart_ratio(anatomy: Anatomy, lesions: Sequence[Lesion]) -> float:
    """Heart width over thorax width as drawn."""
    drawn = (CARDIOTHORACIC[x.grade if x.certain else 0] for x in lesions if x.finding == "Cardiomegaly")
    return max(anatomy.ctr, *drawn, 0.0)


def _heart(c: Canvas, a: Anatomy, ratio: float) -> Field:
    """Squared radius of the heart's ellipse: below 1 inside. Its apex points to the patient's left."""
    width, length, lean = 2 * ratio * a.half_width, a.heart_length, 0.35
    half = float(np.sqrt((width / 2) ** 2 - (lean * length) ** 2))
    return c.ellipse(a.midline + 0.20 * width, heart_centre(a), half, length * (0.55 + ratio), lean)
