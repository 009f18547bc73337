"""What stands in one split and, all but the same, in another: reports word for word, images by their gradients.

An image's print has 256 bits: whether each of 16 × 16 averaged pixels is brighter than its left neighbour (the
difference hash of N. Krawetz, "Kind of Like That", 2013, there with 64 bits, which do not tell one chest from another).
Two prints that differ in at most 15 bits must agree in at least one of 16 bands of 16 bits, so that only images that
share a band are compared, and none that should be found is missed.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIDE = 16
_BANDS = 16
MOST_BITS = _BANDS - 1
"""Prints that differ in so many bits or fewer are of all but the same image.

Measured on Open-I: of 9.2 million pairs of images of different studies none is closer than 20 bits, while images that
were encoded again, resized, or both, differ in 8 or fewer.
"""

_CHUNK = 1 << 20
_ONES = np.array([n.bit_count() for n in range(1 << 16)], np.uint8)

# Neighbours tell much the same: bits from all over the picture make a band that fewer images share.
_ORDER = np.array([_SIDE * i + (band + 5 * i) % _SIDE for band in range(_BANDS) for i in range(_SIDE)])

Prints = npt.NDArray[np.uint16]
"""uint16 [N, 16]: the bands of N prints."""


@dataclass(frozen=True)
class Warned:
    """A warning: in words, with how many of a split's studies or images it is about, and the first pairs of names."""

    what: str
    count: int
    examples: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        pairs = "; ".join(f"{a} and {b}" for a, b in self.examples)
        return f"{self.what} (such as {pairs})"


def image_print(data: bytes) -> Prints:
    """The print of an image file as uint16 [16], its bands."""
    with Image.open(io.BytesIO(data)) as image:
        grey = image.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(grey, np.int16)
    bits = (pixels[:, 1:] > pixels[:, :-1]).ravel()[_ORDER]
    return np.packbits(bits).view(">u2").astype(np.uint16)


class Leaks:
    """Gathers the samples of a dataset one by one, and says what stands in more than one split.

    Memory: 32 bytes and two names for each sample, 8 bytes for each report.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = defaultdict(list)
        self._prints: dict[str, list[Prints]] = defaultdict(list)
        self._reports: dict[str, dict[bytes, str]] = defaultdict(dict)
        self._studies: dict[str, dict[str, bytes]] = defaultdict(dict)

    def add(self, row: dict[str, Any], image: bytes) -> None:
        """A sample: its row of the samples table, and its image file."""
        split, report = row["split"], hashlib.blake2b(row["text"].encode(), digest_size=8).digest()
        self._names[split].append(row["sample_id"])
        self._prints[split].append(image_print(image))
        self._reports[split].setdefault(report, row["study_id"])
        self._studies[split][row["study_id"]] = report

    def warnings(self, most: int = 3) -> Iterator[Warned]:
        """For every two splits, the studies and images of the smaller that stand in the larger as well.

        Args:
            most: pairs of names to tell with each.
        """
        by_size = sorted(self._names, key=lambda split: (len(self._names[split]), split))
        for small, large in itertools.combinations(by_size, 2):
            yield from self._same_reports(small, large, most)
            yield from self._alike(small, large, most)

    def _same_reports(self, small: str, large: str, most: int) -> Iterator[Warned]:
        known = self._reports[large]
        pairs = [(study, known[r]) for study, r in sorted(self._studies[small].items()) if r in known]
        if pairs:
            what = (
                f"{len(pairs):,} of {len(self._studies[small]):,} studies of {small} have the very report "
                f"of a study of {large}"
            )
            yield Warned(what, len(pairs), tuple(pairs[:most]))

    def _alike(self, small: str, large: str, most: int) -> Iterator[Warned]:
        few, many = np.stack(self._prints[small]), np.stack(self._prints[large])
        found = alike(few, many)
        pairs = sorted({self._names[small][i]: self._names[large][j] for i, j in reversed(found)}.items())
        if pairs:
            what = f"{len(pairs):,} of {len(few):,} images of {small} are all but the same as an image of {large}"
            yield Warned(what, len(pairs), tuple(pairs[:most]))


def alike(few: Prints, many: Prints) -> list[tuple[int, int]]:
    """All pairs (row of `few`, row of `many`) whose prints differ in at most `MOST_BITS` bits, ascending."""
    found: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        order = np.argsort(many[:, band], kind="stable")
        values = many[order, band]
        first = np.searchsorted(values, few[:, band], "left")
        count = np.searchsorted(values, few[:, band], "right") - first
        for rows in _chunks(count):
            left = np.repeat(rows, count[rows])
            start = np.cumsum(count[rows]) - count[rows]
            within = np.arange(left.size) - np.repeat(start, count[rows])
            right = order[first[left] + within]
            near = _ONES[few[left] ^ many[right]].sum(axis=1, dtype=np.int64) <= MOST_BITS
            found.update(zip(left[near].tolist(), right[near].tolist(), strict=True))
    return sorted(found)


def _chunks(count: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Runs of rows with about a million candidates each; a row with more stands alone."""
    ends = np.cumsum(count)
    start = 0
    while start < count.size:
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _CHUNK, "right")))
        yield np.arange(start, end)
        start = end
