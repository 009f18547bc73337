"""The frontal radiograph: a chest built from attenuating layers, and what each lesion does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Field, box_of, step
from .devices import draw_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .anatomy import Anatomy
    from .scene import Lesion

CARDIOTHORACIC = {0.4: 0.505, 1: 0.56, 2: 0.62, 3: 0.68}
"""Heart width over thorax width that a lesion of each grade is drawn with; the least is the uncertain one."""


@dataclass(slots=True)
class Chest:
    """The layers of a frontal view that lesions need: masks are float32 [size, size] in [0, 1].

    `right` is 1 on the patient's right half, the image's left. `reach` is the distance from the midline over the lung's
    half-width; `lung` the aerated region, `cage` the same without the diaphragm.
    """

    canvas: Canvas
    anatomy: Anatomy
    contrast: float
    away: Field
    reach: Field
    medial: Field
    above: Field
    cage: Field
    lung: Field
    heart: Field
    heart_mask: Field
    clouds: Field
    dome: Field

    def half(self, side: str) -> Field:
        """1 on the columns of one side of the patient, [1, size]."""
        left = (self.canvas.x > self.anatomy.midline).astype(np.float32)
        return left if side == "left" else 1 - left

    def place(self, lesion: Lesion, side: str, margin: float = 0.0) -> tuple[float, float]:
        """The centre of a lesion in its lung, `margin` away from chest wall and heart."""
        a = self.anatomy
        bottom = (a.dome_left if side == "left" else a.dome_right) + 0.02
        y = a.apex + 0.03 + margin + lesion.along * (bottom - a.apex - 0.03 - 1.6 * margin)
        inner, outer = inner_edge(a, y, side) + margin, outer_edge(a, y) - margin
        away = inner + lesion.across * max(outer - inner, 0.0)
        return a.midline + (away if side == "left" else -away), y


def outer_edge(anatomy: Anatomy, y: float) -> float:
    """Distance of the chest wall from the midline at height `y`."""
    t = min(max((anatomy.widest - y) / (anatomy.widest - anatomy.apex), 0.0), 1.0)
    return float(anatomy.half_width * (1 - t**2.4) ** (1 / 2.4))


def inner_edge(anatomy: Anatomy, y: float, side: str) -> float:
    """Distance of the mediastinum's or heart's border from the midline at height `y`."""
    width = 2 * anatomy.ctr * anatomy.half_width
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
    heart = _heart(c, a, lesions)
    reach = away / np.maximum(_outer(a, c.y), np.float32(0.45 * a.half_width))
    clouds = 0.6 * c.clouds(7) + 0.4 * c.clouds(19)
    return Chest(
        c,
        a,
        contrast,
        away,
        reach,
        medial,
        above,
        cage,
        cage * above,
        heart,
        step((1 - heart) * np.float32(9.0)),
        clouds,
        dome,
    )


def _outer(anatomy: Anatomy, y: Field) -> Field:
    up = np.clip((anatomy.widest - y) / (anatomy.widest - anatomy.apex), 0, 1)
    width: Field = (anatomy.half_width * (1 - up**2.4) ** (1 / 2.4)).astype(np.float32)
    return width


def _heart(c: Canvas, a: Anatomy, lesions: Sequence[Lesion]) -> Field:
    """Squared radius of the heart's ellipse: below 1 inside. Its apex points to the patient's left."""
    big = {x.finding: x for x in lesions}.get("Cardiomegaly")
    ratio = a.ctr
    if big:
        ratio = max(CARDIOTHORACIC[big.grade if big.certain else 0.4], a.ctr)
    width, length, lean = 2 * ratio * a.half_width, a.heart_length, 0.35
    half = float(np.sqrt((width / 2) ** 2 - (lean * length) ** 2))
    return c.ellipse(a.midline + 0.20 * width, heart_centre(a), half, length * (0.55 + 0.45 * ratio / 0.45), lean)


def draw_chest(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Sum the layers of the chest, with the lesions that change a layer instead of adding to it."""
    c, a = chest.canvas, chest.anatomy
    air, markings = _air(chest, lesions)
    c.total += _body(chest)
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
    c.total += _ribs(chest, lesions)
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
    box = box_of(gap, 0.5)
    if box:
        c.boxes.append((index, box))
    return gap


