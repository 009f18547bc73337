"""Canaries: words and numbers that stand nowhere else, and the search for them in every byte that a build leaves."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORD = "QZVKXWJH"
NUMBER = "77306917"
"""Dates, times, UIDs and numbers take digits only; those of these canaries begin with these."""


class Aviary:
    """Gives out canaries and remembers where each was planted."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def word(self, place: str) -> str:
        """A word of 13 capital letters and digits."""
        return self._kept(f"{WORD}{len(self.places):05d}", place)

    def number(self, place: str) -> str:
        """A number of 12 digits."""
        return self._kept(f"{NUMBER}{len(self.places) % 10000:04d}", place)

    def date(self, place: str) -> str:
        """Eight digits where a date should be; the same for all."""
        return self._kept(NUMBER, place)

    def _kept(self, canary: str, place: str) -> str:
        self.places[canary] = place
        return canary


def _forms(marker: str) -> Iterator[bytes]:
    """The marker as text in several encodings, in hexadecimal, and in Base64 wherever in a stream it begins."""
    for text in (marker, marker.lower()):
        yield text.encode()
        yield text.encode("utf-16-le")
        yield text.encode("utf-16-be")
        yield text.encode().hex().encode()
        yield text.encode().hex().upper().encode()
        yield text[::-1].encode()
        for shift in range(3):
            coded = base64.b64encode(bytes(shift) + text.encode())
            yield coded[4 if shift else 0 : (shift + len(text)) // 3 * 4]  # only what the marker alone decides


FORMS = re.compile(b"|".join(re.escape(form) for marker in (WORD, NUMBER) for form in _forms(marker)))


def sightings(root: Path) -> list[str]:
    """Every file below `root` in whose name or bytes, packed or unpacked, a canary is, with what is there."""
    seen = []
    for path in sorted(root.rglob("*")):
        contents = [str(path.relative_to(root)).encode("utf-8", "surrogateescape")]
        if path.is_file():
            contents += [path.read_bytes(), *_unpacked(path)]
        for content in contents:
            seen += [f"{path.relative_to(root)}: {around(content, hit.start())!r}" for hit in FORMS.finditer(content)]
    return seen


def _unpacked(path: Path) -> Iterator[bytes]:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield repr((table.schema.metadata, table.schema.names, table.to_pylist())).encode("utf-8", "surrogateescape")


def around(content: bytes, place: int) -> bytes:
    """Some bytes of what is there."""
    return content[max(0, place - 20) : place + 40]
