"""A page to draw on: pictures in a row with captions, and text in columns with marked words, wrapped."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.dataset.words import Mark, Runs

PANEL, GAP = 320, 14
_TEXT, _LEADING, _HEADING = 15, 20, 20
_PAPER, _INK, _PALE = (252, 252, 250), (24, 26, 30), (96, 100, 108)
# Told apart by a line through or under the words as well as by hue; and the hues by people who see no red or green.
_INKS: dict[Mark, tuple[int, int, int]] = {"": _INK, "cut": (176, 36, 24), "insert": (0, 92, 168)}


class Page:
    """A page that grows downwards. `columns` is the number of pictures in a row; its width follows."""

    def __init__(self, columns: int) -> None:
        self.width = columns * PANEL + (columns + 1) * GAP
        self._blocks: list[Image.Image] = []

    def heading(self, text: str, below: str = "") -> None:
        """A line in larger letters, and a paler one below it."""
        block = self._block(_HEADING + (_LEADING if below else 0) + 2 * GAP)
        draw = ImageDraw.Draw(block)
        draw.text((GAP, GAP // 2), text, fill=_INK, font=_font(_HEADING))
        draw.text((GAP, GAP // 2 + _HEADING + 6), below, fill=_PALE, font=_font(_TEXT))
        self._blocks.append(block)

    def pictures(self, captioned: Sequence[tuple[Image.Image, str]]) -> None:
        """Pictures side by side, each fitted into a square with its caption below."""
        captions = [_lines([(caption, "")], PANEL) for _, caption in captioned]
        block = self._block(PANEL + max(map(len, captions)) * _LEADING + GAP)
        for column, ((picture, _), lines) in enumerate(zip(captioned, captions, strict=True)):
            left = GAP + column * (PANEL + GAP)
            block.paste(_fitted(picture), (left, 0))
            _write(ImageDraw.Draw(block), lines, left, PANEL + 4)
        self._blocks.append(block)

    def texts(self, titled: Sequence[tuple[str, Runs]]) -> None:
        """Texts side by side, each under its title."""
        width = (self.width - GAP * (len(titled) + 1)) // len(titled)
        columns = [_lines(runs, width) for _, runs in titled]
        block = self._block((max(map(len, columns)) + 1) * _LEADING + GAP)
        draw = ImageDraw.Draw(block)
        for number, ((title, _), lines) in enumerate(zip(titled, columns, strict=True)):
            left = GAP + number * (width + GAP)
            draw.text((left, 0), title, fill=_PALE, font=_font(_TEXT))
            _write(draw, lines, left, _LEADING)
        self._blocks.append(block)

    def image(self) -> Image.Image:
        """The page, RGB."""
        page = self._block(sum(block.height for block in self._blocks))
        top = 0
        for block in self._blocks:
            page.paste(block, (0, top))
            top += block.height
        return page

    def _block(self, height: int) -> Image.Image:
        return Image.new("RGB", (self.width, height), _PAPER)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture in the middle of a black square."""
    scale = PANEL / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    square = Image.new("RGB", (PANEL, PANEL))
    fitted = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    square.paste(fitted, ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2))
    return square


def _lines(runs: Runs, width: int) -> list[list[tuple[str, Mark]]]:
    """The runs in lines of at most so many pixels, broken between words; a line break in the text is kept."""
    lines: list[list[tuple[str, Mark]]] = [[]]
    room = float(width)
    for text, mark in runs:
        for piece in re.findall(r"\n|[^\s]+[^\S\n]*|[^\S\n]+", text):
            needed = _font(_TEXT).getlength(piece.rstrip())
            if piece == "\n" or (needed > room and lines[-1]):
                lines.append([])
                room = float(width)
            if piece != "\n":
                lines[-1].append((piece, mark))
                room -= _font(_TEXT).getlength(piece)
    return lines


def _write(draw: ImageDraw.ImageDraw, lines: list[list[tuple[str, Mark]]], left: int, top: int) -> None:
    for number, line in enumerate(lines):
        x, y = float(left), top + number * _LEADING
        for piece, mark in line:
            draw.text((x, y), piece, fill=_INKS[mark], font=_font(_TEXT))
            end = x + _font(_TEXT).getlength(piece)
            if mark:
                height = y + (_TEXT * 0.62 if mark == "cut" else _TEXT + 3)
                draw.line([(x, height), (end, height)], fill=_INKS[mark], width=2 if mark == "insert" else 1)
            x = end
