"""What the records of shards say, remembered from epoch to epoch, so that each is read and checked once."""

from __future__ import annotations

import marshal
import zlib
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.edges import edges_of
from medcutmix_pipeline.loader.reading.shard import Sample, Shard
from medcutmix_pipeline.loader.reading.tar import header_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from medcutmix_pipeline.loader.reading.edges import Edges


class Remembered:
    """Texts and checked records of whole shards, packed, up to `largest` bytes; images and maps are not among them.

    A shard is recalled only where its bytes are laid out as they were: as many, and every member's header the same.
    That what stands between the headers is the same too is what a dataset promises while it is read: its sha256 is
    compared once as well.
    """

    def __init__(self, largest: int) -> None:
        self._left = largest
        self._kept: dict[int, tuple[int, NDArray[np.int64], Edges, bytes]] = {}

    def keep(self, number: int, data: bytes, shard: Shard) -> None:
        """Remember a shard, if there is room and all of it can be used."""
        if number in self._kept or any(sample.problem is not None for sample in shard.samples):
            return
        packed = marshal.dumps(
            [(s.key, s.image_at, s.maps_at, s.text, s.study, s.labels, s.n_maps, s.pack()) for s in shard.samples]
        )
        edges = edges_of(shard.samples)
        size = len(packed) + shard.headers.nbytes + edges.nbytes
        if size <= self._left:
            self._left -= size
            self._kept[number] = (_layout(data, shard.headers), shard.headers, edges, packed)

    def recall(self, number: int, data: bytes, name: str, pause: Callable[[], None] = at_full_speed) -> Shard | None:
        """The shard whose bytes these are; None where it is not remembered, or was another."""
        if number not in self._kept:
            return None
        layout, headers, edges, packed = self._kept[number]
        if len(headers) and (len(data) <= headers[-1] or _layout(data, headers) != layout):
            return None
        view = memoryview(data)
        samples = []
        # It was packed by this very object, in this process or the one that it was copied from.
        for place, one in enumerate(marshal.loads(packed)):  # noqa: S302  # nosec B302
            key, image_at, maps_at, text, study, labels, n_maps, plans = one
            spans = image_at, maps_at
            samples.append(Sample(key, name, place, view, *spans, text, study, labels, n_maps, packed=plans))
            pause()
        return Shard(name, samples, headers, edges)


def _layout(data: bytes, headers: NDArray[np.int64]) -> int:
    return zlib.crc32(header_blocks(data, headers).tobytes(), len(data))
