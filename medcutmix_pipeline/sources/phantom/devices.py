"""Support devices in the frontal view: thin, dense, with a known course."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .anatomy import Anatomy
    from .canvas import Canvas, Field
    from .scene import Lesion

Line = tuple[float, list[tuple[float, float]]]


def draw_device(canvas: Canvas, anatomy: Anatomy, lesion: Lesion, contrast: float) -> Field:
    """Add a device to the attenuation map; returns what was added, float32 [size, size]."""
    side = 1 if lesion.side == "left" else -1
    lines = {"pacemaker": _pacemaker, "tube": _tube, "line": _line, "port": _port}[lesion.device](anatomy, side)
    dense = {"pacemaker": 1.1, "tube": 0.55, "line": 0.75, "port": 0.9}[lesion.device]
    drawn = np.float32(dense * min(contrast, 1.5)) * canvas.strokes(
        [(width, [points]) for width, points in lines], 0.0012
    )
    canvas.total += drawn
    return drawn


def _arc(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A smooth curve through control points (Chaikin's corner cutting, three times)."""
    for _ in range(3):
        cut = [points[0]]
        for (x0, y0), (x1, y1) in pairwise(points):
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        points = [*cut, points[-1]]
    return points


def _pacemaker(a: Anatomy, side: int) -> list[Line]:
    m = a.midline
    box = (m + side * 0.27, 0.245)
    can = [(0.066, [(box[0] - 0.022, box[1]), (box[0] + 0.022, box[1])])]
    vein = [(m + side * 0.245, 0.225), (m + side * 0.17, 0.175), (m - 0.005, 0.215), (m - 0.045, 0.33)]
    atrium = [*vein, (m - 0.055, 0.52), (m - 0.085, 0.56), (m - 0.075, 0.535)]
    ventricle = [*vein, (m - 0.05, 0.56), (m + 0.0, 0.67), (m + 0.13, 0.685)]
    return [*can, (0.007, _arc(atrium)), (0.007, _arc(ventricle))]


def _tube(a: Anatomy, side: int) -> list[Line]:
    m = a.midline
    gastric = _arc([(m + 0.008, 0.0), (m + 0.004, 0.3), (m + 0.015, 0.6), (m + 0.06, 0.80), (m + 0.15, 0.86)])
    return [(0.009, [(m - 0.004, 0.0), (m, 0.34)]), (0.008, gastric)]


def _line(a: Anatomy, side: int) -> list[Line]:
    m = a.midline
    course = [(m + side * 0.12, 0.02), (m + side * 0.085, 0.14), (m - 0.02, 0.23), (m - 0.045, 0.32), (m - 0.045, 0.47)]
    return [(0.008, _arc(course))]


def _port(a: Anatomy, side: int) -> list[Line]:
    m = a.midline
    chamber = (m + side * 0.25, 0.27)
    course = [chamber, (m + side * 0.20, 0.18), (m + side * 0.10, 0.17), (m - 0.03, 0.24), (m - 0.045, 0.48)]
    disc = [(0.042, [(chamber[0] - 0.018, chamber[1]), (chamber[0] + 0.018, chamber[1])])]
    return [*disc, (0.007, _arc(course))]
