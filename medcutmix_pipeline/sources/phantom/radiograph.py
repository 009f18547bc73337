"""From attenuation to a film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import frontal
from .anatomy import Anatomy, Pose, draw_pose, generator
from .canvas import Box, Canvas, step
from .chest import build_chest
from .lateral import draw_profile
from .lesions import draw_lesions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .scene import Lesion

Rendered = tuple["NDArray[np.float32]", list[tuple[int, Box]]]


def render_frontal(
    seed: int, image: str, anatomy: Anatomy, lesions: Sequence[Lesion], size: int, contrast: float
) -> Rendered:
    """A frontal radiograph, float32 [size, size] in [0, 1], and the boxes as (index of the lesion, box)."""
    canvas = Canvas(size, draw_pose(seed, image), generator(seed, "texture", image))
    chest = build_chest(canvas, anatomy, lesions, contrast)
    frontal.draw_chest(chest, lesions)
    draw_lesions(chest, lesions)
    frontal.draw_devices(chest, lesions)
    return _expose(canvas), canvas.boxes


def render_lateral(
    seed: int, image: str, anatomy: Anatomy, lesions: Sequence[Lesion], size: int, contrast: float
) -> Rendered:
    """A lateral radiograph, as `render_frontal`."""
    canvas = Canvas(size, draw_pose(seed, image), generator(seed, "texture", image))
    draw_profile(canvas, anatomy, lesions, contrast)
    return _expose(canvas), canvas.boxes


def _mark(film: NDArray[np.float32]) -> None:
    """An L of lead beside the patient's left shoulder, where the image's right is."""
    side = len(film)
    thin = max(round(0.010 * side), 1)
    top, left = round(0.07 * side), round(0.93 * side)
    film[top : top + 4 * thin, left : left + thin] += 0.8
    film[top + 3 * thin : top + 4 * thin, left : left + 3 * thin] += 0.8


def _expose(canvas: Canvas) -> NDArray[np.float32]:
    """Brightness of the film: exponential in attenuation, with noise, collimation and a side marker."""
    pose: Pose = canvas.pose
    total = np.clip(canvas.total, 0, None) * (1 + np.float32(0.02) * canvas.clouds(5))
    film = (1 - np.exp(np.float32(-1.55 * pose.exposure) * total)) * np.float32(1.12)
    film += np.float32(pose.noise) * canvas.rng.standard_normal(film.shape, dtype=np.float32)
    if pose.marker:
        _mark(film)
    edge = (np.arange(canvas.size, dtype=np.float32) + 0.5) / canvas.size
    left, top, right, bottom = (np.float32(b) for b in pose.border)
    film *= (
        step((edge - left) / np.float32(0.003) + 1)[None, :] * step((1 - right - edge) / np.float32(0.003) + 1)[None, :]
    )
    film *= (
        step((edge - top) / np.float32(0.003) + 1)[:, None] * step((1 - bottom - edge) / np.float32(0.003) + 1)[:, None]
    )
    clipped: NDArray[np.float32] = np.clip(film, 0, 1)
    return clipped
