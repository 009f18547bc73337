"""Transforms for `MixLoader(transform=…)` that move the attention maps along with the image.

There is no flip, and none by default anywhere in this package: a mirrored radiograph shows the heart on the right and
the left lung on the right, while its report still says left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that all of PyTorch's documentation uses

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor

    from medcutmix_pipeline.loader.epochs.wishes import Transform


@dataclass(frozen=True)
class RandomAffine:
    """Shows a random window of the image: cropped, scaled, turned and shifted; the maps show the same window.

    Image and maps cover the same ground with grids of their own, so both are sampled at the same places in normalised
    coordinates (−1 and 1 are the outer edges of the outer pixels), bilinearly. What lies outside of the image is 0,
    black in the image and unattended in the maps.

    Keep it mild. A map is scaled to its own peak when it becomes weights, so where a window cuts the attended place
    away, what is left at its rim is mixed instead, or nothing is, while the report has changed all the same.

    Args:
        scale: (low, high), the window's side as a share of the image's; drawn uniformly. Below 1 it crops, from
            anywhere in the image; above 1 it shows a margin.
        rotate: the window is turned by up to so many degrees, either way.
        translate: it is shifted by up to this share of the image's sides, beyond what cropping shifts.
        size: (height, width) or side of the image that leaves, px; None as it came. Maps keep their grid. To make
            images much smaller use the loader's `image_size`, which averages over pixels and does not skip them.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    rotate: float = 5.0
    translate: float = 0.0
    size: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"scale must be (low, high) with 0 < low ≤ high, not {self.scale}")
        if self.rotate < 0 or self.translate < 0:
            raise ValueError("rotate and translate are the largest that is drawn, so 0 or more")

    def __call__(self, image: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image uint8 [1, H, W] and maps uint8 [k, h, w] to the same after the change."""
        height, width = image.shape[-2:]
        window = self._window(height / width, rng)
        left = (self.size, self.size) if isinstance(self.size, int) else self.size or (height, width)
        return _shown(image, window, left), _shown(maps, window, (maps.shape[-2], maps.shape[-1]))

    def _window(self, aspect: float, rng: np.random.Generator) -> Tensor:
        """float32 [2, 3]: where a place of the window lies in the image, both normalised; `aspect` is height / width.

        It always draws four numbers, so that what follows on the same generator does not depend on the settings.
        """
        side, turn, right, down = rng.random(4)
        side = self.scale[0] + (self.scale[1] - self.scale[0]) * side
        angle = math.radians(self.rotate * (2 * turn - 1))
        room = max(0.0, 1 - side) + 2 * self.translate
        cos, sin = side * math.cos(angle), side * math.sin(angle)
        return torch.tensor(
            [
                # A turn is one in pixels: normalised, x and y have different units unless the image is square.
                [cos, -sin * aspect, room * (2 * right - 1)],
                [sin / aspect, cos, room * (2 * down - 1)],
            ],
            dtype=torch.float32,
        )


@dataclass(frozen=True)
class OnImage:
    """Changes the image alone, for changes that move nothing: brightness, contrast, noise, blur.

    Args:
        change: image uint8 [1, H, W] and generator to an image; draw from that generator only.
    """

    change: Callable[[Tensor, np.random.Generator], Tensor]

    def __call__(self, image: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The changed image, and the maps as they are."""
        return self.change(image, rng), maps


class Compose:
    """Transforms one after another, with one generator."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, image: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What the last of them leaves."""
        for transform in self.transforms:
            image, maps = transform(image, maps, rng)
        return image, maps


def _shown(planes: Tensor, window: Tensor, size: tuple[int, int]) -> Tensor:
    """The window of uint8 planes [k, H, W] as uint8 [k, *size]."""
    if planes.shape[0] == 0:
        return planes
    places = F.affine_grid(window[None], [1, 1, *size], align_corners=False)
    shown = F.grid_sample(planes[None].float(), places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return shown[0].round().to(torch.uint8)
