"""The members of a shard that is in memory: offsets only, nothing is unpacked, anything odd is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_BLOCK = 512
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SUFFIX = re.compile(r"[A-Za-z0-9_.-]+")
_TYPE, _PREFIX = 156, 345
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(r"[ ]*([0-7]{1,11})[ \0]*")

Span = tuple[int, int]
"""Where a member's content stands in the shard: first byte and the byte after the last."""


class ShardError(DataError):
    """A shard, or a sample in it, breaks the format or is damaged; the message names both."""


def read_members(data: bytes | memoryview, shard: str) -> list[tuple[str, dict[str, Span]]]:
    """The samples of a tar in order: (key, {suffix: span}), suffixes without their leading dot.

    Only what the format allows is accepted: plain files named KEY.SUFFIX, members of a sample together, each key and
    each suffix of a sample once, the archive ended as tar asks. Links, folders, paths, extended headers and sizes that
    leave the archive are refused.

    Raises:
        ShardError: the archive is none, is cut off, or has a member that the format does not allow.
    """
    samples: dict[str, dict[str, Span]] = {}
    headers = list(_walk(memoryview(data), shard))
    last, members = "", dict[str, Span]()
    for position, name, size in headers:
        key, dot, suffix = name.rstrip("\0").partition(".")
        if not dot or not _KEY.fullmatch(key) or not _SUFFIX.fullmatch(suffix):
            raise ShardError(f"shard {shard}: a member's name is not KEY.SUFFIX (a path, or characters not allowed)")
        if key != last:
            if key in samples:
                raise ShardError(f"shard {shard}: sample {key} is there twice, or its members do not stand together")
            last, members = key, {}
            samples[key] = members
        if suffix in members:
            raise ShardError(f"shard {shard}, sample {key}: there are two members .{suffix}")
        members[suffix] = (position + _BLOCK, position + _BLOCK + size)
    _check_sums(data, [position for position, _, _ in headers], shard)
    return list(samples.items())


def header_offsets(samples: Iterable[dict[str, Span]]) -> NDArray[np.int64]:
    """Where the headers of these samples' members stand, in bytes."""
    return np.fromiter((start - _BLOCK for members in samples for start, _ in members.values()), np.int64)


def header_blocks(data: bytes | memoryview, headers: NDArray[np.int64], told: int = _BLOCK) -> NDArray[np.uint8]:
    """The first `told` bytes of the headers at these offsets, uint8 [members, told]."""
    whole = len(data) // _BLOCK
    every = np.frombuffer(data, np.uint8, whole * _BLOCK).reshape(whole, _BLOCK)
    blocks: NDArray[np.uint8] = every[:, :told][headers // _BLOCK]
    return blocks


def _walk(data: memoryview, shard: str) -> Iterator[tuple[int, str, int]]:
    """Each member: its header's offset, its name as it stands there, and its content's size."""
    position, end = 0, len(data)
    while position + _BLOCK <= end:
        header = str(data[position : position + _BLOCK], "latin-1")
        if header[0] == "\0":
            if header.strip("\0"):
                raise ShardError(f"shard {shard}: the header at byte {position} has no name")
            return
        if header[_TYPE] not in "0\0":
            raise ShardError(f"shard {shard}: the member at byte {position} is no plain file (a link or the like)")
        if header[_PREFIX] != "\0":
            raise ShardError(f"shard {shard}: the member at byte {position} is in a folder")
        size = _OCTAL.fullmatch(header, 124, 136)
        if size is None:
            raise ShardError(f"shard {shard}: the header at byte {position} has no readable size")
        length = int(size[1], 8)
        after = position + _BLOCK + -(-length // _BLOCK) * _BLOCK
        if position + _BLOCK + length > end:
            break
        yield position, header[:100], length
        position = after
    raise ShardError(f"shard {shard} is cut off: download or build it again")


def _check_sums(data: bytes | memoryview, headers: list[int], shard: str) -> None:
    """Compare every header with its own checksum, all at once: byte by byte in Python it would cost most of all."""
    if not headers:
        return
    blocks = header_blocks(data, np.asarray(headers, np.int64))
    stored = str(blocks[:, _CHECKSUM].tobytes(), "latin-1")
    blocks[:, _CHECKSUM] = ord(" ")
    sums = blocks.sum(axis=1, dtype=np.int64).tolist()
    for i, total in enumerate(sums):
        field = _OCTAL.fullmatch(stored[8 * i : 8 * i + 8])
        if field is None or int(field[1], 8) != total:
            raise ShardError(f"shard {shard}: the header at byte {headers[i]} is damaged (checksum)")
