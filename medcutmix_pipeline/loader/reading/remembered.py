"""What the records of shards say, remembered from epoch to epoch, so that each is read and checked once."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.shard import Sample, Shard
from medcutmix_pipeline.loader.reading.tar import header_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from medcutmix_pipeline.loader.reading.edges import Edges
    from medcutmix_pipeline.loader.reading.tar import Span

Row = tuple[str, "Span", "Span | None", str, int, dict[str, str], int, tuple[int, ...], tuple[bytes, ...]]
"""Of a sample: key, image_at, maps_at, text, study, labels, n_maps, donors, packed. Plain tuples of plain values
Python's garbage collector leaves alone; samples it would walk over again and again."""

_TELLING = 160  # of a header's bytes: name, modes, size, time, checksum of all of it, kind
_ROW = 800  # bytes that a row takes beside text, plans and labels


class Remembered:
    """Texts and checked records of whole shards, up to `largest` bytes; images and maps are not among them.

    A shard is recalled only where its bytes are laid out as they were: as many, and every member's header the same.
    That what stands between the headers is the same too is what a dataset promises while it is read: its sha256 is
    compared once as well.
    """

    def __init__(self, largest: int) -> None:
        self._left = largest
        self._kept: dict[int, tuple[int, NDArray[np.int64], Edges, list[Row]]] = {}

    def keep(self, number: int, data: bytes | memoryview, shard: Shard) -> None:
        """Remember a shard, if there is room and all of it can be used."""
        if number in self._kept or any(sample.problem is not None for sample in shard.samples):
            return
        rows = [
            (s.key, s.image_at, s.maps_at, s.text, s.study, s.labels, s.n_maps, s.donors, s.packed)
            for s in shard.samples
        ]
        size = _size(rows) + shard.headers.nbytes + shard.edges.nbytes
        if size <= self._left:
            self._left -= size
            self._kept[number] = (_layout(data, shard.headers), shard.headers, shard.edges, rows)

    def recall(
        self, number: int, data: bytes | memoryview, name: str, pause: Callable[[], None] = at_full_speed
    ) -> Shard | None:
        """The shard whose bytes these are; None where it is not remembered, or was another."""
        if number not in self._kept:
            return None
        layout, headers, edges, rows = self._kept[number]
        if len(headers) and (len(data) <= headers[-1] or _layout(data, headers) != layout):
            return None
        view = memoryview(data)
        samples = []
        for place, (key, image_at, maps_at, text, study, labels, n_maps, donors, packed) in enumerate(rows):
            spans = image_at, maps_at
            samples.append(Sample(key, name, place, view, *spans, text, study, labels, n_maps, donors, packed))
            pause()
        return Shard(name, samples, edges, headers)


def _layout(data: bytes | memoryview, headers: NDArray[np.int64]) -> int:
    return zlib.crc32(header_blocks(data, headers, _TELLING).tobytes(), len(data))


def _size(rows: Iterable[Row]) -> int:
    """Bytes that these rows take, nearly; labels and their words that several share count once."""
    labels = {id(row[5]): row[5] for row in rows}.values()
    words = {id(word): word for one in labels for told in one.items() for word in told}.values()
    return sum(map(sys.getsizeof, (*labels, *words))) + sum(
        _ROW + sys.getsizeof(row[3]) + sum(map(sys.getsizeof, row[8])) for row in rows
    )
