"""Files of a dataset, read whole: local, over HTTP, or from wherever fsspec reaches."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.buffers import fresh
from medcutmix_pipeline.loader.reading.remote import read_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from medcutmix_pipeline.loader.reading.buffers import Block


def read_url(
    url: str,
    largest: int,
    take: Callable[[int], Block] = fresh,
    stopped: Event | None = None,
    patient: bool = True,
) -> memoryview:
    """All bytes at a path or URL. `take` gives the memory for files that tell their size.

    A remote read that fails is tried again for about a minute, or for some seconds without `patient`.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: there are more than `largest` bytes, or it can never be read.
        OSError: it cannot be read.
        CancelledError: `stopped` was set while a remote file was read.
    """
    if "://" in url:
        return read_remote(url, largest, take, stopped or Event(), patient)
    return _read_local(Path(url), largest, take)


def _read_local(path: Path, largest: int, take: Callable[[int], Block]) -> memoryview:
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ValueError(f"it is larger than {largest} bytes")
        room = take(size).data
        return room[: file.readinto(room)]


def shown(url: str) -> str:
    """A URL without what follows its path: signed URLs carry a secret there."""
    return url.split("?")[0] if "://" in url else url


def reason(why: Exception) -> str:
    """What went wrong, without the path that an OSError adds."""
    return (why.strerror if isinstance(why, OSError) and why.strerror else str(why)) or type(why).__name__
