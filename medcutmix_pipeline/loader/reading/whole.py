"""A remote file, read whole in chunks: no more than is wanted, no more slowly, and no longer."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from medcutmix_pipeline.loader.reading.buffers import Block

_GRACE_S = 60
_SLOWEST = 1 << 16
"""Bytes a second: a read that is slower, a minute's grace aside, is begun again, as one that has stopped altogether."""
_clock = time.monotonic


class UselessError(ValueError):
    """A failure that will be the same if one asks again."""


class Wanted(NamedTuple):
    """How a file is to be read: how many bytes at most, what gives memory for them, and when to stop."""

    largest: int
    take: Callable[[int], Block]
    stopped: Event

    def check(self, size: int) -> None:
        """UselessError where there are more bytes than are wanted."""
        if size > self.largest:
            raise UselessError(f"it is larger than {self.largest} bytes")


def read_whole(read: Callable[[int], bytes], size: int | None, chunk: int, wanted: Wanted) -> memoryview:
    """What `read` gives, in memory that is taken at once where the size is known.

    Raises:
        UselessError: it is larger than wanted.
        OSError: it comes too slowly.
        CancelledError: it is not wanted any more.
    """
    if size is None:
        data = memoryview(b"".join(_parts(read, wanted.largest + 1, chunk, wanted.stopped)))
        wanted.check(len(data))
        return data
    wanted.check(size)
    room, end = wanted.take(size).data, 0
    for part in _parts(read, size, chunk, wanted.stopped):
        room[end : end + len(part)] = part
        end += len(part)
    return room[:end]


def _parts(read: Callable[[int], bytes], most: int, chunk: int, stopped: Event) -> Iterator[bytes]:
    """What `read` gives, until it gives nothing or as many bytes as are wanted are there."""
    got, began = 0, _clock()
    while got < most:
        if stopped.is_set():
            raise CancelledError
        part = read(min(chunk, most - got))
        if not part:
            return
        got += len(part)
        yield part
        if got < most and _clock() - began > _GRACE_S + got / _SLOWEST:
            raise OSError(f"it comes too slowly: {got} bytes in {_clock() - began:.0f} s")
