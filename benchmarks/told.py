"""Figures that pages tell in their own words, looked up in the kept results.

Above a paragraph, list or table that tells measured figures stands `<!-- figures of PART -->` (or `PART, PART`): every
number in it, up to the next empty line, is a value of the part's result, or an end of its spread, rounded as it is
written. Numbers that are settings are named: `<!-- figures of PART; set: 448, 64 -->`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.table import figures_of, results_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARK = re.compile(r"<!-- figures of ([\w, ]+?)(?:; set: ([^>]+?))? -->\n(.*?)(?:\n\s*\n|\Z)", re.S)
_GENERATED = re.compile(r"<!-- results of .*?<!-- end of results -->|<!-- begin: .*?<!-- end: \w+ -->", re.S)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
_CODE = re.compile(r"`[^`\n]*`|\]\([^)\n]*\)|<!--.*?-->", re.S)
_NUMBER = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?(?=(\s?%)?)(?![\d])")
_RATE = re.compile(
    r"\d[\d.,]*\s*(?:reports|images|samples|studies|rows|MB|GB)\s*(?:/s\b|a second|per second|/core)|\d\.\d+ ?×", re.I
)


@dataclass(frozen=True)
class Told:
    """A number that a page tells, in `text`; `percent` where a % follows."""

    text: str
    percent: bool

    def is_of(self, values: Iterable[float]) -> bool:
        """Whether one of the values is this number, rounded to the digits that it is told with."""
        digits = len(self.text.partition(".")[2])
        told = float(self.text.replace(",", ""))
        return any(
            abs(round(value * scale, digits) - told) < 1e-9
            for value in values
            for scale in ((1, 100) if self.percent else (1,))
        )


def numbers(block: str) -> list[Told]:
    """The numbers of a block, but those in code and links."""
    found = _NUMBER.finditer(_CODE.sub(" ", block))
    return [Told(f"{m[1] or '0'}{m[2] or ''}", m[3] is not None) for m in found if m[1] or m[2]]


def marked(text: str) -> list[tuple[list[str], set[str], str]]:
    """(parts, numbers that are settings, block) of every mark of a page."""
    return [
        (m[1].replace(" ", "").split(","), {n.strip() for n in (m[2] or "").split(";")[0].split(", ")}, m[3])
        for m in _MARK.finditer(_FENCE.sub("", text))
    ]


def unknown(text: str) -> list[str]:
    """The numbers of marked blocks that are in no result, with the part that should have them."""
    out = []
    for parts, settings, block in marked(text):
        values = [value for part in parts for value in values_of(part)]
        out += [
            f"{number.text} ({', '.join(parts)})"
            for number in numbers(block)
            if number.text not in settings and not number.is_of(values)
        ]
    return out


def values_of(part: str) -> list[float]:
    """Every value of a part's results, and the ends of its spreads."""
    return [value for f in figures_of(*results_of(part)) for value in (f.value, f.low, f.high) if value is not None]


def unmarked(text: str) -> list[str]:
    """What reads like a measured rate or ratio, but is neither marked nor made from results."""
    rest = _MARK.sub("\n\n", _GENERATED.sub("", _FENCE.sub("", text)))
    return [m[0] for m in _RATE.finditer(_CODE.sub(" ", rest))]
