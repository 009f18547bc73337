"""Files of a dataset, read whole: local, over HTTP, or from wherever fsspec reaches."""

from __future__ import annotations

import http.client
import os
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from medcutmix_pipeline.loader.reading.buffers import fresh

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from medcutmix_pipeline.loader.reading.buffers import Block

_ATTEMPTS = 4
_TIMEOUT_S = 60


def read_url(url: str, largest: int, take: Callable[[int], Block] = fresh, stopped: Event | None = None) -> memoryview:
    """All bytes at a path or URL; ValueError where there are more than `largest`, OSError where it cannot be read.

    A remote read that fails is tried again, four times in all. `take` gives the memory for a local file.
    """
    if "://" not in url:
        return _read_local(Path(url), largest, take)
    for attempt in range(_ATTEMPTS):
        try:
            return memoryview(_read_remote(url, largest))
        except FileNotFoundError:
            raise
        except ImportError as why:
            raise ValueError(str(why)) from None
        except (OSError, http.client.HTTPException) as why:
            if attempt == _ATTEMPTS - 1:
                raise OSError(reason(why)) from None
            time.sleep(0.25 * 2**attempt)
    raise AssertionError("unreachable")


def _read_local(path: Path, largest: int, take: Callable[[int], Block]) -> memoryview:
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ValueError(f"it is larger than {largest} bytes")
        room = take(size).data
        return room[: file.readinto(room)]


def _read_remote(url: str, largest: int) -> bytes:
    if url.startswith(("http://", "https://")):
        try:
            # the scheme is one of the two just named
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply:  # noqa: S310  # nosec B310
                data: bytes = reply.read(largest + 1)
                told = reply.headers.get("Content-Length")
        except urllib.error.HTTPError as why:
            if why.code in (404, 410):
                raise FileNotFoundError(url) from None
            raise OSError(f"the server answers {why.code}") from None
        if told is not None and told.isdigit() and len(data) < min(int(told), largest + 1):
            raise OSError("the connection ended early")
    else:
        with fsspec.open(url, "rb") as file:
            data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it is larger than {largest} bytes")
    return data


def shown(url: str) -> str:
    """A URL without what follows its path: signed URLs carry a secret there."""
    return url.split("?")[0] if "://" in url else url


def reason(why: Exception) -> str:
    """What went wrong, without the path that an OSError adds."""
    return (why.strerror if isinstance(why, OSError) and why.strerror else str(why)) or type(why).__name__