def _body(chest: Chest) -> Field:
    """Soft tissue from skin to skin: trunk, shoulders and neck, thinner at the edges."""
    c, a = chest.canvas, chest.anatomy
    slope = np.clip((chest.away - np.float32(0.10)) / np.float32(0.30), 0, 1)
    shoulder = np.float32(-0.02) + np.float32(0.10) * slope * slope
    flank = np.float32(0.455 + 0.03 * (a.bulk - 1)) + np.float32(0.10) * np.clip(0.34 - c.y, 0, None)
    trunk = step((flank - chest.away) / np.float32(0.02)) * step((c.y - shoulder) / np.float32(0.02))
    thick = np.float32(0.86 * a.bulk) * np.sqrt(np.clip(1 - (chest.away / np.float32(0.62)) ** 2, 0.05, 1))
    body = trunk * thick
    for side in (-1, 1):
        if a.breast:
            squared = c.ellipse(a.midline + side * 0.21, 0.60, 0.155, 0.17)
            body += np.float32(a.breast) * step((1 - squared) * np.float32(3.0))
        scapula = c.ellipse(a.midline + side * 0.375, 0.27, 0.055, 0.17, -side * 0.25)
        body += np.float32(0.10) * step((1 - scapula) * np.float32(3.0))
    return body


def _mediastinum(chest: Chest, lesions: Sequence[Lesion]) -> None:
    """Heart, great vessels, aortic knob, hila, spine and the trachea's air."""
    c, a = chest.canvas, chest.anatomy
    inside = chest.heart_mask
    heart = inside * (0.03 + 0.22 * np.sqrt(np.clip(1 - chest.heart, 0, 1))) * (0.40 + 0.60 * chest.above)
    for index, lesion in enumerate(lesions):
        if lesion.finding == "Cardiomegaly" and lesion.certain:
            c.boxes.append((index, box_of(inside, 0.5) or (0, 0, 1, 1)))
        if lesion.finding == "Enlarged Cardiomediastinum":
            band = (1 - chest.medial) * step((0.14 - np.abs(c.y - np.float32(0.27))) / np.float32(0.01))
            c.boxes.append((index, box_of(band, 0.5) or (0, 0, 1, 1)))
    tall = step((0.80 - c.y) / np.float32(0.05))
    column = (1 - chest.medial) * tall * (1 - 0.85 * inside)
    knob = step((1 - c.ellipse(a.midline + a.mediastinum * 0.85, 0.325, a.knob, a.knob * 1.15)) * np.float32(2.0))
    c.total += heart + np.float32(0.10) * column + np.float32(0.42) * knob * chest.medial
    for side, height in ((-1, 0.47), (1, 0.445)):
        hilum = c.ellipse(a.midline + side * (a.mediastinum + 0.03), height, 0.038, 0.060, -side * 0.25)
        c.total += np.float32(0.20) * np.clip(1 - hilum, 0, 1)
    spine = step((0.036 - chest.away) / np.float32(0.008))
    c.total += spine * (0.09 + 0.05 * np.cos(c.y * np.float32(2 * np.pi / 0.056)))
    trachea = step((0.015 - np.abs(chest.away - np.clip(c.y - 0.37, 0, 0.06) * 0.8)) / np.float32(0.006))
    c.total -= np.float32(0.22) * trachea * step((0.44 - c.y) / np.float32(0.02))
    if a.stomach:
        bubble = c.ellipse(a.midline + 0.16, a.dome_left + 0.062, 0.07, 0.035)
        c.total -= np.float32(a.stomach) * step((1 - bubble) * np.float32(2.5))


def _vessels(chest: Chest, plump: float) -> Field:
    a = chest.anatomy
    top, height = a.apex, a.dome_right - a.apex
    lines = []
    for side, width, trees in a.vessels:
        placed = trees * (side * a.half_width, height) + (a.midline, top)
        lines += [(0.0085 * width * plump**0.5, points) for points in placed]
    return chest.canvas.strokes(lines, 0.0034 * plump)


def _ribs(chest: Chest, lesions: Sequence[Lesion]) -> Field:
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
    box = box_of(np.abs(changed - whole), 0.3)
    if box:
        c.boxes.append((index, box))
    return changed


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
            box = box_of(draw_device(chest.canvas, chest.anatomy, lesion, chest.contrast), 0.2)
            if box:
                chest.canvas.boxes.append((index, box))
