"""Pictures of the cases where attention points worst: boxes, map, peak and sentence, a page for each fit."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pointing_measures import enlarged, peak_and_mass
from medcutmix_pipeline.pictures.overlay import mapped
from medcutmix_pipeline.stages.attention.maps import finish_map

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.pointing_cases import Box, Cases
    from benchmarks.pointing_measures import Maps
    from medcutmix_pipeline.stages.attention.fit import Pair

WORST, SIDE = 5, 288
"""Cases of each finding that are shown, and the side of one picture in pixels."""

_LINE, _LINES, _GAP = 15, 3, 6
_BOX, _HIT, _MISS = (90, 200, 255), (120, 255, 120), (255, 80, 80)


def save_worst(
    file: Path, cases: Cases, asked: list[tuple[Pair, str, list[Box]]], maps: Maps, mass: float = 0.5
) -> None:
    """Write a PNG with a row for each finding: its worst cases, those that are missed first, then by the mass inside.

    Each case is shown twice: the image with its boxes, and the same with the map over it as a build with `mass` would
    store it; a cross marks the map's peak, green inside a box and red outside. Below stands the sentence.
    """
    rows: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for number, (_, finding, boxes) in enumerate(asked):
        hit, inside, _, area = peak_and_mass(maps[number], boxes, cases.images.shape[1])
        rows[finding].append((hit, inside / area, number))
    width, height = 2 * SIDE + _GAP, SIDE + _LINES * _LINE + _GAP
    page = Image.new("RGB", (WORST * (width + _GAP), len(rows) * height))
    for row, finding in enumerate(sorted(rows)):
        for column, (hit, ratio, number) in enumerate(sorted(rows[finding])[:WORST]):
            pair, _, boxes = asked[number]
            told = f"{finding}: mass over area {ratio:.1f}. {pair.sentence}"
            tile = _tile(cases.images[pair.image], maps[number], boxes, bool(hit), mass)
            page.paste(_captioned(tile, told), (column * (width + _GAP), row * height))
    file.parent.mkdir(parents=True, exist_ok=True)
    page.save(file)


def _tile(
    image: NDArray[np.uint8], map_: NDArray[np.float32], boxes: Sequence[Box], hit: bool, mass: float
) -> Image.Image:
    scale = SIDE / len(image)
    grey = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    tile = Image.new("RGB", (2 * SIDE + _GAP, SIDE))
    for place, picture in ((0, grey.convert("RGB")), (SIDE + _GAP, mapped(grey, finish_map(map_, mass)))):
        draw = ImageDraw.Draw(picture)
        for box in boxes:
            draw.rectangle([scale * edge for edge in box], outline=_BOX)
        y, x = (scale * (edge + 0.5) for edge in np.unravel_index(enlarged(map_, len(image)).argmax(), image.shape))
        for dx, dy in ((5, 5), (5, -5)):
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=_HIT if hit else _MISS, width=2)
        tile.paste(picture, (place, 0))
    return tile


def _captioned(tile: Image.Image, told: str) -> Image.Image:
    whole = Image.new("RGB", (tile.width, tile.height + _LINES * _LINE))
    whole.paste(tile, (0, 0))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(12)
    for number, line in enumerate(textwrap.wrap(told, tile.width // 6)[:_LINES]):
        draw.text((2, tile.height + 1 + _LINE * number), line, fill=(235, 235, 235), font=font)
    return whole
