"""What a kind of damage is, and what may become of an input that has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

SAMPLE = "sample"
"""The outcome of an input that got in. Oddities must; where damage cannot be told from content, an input may."""


@dataclass(frozen=True)
class Good:
    """One good input in every form that is damaged: files of one picture, and the report."""

    png: bytes
    jpeg: bytes
    dicom: bytes
    jpeg_dicom: bytes
    report: str
    xml: str


@dataclass(frozen=True)
class Kind:
    """A kind of damage: `make` gives the damaged file, and `codes` are the outcomes that are right for it.

    `place`, where it is given, puts something at a path instead of a file, and gives the reference to it. `heavy` ones
    take seconds to make or to read.
    """

    name: str
    codes: frozenset[str]
    make: Callable[[Good, np.random.Generator], bytes] | None = None
    place: Callable[[Path, Good], str] | None = None
    suffix: str = ""
    share: float = 1.0
    heavy: bool = False


def kind(name: str, codes: str, make: Callable[[Good, np.random.Generator], bytes], **more: object) -> Kind:
    """A kind whose damage is in a file's bytes; `codes` are words."""
    return Kind(name, frozenset(codes.split()), make, **more)  # type: ignore[arg-type]


def cut(data: bytes, rng: np.random.Generator, least: int = 8, spare: int = 12) -> bytes:
    """The file's beginning; at least `spare` bytes are missing."""
    return data[: int(rng.integers(least, max(least + 1, len(data) - spare)))]


def flipped(data: bytes, rng: np.random.Generator, start: int = 0, end: int | None = None) -> bytes:
    """The file with one to eight of its bits between `start` and `end` turned over."""
    damaged = bytearray(data)
    for place in rng.integers(start, end or len(data), rng.integers(1, 9)):
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)
