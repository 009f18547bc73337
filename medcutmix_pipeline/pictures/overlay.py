"""An attention map over its image, as a picture."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 512
_LINE, _MARGIN, _TEXT = 22, 10, 16
_OPAQUE = 0.55
# From dark violet through orange to yellow: brightness rises along, so it reads in grey and without red or green.
_HEAT = np.array([(40, 11, 84), (122, 28, 109), (188, 55, 84), (237, 105, 37), (251, 180, 26), (252, 255, 164)])


def overlay(image: NDArray[np.uint8], attention: NDArray[np.uint8], caption: str = "") -> Image.Image:
    """The image, and beside it the same with the map over it, RGB; the caption stands below.

    Args:
        image: uint8 [H, W].
        attention: uint8 [h, w], as stored: peak 255. Where it is above half, a line goes round it.
        caption: told below, wrapped.
    """
    grey = _scaled(image)
    width, height = grey.size
    lines = textwrap.wrap(caption, width=max(20, 2 * width // 9))
    picture = Image.new("RGB", (2 * width + _MARGIN, height + (_LINE * len(lines) + 2 * _MARGIN if lines else 0)))
    picture.paste(grey.convert("RGB"), (0, 0))
    picture.paste(mapped(grey, attention), (width + _MARGIN, 0))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, height + _MARGIN + _LINE * number), line, fill=(235, 235, 235), font=font)
    return picture


def mapped(grey: Image.Image, attention: NDArray[np.uint8]) -> Image.Image:
    """An 8-bit greyscale image with a map over it, RGB; where the map is above half its peak, a line goes round it."""
    strength = np.asarray(Image.fromarray(attention).resize(grey.size, Image.Resampling.BICUBIC), np.float32) / 255
    share = _OPAQUE * strength[..., None]
    plain = np.asarray(grey, np.float32)[..., None].repeat(3, axis=2)
    mixed = Image.fromarray((plain * (1 - share) + _colours(strength) * share).astype(np.uint8))
    mixed.paste(Image.new("RGB", grey.size, (252, 255, 164)), mask=_outline(strength >= 0.5))
    return mixed


def _scaled(image: NDArray[np.uint8]) -> Image.Image:
    """The image with a longer side of 512 px."""
    height, width = image.shape
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)


def _colours(strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [H, W, 3] for values in [0, 1]."""
    stops = np.linspace(0, 1, len(_HEAT))
    channels = [np.interp(strength, stops, _HEAT[:, c]).astype(np.float32) for c in range(3)]
    return np.stack(channels, axis=-1)


def _outline(region: NDArray[np.bool_]) -> Image.Image:
    """The edge of a region, two pixels wide, as a mask."""
    mask = Image.fromarray(region.astype(np.uint8) * 255)
    return ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(5)), mask)
