"""Lesions that add density to the lungs and pleurae of a frontal view, each with a box around what shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Field, step
from .chest import lateral_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .chest import Chest
    from .scene import Lesion


def draw_lesions(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Add every lesion that is drawn as density, and note a box for each side."""
    for index, lesion in enumerate(lesions):
        draw = _DRAW.get(lesion.finding)
        if draw is None:
            continue
        for side in ("right", "left") if lesion.side == "both" else (lesion.side,):
            added = draw(chest, lesion, side)
            chest.canvas.total += np.float32(chest.contrast * lesion.strength) * added
            chest.canvas.note(index, added)


def _nodule(chest: Chest, lesion: Lesion, side: str) -> Field:
    """A round nodule, 3 to 12 % of the image across."""
    radius = diameter(lesion) / 2
    x, y = chest.place(lesion, side, radius + 0.012)
    squared = chest.canvas.ellipse(x, y, radius, radius * (0.88 + 0.24 * lesion.depth))
    added: Field = np.float32(0.36) * step((1 - squared + 0.15 * chest.clouds) * np.float32(2.2))
    return added


def diameter(lesion: Lesion) -> float:
    """Diameter of a nodule or mass, share of the image's side."""
    return (0.046, 0.068, 0.105)[lesion.grade - 1] * (0.9 + 0.25 * lesion.extent)


def _patch(chest: Chest, lesion: Lesion, side: str, density: float, ragged: float) -> Field:
    size = (0.060, 0.082, 0.105)[lesion.grade - 1] * (0.9 + 0.25 * lesion.extent)
    x, y = chest.place(lesion, side, size * 0.75)
    squared = chest.canvas.ellipse(x, y, size, size * (0.85 + 0.3 * lesion.depth))
    ramp = np.clip((np.float32(1.25) - squared + np.float32(ragged) * chest.clouds) * np.float32(1.3), 0, 1)
    added: Field = np.float32(density) * ramp * (1 + np.float32(0.18) * chest.clouds) * chest.lung
    return added


def _consolidation(chest: Chest, lesion: Lesion, side: str) -> Field:
    """Dense, ill-defined and patchy, within the lung."""
    return _patch(chest, lesion, side, 0.40, 0.8)


def _opacity(chest: Chest, lesion: Lesion, side: str) -> Field:
    """Hazy and fainter than consolidation."""
    return _patch(chest, lesion, side, 0.22, 1.3)


def _effusion(chest: Chest, lesion: Lesion, side: str) -> Field:
    """Fluid from the sulcus upwards, with a meniscus that climbs the chest wall."""
    a, c = chest.anatomy, chest.canvas
    base = a.dome_left if side == "left" else a.dome_right
    depth = (0.0, 0.085, 0.22)[lesion.grade - 1] + 0.02 * lesion.extent
    reach = np.clip(chest.reach, 0, 1)
    surface = np.float32(base + 0.075 - depth) - np.float32(0.045 + 0.07 * lesion.grade) * reach**4
    fluid = step((c.y - surface) / np.float32(0.012)) * chest.lung * chest.half(side)
    fluid *= 1 - np.float32(0.7) * chest.heart_mask
    added: Field = np.float32(0.50) * fluid
    return added


def _atelectasis(chest: Chest, lesion: Lesion, side: str) -> Field:
    """One or two thin plates, nearly horizontal."""
    c = chest.canvas
    x, y = chest.place(lesion, side, 0.045)
    added = np.zeros_like(c.total)
    length = (0.055, 0.07, 0.085)[lesion.grade - 1]
    outward = 1 if side == "left" else -1
    for n in range(1 if lesion.grade == 1 else 2):
        dy = c.y - np.float32(y - 0.032 * n) - np.float32(0.30 * outward * (lesion.depth - 0.3)) * (c.x - np.float32(x))
        thin = np.clip(1 - np.abs(dy) / np.float32(0.0115), 0, 1)
        ends = step((np.float32(length * (1 - 0.2 * n)) - np.abs(c.x - np.float32(x))) / np.float32(0.015))
        added = np.maximum(added, thin * ends)
    plates: Field = np.float32(0.42) * added * chest.lung
    return plates


def _edema(chest: Chest, lesion: Lesion, side: str) -> Field:
    """Haze that spreads from the hila to the bases and spares the periphery, with septal lines at the wall."""
    a, c = chest.anatomy, chest.canvas
    outward = 1 if side == "left" else -1
    squared = c.ellipse(a.midline + outward * 0.13, 0.53, 0.13 + 0.018 * lesion.grade, 0.19)
    haze = np.clip(1.15 - squared, 0, 1) * (1 + np.float32(0.5) * chest.clouds) * chest.lung * chest.half(side)
    haze *= 1 - np.float32(0.6) * chest.heart_mask
    added: Field = np.float32((0.24, 0.32, 0.42)[lesion.grade - 1]) * haze
    wall = step((chest.reach - 0.86) / np.float32(0.02)) * step((0.985 - chest.reach) / np.float32(0.01))
    rows = np.clip(np.cos(c.y * np.float32(2 * np.pi / 0.022)) - 0.55, 0, 1) * step(
        (c.y - np.float32(0.58)) / np.float32(0.02)
    )
    added += np.float32(0.16) * wall * rows * chest.lung * chest.half(side)
    return added


def _thickening(chest: Chest, lesion: Lesion, side: str) -> Field:
    """An apical cap: pleura that is thick over the top of the lung."""
    a, c = chest.anatomy, chest.canvas
    size = (0.034, 0.046, 0.060)[lesion.grade - 1]
    inner = lateral_field(c, a, size * 0.4, size * 1.3)
    top = step((np.float32(a.apex + 0.10) - c.y) / np.float32(0.02))
    added: Field = np.float32(0.52) * chest.lung * (1 - inner) * top * chest.half(side)
    return added


_DRAW: dict[str, Callable[[Chest, Lesion, str], Field]] = {
    "Lung Lesion": _nodule,
    "Consolidation": _consolidation,
    "Lung Opacity": _opacity,
    "Pleural Effusion": _effusion,
    "Atelectasis": _atelectasis,
    "Edema": _edema,
    "Pleural Other": _thickening,
}
