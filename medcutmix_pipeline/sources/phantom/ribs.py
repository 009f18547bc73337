"""Ribs of the frontal view, whole and broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Field, step
from .chest import lateral_field, outer_edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .chest import Chest
    from .scene import Lesion


def draw_ribs(chest: Chest, lesions: Sequence[Lesion]) -> Field:
    """Ribs as a periodic field: from the spine outwards and down at the back, then inwards, fainter, at the front."""
    c, a = chest.canvas, chest.anatomy
    d = chest.reach
    d2 = d * d
    phase = (c.y - np.float32(a.rib_first) - 0.10 * d2 - 0.12 * d2 * d2 + 0.035 * d) / np.float32(a.rib_spacing)
    front = (c.y - np.float32(a.rib_first) - 0.185 - 0.20 * (1 - d)) / np.float32(a.rib_spacing)
    within = lateral_field(c, a, -0.012, -0.012) * step((0.84 - c.y) / np.float32(0.06)) * (0.35 + 0.65 * chest.above)
    plain = _bands(phase) * within
    for index, lesion in enumerate(lesions):
        if lesion.finding == "Fracture" and lesion.certain:
            plain = _broken(chest, index, lesion, phase, plain, within)
    anterior = _bands(front) * within * step((d - 0.42) / np.float32(0.06)) * step((0.66 - c.y) / np.float32(0.04))
    ribs: Field = np.float32(a.rib_density) * (plain + np.float32(0.45) * anterior)
    return ribs


def _bands(phase: Field) -> Field:
    """Rib density over the running number of a rib: bright within, brighter at the cortex, 0 between ribs."""
    t = np.abs(phase - np.floor(phase) - np.float32(0.5))
    inside = np.clip((np.float32(0.24) - t) * np.float32(14.0), 0, 1)
    density: Field = inside * (np.float32(0.7) + np.float32(1.4) * t)
    return density


def _broken(chest: Chest, index: int, lesion: Lesion, phase: Field, whole: Field, within: Field) -> Field:
    """Break a rib: a gap across it, and the outer fragment displaced downwards."""
    c, a = chest.canvas, chest.anatomy
    at = 0.62 + 0.26 * lesion.across
    # A rib's middle has phase n - 0.5 and does not run at one height: solve for the height at this distance.
    y = a.rib_first + (lesion.rib - 0.5) * a.rib_spacing + 0.10 * at**2 + 0.12 * at**4 - 0.035 * at
    side = 1 if lesion.side == "left" else -1
    x = a.midline + side * at * outer_edge(a, y)
    rows, cols = c.window(x, y, 0.055, 0.06)
    local, out = phase[rows, cols], (chest.away[:, cols] - abs(x - a.midline)) / np.float32(0.004)
    near = np.clip(1.6 - np.abs(local - np.float32(lesion.rib - 0.5)) * np.float32(1.6), 0, 1)
    near = near * step((0.045 - np.abs(c.x[:, cols] - np.float32(x))) / np.float32(0.012))
    beyond = step(out)
    k = np.float32(min(chest.contrast, 1.5))
    moved = _bands(local - k * np.float32(0.20 + 0.10 * lesion.grade) * beyond * near)
    gap = 1 - k * np.clip(1.4 - np.abs(out), 0, 1)
    brighter = 1 + 0.9 * k * np.clip(near, 0, 1)
    broken = moved * np.clip(gap, 0, 1) * brighter * within[rows, cols]
    changed = whole.copy()
    changed[rows, cols] = near * broken + (1 - near) * whole[rows, cols]
    c.note(index, np.abs(changed - whole), 0.3)
    return changed
