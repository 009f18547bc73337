"""The lateral radiograph: sternum on the image's left, spine on its right. It shows fewer of the lesions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Field, step
from .chest import heart_centre, heart_ratio
from .lesions import diameter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .anatomy import Anatomy
    from .scene import Lesion

FRONT, BACK = 0.20, 0.83
"""Inner chest wall at the sternum and behind the spine, share of the image's side."""


@dataclass(slots=True)
class Profile:
    """The layers of a lateral view that lesions need: masks are float32 [size, size] in [0, 1]."""

    canvas: Canvas
    anatomy: Anatomy
    lung: Field
    domes: dict[str, Field]
    clouds: Field

    def place(self, lesion: Lesion, margin: float) -> tuple[float, float]:
        """The centre of a lesion: its height as in the frontal view, its depth between sternum and spine."""
        a = self.anatomy
        y = a.apex + 0.03 + margin + lesion.along * (a.dome_right - a.apex - 0.01 - 1.6 * margin)
        front = FRONT + 0.10 + 0.06 * abs(y - 0.5) + margin
        return front + lesion.depth * (BACK - 0.10 - margin - front), y


def draw_profile(canvas: Canvas, anatomy: Anatomy, lesions: Sequence[Lesion], contrast: float) -> None:
    """Sum a lateral chest with those of the lesions that show in it, and note their boxes."""
    profile = _profile(canvas, anatomy)
    canvas.total += _trunk(profile)
    _heart(profile, lesions)
    _skeleton(profile)
    for index, lesion in enumerate(lesions):
        draw = _DRAW.get(lesion.finding)
        if draw is None:
            continue
        added = draw(profile, lesion)
        canvas.total += np.float32(contrast * lesion.strength) * added
        canvas.note(index, added)


def _profile(c: Canvas, a: Anatomy) -> Profile:
    up = np.clip((0.50 - c.y) / np.float32(0.50 - a.apex), 0, None)
    middle, half = (FRONT + BACK) / 2, (BACK - FRONT) / 2
    across = np.abs(c.x - np.float32(middle) - np.float32(0.06) * up) / np.float32(half)
    cage = step((1 - across**2.6 - up**2.6) * np.float32(9.0))
    t = (c.x - np.float32(FRONT)) / np.float32(BACK - FRONT)
    curve = 0.10 * np.clip(t - 0.45, 0, None) ** 2 * 5.0 - 0.05 * t
    domes = {
        "right": np.float32(a.dome_right) + curve,
        "left": np.float32(a.dome_left + 0.012) + curve,
    }
    higher = step((domes["right"] - c.y) / np.float32(0.008))
    lower = step((domes["left"] - c.y) / np.float32(0.008))
    clouds = 0.6 * c.clouds(7) + 0.4 * c.clouds(19)
    return Profile(c, a, cage * (0.5 * higher + 0.5 * lower), domes, clouds)


def _trunk(p: Profile) -> Field:
    """Soft tissue, less the air of both lungs; arms and shoulders whiten the top."""
    c, a = p.canvas, p.anatomy
    neck = np.clip(0.30 - c.y, 0, None)
    front = np.float32(FRONT - 0.055 - 0.4 * a.breast) + np.float32(2.4) * neck**2 + np.float32(0.2) * neck
    back = np.float32(BACK + 0.075) - np.float32(1.2) * neck**2
    trunk = step((c.x - front) / np.float32(0.015)) * step((back - c.x) / np.float32(0.015))
    body = trunk * np.float32(0.98 * a.bulk) + np.float32(0.16) * step((0.16 - c.y) / np.float32(0.10)) * trunk
    body += np.float32(0.22) * trunk * step((c.y - p.domes["right"]) / np.float32(0.01))
    return body - np.float32(0.70 * a.depth) * p.lung


def _heart(p: Profile, lesions: Sequence[Lesion]) -> None:
    """Heart behind the lower sternum, aortic arch, hila, and the trachea's air."""
    c, a = p.canvas, p.anatomy
    ratio = heart_ratio(a, lesions)
    rx, ry = 0.36 * ratio, 0.33 * ratio
    squared = c.ellipse(FRONT + 0.02 + rx, heart_centre(a), rx, ry, -0.45)
    inside = step((1 - squared) * np.float32(6.0))
    c.total += inside * (0.24 + 0.18 * np.sqrt(np.clip(1 - squared, 0, 1))) * (0.3 + 0.7 * p.lung)
    for index, lesion in enumerate(lesions):
        if lesion.finding == "Cardiomegaly":
            c.note(index, inside, 0.5)
    arch = c.ellipse(0.53, 0.33, 0.075, 0.065)
    descending = step(
        (np.float32(0.032) - np.abs(c.x - np.float32(0.60) - np.float32(0.16) * (c.y - 0.35))) / np.float32(0.02)
    )
    aorta = np.maximum(step((1 - arch) * np.float32(1.2)), descending * step((c.y - 0.33) / np.float32(0.03)))
    c.total += np.float32(0.10) * aorta * p.lung
    hilum = c.ellipse(0.50, 0.475, 0.055, 0.065)
    c.total += np.float32(0.20) * np.clip(1.1 - hilum, 0, 1)
    trachea = np.abs(c.x - np.float32(0.455) - np.float32(0.16) * (c.y - np.float32(0.1)))
    air = step((0.016 - trachea) / np.float32(0.008)) * step((0.45 - c.y) / np.float32(0.03))
    c.total -= np.float32(0.22) * air * (1 - 0.6 * p.lung)


