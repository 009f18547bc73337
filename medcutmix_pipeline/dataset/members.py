"""The files of one sample, cut out of its shard by the byte range that the samples table tells."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES = ("jpg", "png", "webp")
"""Suffixes of which a sample has one for its image."""
_LARGEST = 1 << 28
_SHARD = re.compile(r"[A-Za-z0-9_-]+")
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    StopIteration,
    tarfile.TarError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Member:
    """What a shard holds of one sample.

    Attributes:
        image: 8-bit greyscale, as stored.
        maps: uint8 [S, h, w], one map for each entry of the record's `maps`, each with its peak at 255.
        record: the sample's JSON.
    """

    image: Image.Image
    maps: NDArray[np.uint8]
    record: dict[str, Any]


def read_member(shards: Path, sample: Mapping[str, Any]) -> Member:
    """Read one sample of a shard without reading the others.

    Args:
        shards: the folder of the shards.
        sample: its row of the samples table.

    Raises:
        DataError: the shard has something else there, or something that cannot be read.
    """
    where = f"{shards.parent}: sample {sample['sample_id']}"
    try:
        if not _SHARD.fullmatch(sample["shard"]):
            raise ValueError("a path")
        shard = shards / f"{sample['shard']}.tar"
        files = _files(_stretch(shard, sample["offset"], sample["size"]))
        suffix = next(s for s in IMAGES if s in files)
        if hashlib.sha256(files[suffix]).hexdigest() != sample["sha256"]:
            raise ValueError("another image")
        image = Image.open(io.BytesIO(files[suffix]), formats=["JPEG", "PNG", "WEBP"])
        record = json.loads(files["json"])
        maps = _maps(files.get("attn.npy"))
        return Member(image.convert("L"), maps, record)
    except FileNotFoundError:
        raise DataError(f"the shard of {where} is gone: `medcutmix-pipeline validate` says what else is") from None
    except _UNREADABLE:
        raise DataError(f"{where} cannot be read: `medcutmix-pipeline validate` says more") from None


def _stretch(shard: Path, offset: int, size: int) -> bytes:
    if not 0 <= size <= _LARGEST:
        raise ValueError("not the size of a sample")
    with shard.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _files(stretch: bytes) -> dict[str, bytes]:
    """The members of a sample by suffix, without the leading dot."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(stretch), mode="r:") as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            if content is not None:
                files[info.name.partition(".")[2]] = content.read()
    return files


def _maps(content: bytes | None) -> NDArray[np.uint8]:
    if content is None:
        return np.zeros((0, 1, 1), np.uint8)
    maps: NDArray[np.uint8] = np.load(io.BytesIO(content), allow_pickle=False)
    if maps.dtype != np.uint8 or maps.ndim != 3:
        raise ValueError("maps of another shape")
    return maps
