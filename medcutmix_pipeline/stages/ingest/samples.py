"""The samples of a unit, from files to stored images."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.schemas.records import PlacedSample, Reject
from medcutmix_pipeline.sources.reading import read_bytes
from medcutmix_pipeline.stages.ingest.ahead import read_ahead
from medcutmix_pipeline.stages.ingest.decode import decode
from medcutmix_pipeline.stages.ingest.quiet import quiet
from medcutmix_pipeline.stages.ingest.rejection import ImageReject, beyond_memory
from medcutmix_pipeline.stages.ingest.squares import encode, resized, square

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from medcutmix_pipeline.schemas.config import Config


@dataclass
class Ingested:
    """What became of a unit's samples.

    `survivors` are their places in what was given, ascending; `images`, `sizes` (height, width of the stored image) and
    `thumbs` (uint8 [n, s, s], the encoder's view of the stored images) follow that order; `rejects` has the rest.
    """

    survivors: list[int] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    thumbs: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    rejects: list[Reject] = field(default_factory=list)


def ingest_samples(samples: Sequence[PlacedSample], config: Config, encoder_size: int) -> Ingested:
    """Read, check, decode, square and encode each sample's image.

    An image that cannot be used becomes a reject and costs no other.

    Raises:
        ReadFailedError: the storage failed; nothing is the images' fault.
    """
    result = Ingested()
    thumbs: list[npt.NDArray[np.uint8]] = []
    for place, (sample, stored) in enumerate(_stored(samples, config)):
        if isinstance(stored, ImageReject):
            rejected = Reject("image", sample.sample_id, sample.study_id, "ingest", stored.reason, stored.detail)
            result.rejects.append(rejected)
            continue
        result.survivors.append(place)
        result.images.append(encode(stored, config.shards.image_format, config.shards.quality))
        result.sizes.append((stored.shape[0], stored.shape[1]))
        thumbs.append(resized(stored, encoder_size))
    result.thumbs = np.stack(thumbs) if thumbs else np.zeros((0, encoder_size, encoder_size), np.uint8)
    return result


def _stored(
    samples: Sequence[PlacedSample], config: Config
) -> Iterator[tuple[PlacedSample, npt.NDArray[np.uint8] | ImageReject]]:
    """Each sample with its picture as it is stored, or why there is none; files are read ahead."""
    with quiet(), closing(read_ahead([sample.uri for sample in samples], partial(_read, config=config))) as files:
        for sample, read in zip(samples, files, strict=True):
            try:
                yield sample, stored_square(sample.uri, config, read)
            except ImageReject as why:
                yield sample, why


def _read(uri: str, config: Config) -> bytes:
    return read_bytes(uri, config.ingest.max_bytes)


def stored_square(uri: str, config: Config, read: Callable[[], bytes] | None = None) -> npt.NDArray[np.uint8]:
    """The picture at `uri` as it is stored, uint8 [S, S]. Raises ImageReject or ReadFailedError.

    `read`: gives the bytes of the file where somebody else reads it.
    """
    data = read() if read else _read(uri, config)
    try:
        pixels = decode(data, config.ingest, at_least=config.shards.image_size)
        return square(pixels, config.shards.image_size, config.shards.square)
    except ImageReject:
        raise
    except MemoryError:
        raise beyond_memory() from None
    except Exception as error:  # one image must not stop a build, whatever is wrong with it
        raise ImageReject("image-undecodable", f"the decoder failed ({type(error).__name__})") from None
