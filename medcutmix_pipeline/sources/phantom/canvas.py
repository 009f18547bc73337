"""The attenuation map that a phantom radiograph is made from, and the small drawing operations on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from .anatomy import Pose

Field = NDArray[np.float32]
"""Something that varies over the detector: float32 [size, size], or [1, size] and [size, 1] that broadcast to it."""

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels; x1 and y1 are the first beyond."""

BOX_LEVEL = 0.35
"""A lesion's box holds the pixels where it reaches this share of its own peak."""


def step(x: Field) -> Field:
    """A soft edge: 0 below -1, 1 above 1, smooth between."""
    t: Field = x * np.float32(0.5)
    t += np.float32(0.5)
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    smooth = t * np.float32(-2)
    smooth += 3
    smooth *= t
    smooth *= t
    return smooth


def box_of(field: Field, level: float = BOX_LEVEL) -> Box | None:
    """The tight box around a field's strong part; None where the field is empty."""
    peak = float(field.max(initial=0.0))
    if peak <= 0.02:
        return None
    strong = field > peak * level
    rows, cols = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


@dataclass(slots=True)
class Canvas:
    """A square detector of `size` px: `x` [1, size] and `y` [size, 1] are the patient's coordinates of its pixels.

    `total` float32 [size, size] sums attenuation, and `boxes` collects (index of the lesion, box in pixels).
    """

    size: int
    pose: Pose
    rng: Generator
    x: Field = field(init=False)
    y: Field = field(init=False)
    total: Field = field(init=False)
    boxes: list[tuple[int, Box]] = field(default_factory=list)

    def __post_init__(self) -> None:
        pixels = ((np.arange(self.size, dtype=np.float32) + 0.5) / self.size - 0.5) / np.float32(self.pose.zoom) + 0.5
        self.x = (pixels - np.float32(self.pose.dx))[None, :]
        self.y = (pixels - np.float32(self.pose.dy))[:, None]
        self.total = np.zeros((self.size, self.size), np.float32)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the patient falls on the detector, in pixels."""
        pose, size = self.pose, self.size
        return ((x + pose.dx - 0.5) * pose.zoom + 0.5) * size, ((y + pose.dy - 0.5) * pose.zoom + 0.5) * size

    def window(self, x: float, y: float, rx: float, ry: float) -> tuple[slice, slice]:
        """Rows and columns that hold the rectangle around (x, y), clipped to the detector."""
        left, top = self.pixel(x - rx, y - ry)
        right, bottom = self.pixel(x + rx, y + ry)
        rows = slice(min(max(int(top), 0), self.size - 1), max(min(int(bottom) + 2, self.size), 1))
        return rows, slice(min(max(int(left), 0), self.size - 1), max(min(int(right) + 2, self.size), 1))

    def note(self, lesion: int, shown: Field, level: float = BOX_LEVEL) -> None:
        """Note the box around where lesion number `lesion` shows, if it does."""
        box = box_of(shown, level)
        if box:
            self.boxes.append((lesion, box))

    def ellipse(self, x: float, y: float, rx: float, ry: float, lean: float = 0.0) -> Field:
        """Squared elliptical radius of each pixel around (x, y): below 1 inside. `lean` shears it along x."""
        return self._ellipse(slice(None), slice(None), (x, y, rx, ry, lean))

    def _ellipse(self, rows: slice, cols: slice, shape: tuple[float, float, float, float, float]) -> Field:
        x, y, rx, ry, lean = (np.float32(value) for value in shape)
        dy, dx = self.y[rows] - y, self.x[:, cols] - x
        if lean:
            dx = dx - lean * dy
        squared: Field = (dx / rx) ** 2 + (dy / ry) ** 2
        return squared

    def blob(self, density: float, x: float, y: float, rx: float, ry: float, sharp: float, lean: float = 0.0) -> None:
        """Add a soft-edged ellipse to the attenuation; it fades out over 1 / `sharp` of its squared radius."""
        far = (1 + 1 / sharp) ** 0.5
        rows, cols = self.window(x, y, far * (rx + abs(lean) * ry), far * ry)
        squared = self._ellipse(rows, cols, (x, y, rx, ry, lean))
        self.total[rows, cols] += np.float32(density) * step((1 - squared) * np.float32(sharp))

    def strokes(self, groups: Sequence[tuple[float, ArrayLike]], blur: float = 0.0) -> Field:
        """Draw polylines, given as (width, points [lines, points, 2]) in the patient's coordinates.

        Returns float32 [size, size] in [0, 1]; lines thinner than a pixel are fainter instead.
        """
        image = Image.new("L", (self.size, self.size))
        draw = ImageDraw.Draw(image)
        shift = np.array((self.pose.dx - 0.5, self.pose.dy - 0.5))
        for width, points in groups:
            px = width * self.pose.zoom * self.size
            at = (np.asarray(points) + shift) * (self.pose.zoom * self.size) + 0.5 * self.size
            wide = max(round(px), 1)
            for line in at.reshape(len(at), -1).tolist():
                draw.line(line, int(255 * min(px, 1.0)), wide, "curve" if wide > 2 else None)
        if blur:
            image = image.filter(ImageFilter.BoxBlur(blur * self.size))
        return np.asarray(image, np.float32) * np.float32(1 / 255)

    def clouds(self, cells: int) -> Field:
        """Smooth noise in [-1, 1] with about `cells` blobs across the detector, float32 [size, size]."""
        coarse = self.rng.random((cells + 3, cells + 3), dtype=np.float32) * 2 - 1
        image = Image.fromarray(coarse)
        smooth = image.resize((self.size, self.size), Image.Resampling.BICUBIC, box=(1, 1, cells + 2, cells + 2))
        return np.asarray(smooth, np.float32)
