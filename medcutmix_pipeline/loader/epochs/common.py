"""What the samples of a pool share: the size of their images and maps, and who can stand in for whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.decode import Undecodable, decode_maps, image_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.loader.reading.shard import Sample

_ASKED = 31

Size = tuple[int, int]


@dataclass(frozen=True)
class Common:
    """Image size and map grid of a pool, each (height, width), and its samples that can be used."""

    size: Size = (1, 1)
    grid: Size = (1, 1)
    usable: Sequence[Sample] = ()


def common_of(samples: Sequence[Sample], side: int | None, max_pixels: int) -> Common:
    """What most of some 31 samples, spread over the pool, have in common: one odd sample does not decide for the rest.

    `side` is the asked side of the images, px; None: as stored.
    """
    usable = [sample for sample in samples if sample.problem is None]
    mapped = [sample for sample in usable if sample.maps is not None]
    size = (side, side) if side is not None else _most(lambda s: image_size(s, max_pixels), _spread(usable))
    return Common(size, _most(lambda s: decode_maps(s).shape[1:], _spread(mapped)), usable)


def _spread(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[:: max(1, len(samples) // _ASKED)]


def _most(size_of: Callable[[Sample], tuple[int, ...]], samples: Iterable[Sample]) -> Size:
    """The size that most samples have, the first of equals; (1, 1) where none tells one."""
    counts: Counter[Size] = Counter()
    for sample in samples:
        try:
            height, width = size_of(sample)
        except Undecodable:
            continue
        counts[height, width] += 1
    return counts.most_common(1)[0][0] if counts else (1, 1)