def _skeleton(p: Profile) -> None:
    """Vertebrae, whose density falls towards the diaphragm in a normal chest, sternum and oblique ribs."""
    c, a = p.canvas, p.anatomy
    spine = np.float32(0.755) + np.float32(0.035) * np.sin((c.y - np.float32(0.2)) * np.float32(np.pi / 0.7))
    column = step((np.float32(0.042) - np.abs(c.x - spine)) / np.float32(0.008))
    discs = np.float32(0.17) + np.float32(0.10) * np.cos(c.y * np.float32(2 * np.pi / 0.062))
    c.total += column * discs * (1.25 - 0.5 * np.clip(c.y, 0, 1))
    sternum = np.float32(FRONT - 0.012) + np.float32(0.55) * np.clip(0.30 - c.y, 0, None)
    band = step((0.010 - np.abs(c.x - sternum)) / np.float32(0.005))
    c.total += np.float32(0.28) * band * step((0.62 - c.y) / np.float32(0.03)) * step((c.y - 0.16) / np.float32(0.02))
    slope = np.float32(0.62) * (np.float32(BACK) - c.x) - np.float32(0.35) * (np.float32(BACK) - c.x) ** 2
    phase = (c.y - slope) / np.float32(a.rib_spacing)
    t = np.abs(phase - np.floor(phase) - np.float32(0.5))
    c.total += np.float32(0.45 * a.rib_density) * np.clip((0.22 - t) * 10.0, 0, 1) * p.lung


def _nodule(p: Profile, lesion: Lesion) -> Field:
    radius = diameter(lesion) / 2
    x, y = p.place(lesion, radius)
    squared = p.canvas.ellipse(x, y, radius, radius * (0.88 + 0.24 * lesion.depth))
    added: Field = np.float32(0.36) * step((1 - squared + 0.15 * p.clouds) * np.float32(2.2))
    return added


def _patch(p: Profile, lesion: Lesion) -> Field:
    dense, ragged = (0.38, 0.8) if lesion.finding == "Consolidation" else (0.24, 1.3)
    size = (0.060, 0.082, 0.105)[lesion.grade - 1] * (0.9 + 0.25 * lesion.extent)
    x, y = p.place(lesion, size * 0.75)
    squared = p.canvas.ellipse(x, y, size, size * (0.85 + 0.3 * lesion.depth))
    ramp = np.clip((np.float32(1.25) - squared + np.float32(ragged) * p.clouds) * np.float32(1.3), 0, 1)
    added: Field = np.float32(dense) * ramp * (1 + np.float32(0.18) * p.clouds) * p.lung
    return added


def _effusion(p: Profile, lesion: Lesion) -> Field:
    """Fluid in the posterior sulcus with a meniscus in front of the spine."""
    c = p.canvas
    t = np.clip((c.x - np.float32(FRONT)) / np.float32(BACK - FRONT), 0, 1)
    level = (p.anatomy.dome_right + 0.13, p.anatomy.dome_right + 0.03, p.anatomy.dome_right - 0.11)[lesion.grade - 1]
    surface = np.float32(level) - np.float32(0.05 + 0.06 * lesion.grade) * t**6
    added: Field = np.float32(0.40) * step((c.y - surface) / np.float32(0.012)) * p.lung
    return added


def _atelectasis(p: Profile, lesion: Lesion) -> Field:
    c = p.canvas
    x, y = p.place(lesion, 0.045)
    length = (0.055, 0.07, 0.085)[lesion.grade - 1]
    dy = c.y - np.float32(y) - np.float32(0.4 * (lesion.depth - 0.5)) * (c.x - np.float32(x))
    thin = np.clip(1 - np.abs(dy) / np.float32(0.0115), 0, 1)
    ends = step((np.float32(length) - np.abs(c.x - np.float32(x))) / np.float32(0.015))
    added: Field = np.float32(0.42) * thin * ends * p.lung
    return added


def _edema(p: Profile, lesion: Lesion) -> Field:
    squared = p.canvas.ellipse(0.52, 0.53, 0.17 + 0.018 * lesion.grade, 0.20)
    haze = np.clip(1.15 - squared, 0, 1) * (1 + np.float32(0.5) * p.clouds) * p.lung
    added: Field = np.float32((0.22, 0.30, 0.40)[lesion.grade - 1]) * haze
    return added


_DRAW: dict[str, Callable[[Profile, Lesion], Field]] = {
    "Lung Lesion": _nodule,
    "Consolidation": _patch,
    "Lung Opacity": _patch,
    "Pleural Effusion": _effusion,
    "Atelectasis": _atelectasis,
    "Edema": _edema,
}
