"""The frontal radiograph: a chest summed from attenuating layers, and the lesions that change a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Field, step
from .chest import lateral_field
from .devices import draw_device
from .ribs import draw_ribs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .chest import Chest
    from .scene import Lesion


def draw_chest(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Sum the layers of the chest, with the lesions that change a layer instead of adding to it."""
    c, a = chest.canvas, chest.anatomy
    air, markings = _air(chest, lesions)
    _body(chest)
    c.total -= (
        np.float32(0.66 * a.depth)
        * air
        * (1 - 0.72 * chest.heart_mask)
        * (0.72 + 0.28 * np.clip(1.25 - chest.reach**2, 0, 1))
    )
    c.total += np.float32(0.26) * (1 - chest.above) * lateral_field(c, a, -0.02, -0.02)
    _mediastinum(chest, lesions)
    plump = 1.0 + 0.6 * any(x.finding == "Edema" for x in lesions)
    c.total += np.float32(0.20) * _vessels(chest, plump) * markings
    c.total += draw_ribs(chest, lesions)
    c.total += _bones(chest)


def _air(chest: Chest, lesions: Sequence[Lesion]) -> tuple[Field, Field]:
    """The region without soft tissue, and the region with lung markings: they differ where a pneumothorax is."""
    markings = chest.lung
    for index, lesion in enumerate(lesions):
        if lesion.finding == "Pneumothorax" and lesion.certain:
            markings = markings * (1 - _pneumothorax(chest, index, lesion))
    return chest.lung, markings


def _pneumothorax(chest: Chest, index: int, lesion: Lesion) -> Field:
    """Air between chest wall and a lung that has drawn in: lucent, without markings, with a thin pleural line."""
    c, a = chest.canvas, chest.anatomy
    size = (0.036, 0.065, 0.13)[lesion.grade - 1] * (0.85 + 0.3 * lesion.extent)
    inside = lateral_field(c, a, size * 0.75, size * 1.35)
    side = chest.half(lesion.side)
    # The lung stays attached further down in all but the largest.
    attached = step((c.y - np.float32(a.apex + 0.16 + 0.16 * lesion.grade)) / np.float32(0.08))
    inside = np.maximum(inside, attached) if lesion.grade < 3 else inside
    gap = chest.lung * (1 - inside) * side
    line = 4 * inside * (1 - inside) * chest.lung * side
    collapsed = chest.lung * inside * side
    k = np.float32(chest.contrast)
    c.total += k * (np.float32(0.32) * line - np.float32(0.16) * gap + np.float32(0.03 * lesion.grade) * collapsed)
    c.note(index, gap, 0.5)
    return gap


def _body(chest: Chest) -> None:
    """Soft tissue from skin to skin: trunk, shoulders and neck, thinner at the edges."""
    c, a = chest.canvas, chest.anatomy
    slope = np.clip((chest.away - np.float32(0.10)) / np.float32(0.30), 0, 1)
    shoulder = np.float32(-0.02) + np.float32(0.10) * slope * slope
    flank = np.float32(0.455 + 0.03 * (a.bulk - 1)) + np.float32(0.10) * np.clip(0.34 - c.y, 0, None)
    trunk = step((flank - chest.away) / np.float32(0.02)) * step((c.y - shoulder) / np.float32(0.02))
    thick = np.float32(0.86 * a.bulk) * np.sqrt(np.clip(1 - (chest.away / np.float32(0.62)) ** 2, 0.05, 1))
    c.total += trunk * thick
    for side in (-1, 1):
        if a.breast:
            c.blob(a.breast, a.midline + side * 0.21, 0.60, 0.155, 0.17, 3.0)
        c.blob(0.10, a.midline + side * 0.375, 0.27, 0.055, 0.17, 3.0, -side * 0.25)


def _mediastinum(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Heart, great vessels, aortic knob, hila, spine and the trachea's air."""
    c, a = chest.canvas, chest.anatomy
    inside = chest.heart_mask
    heart = inside * (0.03 + 0.22 * np.sqrt(np.clip(1 - chest.heart, 0, 1))) * (0.40 + 0.60 * chest.above)
    for index, lesion in enumerate(lesions):
        if lesion.finding == "Cardiomegaly":
            c.note(index, inside, 0.5)
        if lesion.finding == "Enlarged Cardiomediastinum":
            band = (1 - chest.medial) * step((0.14 - np.abs(c.y - np.float32(0.27))) / np.float32(0.01))
            c.note(index, band, 0.5)
    tall = step((0.80 - c.y) / np.float32(0.05))
    column = (1 - chest.medial) * tall * (1 - 0.85 * inside)
    c.total += heart + np.float32(0.10) * column
    c.blob(0.24, a.midline + a.mediastinum, 0.325, a.knob, a.knob * 1.15, 2.0)
    for side, height in ((-1, 0.47), (1, 0.445)):
        c.blob(0.17, a.midline + side * (a.mediastinum + 0.03), height, 0.030, 0.048, 1.0, -side * 0.25)
    spine = step((0.036 - chest.away) / np.float32(0.008))
    c.total += spine * (0.09 + 0.05 * np.cos(c.y * np.float32(2 * np.pi / 0.056)))
    trachea = step((0.015 - np.abs(chest.away - np.clip(c.y - 0.37, 0, 0.06) * 0.8)) / np.float32(0.006))
    c.total -= np.float32(0.22) * trachea * step((0.44 - c.y) / np.float32(0.02))
    if a.stomach:
        c.blob(-a.stomach, a.midline + 0.16, a.dome_left + 0.062, 0.07, 0.035, 2.5)


def _vessels(chest: Chest, plump: float) -> Field:
    a = chest.anatomy
    top, height = a.apex, a.dome_right - a.apex
    groups = [
        (0.0085 * width * plump**0.5, trees * (side * a.half_width, height) + (a.midline, top))
        for side, width, trees in a.vessels
    ]
    return chest.canvas.strokes(groups, 0.0036 * plump)


def _bones(chest: Chest) -> Field:
    """Clavicles."""
    c, a = chest.canvas, chest.anatomy
    t = (chest.away - np.float32(0.03)) / np.float32(0.33)
    curve = np.float32(a.apex + 0.085) - np.float32(0.085) * t - np.float32(0.018) * np.sin(t * np.float32(2 * np.pi))
    width = np.float32(0.011) + np.float32(0.008) * (1 - t) ** 2
    band = step((width - np.abs(c.y - curve)) / np.float32(0.005))
    reach = step((1.02 - t) / np.float32(0.03)) * step((t + 0.02) / np.float32(0.03))
    return np.float32(a.clavicle) * band * reach


def draw_devices(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Tubes, lines and pacemakers, over everything else."""
    for index, lesion in enumerate(lesions):
        if lesion.device:
            chest.canvas.note(index, draw_device(chest.canvas, chest.anatomy, lesion, chest.contrast), 0.2)
