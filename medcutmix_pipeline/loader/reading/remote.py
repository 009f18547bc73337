"""Files over HTTP, or from wherever fsspec reaches: read whole, and asked for again where that may help."""

from __future__ import annotations

import email.utils
import http.client
import random
import re
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import CancelledError
from datetime import UTC
from email.message import Message
from typing import TYPE_CHECKING

import fsspec

from medcutmix_pipeline.loader.reading.whole import UselessError, Wanted, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from medcutmix_pipeline.loader.reading.buffers import Block

_PAUSES_S = (0.5, 1, 2, 4, 8, 16, 30)
"""Between one attempt and the next: a server that starts again is back within a minute."""
_PAUSES_IN_HASTE = 4
_LONGEST_PAUSE_S = 60.0
_TIMEOUT_S = 60
_HTTP_CHUNK = 1 << 18
_FSSPEC_CHUNK = 1 << 24  # each is a request to an object store
_GONE = (404, 410)
_WORTH_ASKING_AGAIN = (408, 425, 429)
"""Of the 4xx: the request came too slowly or too early, or there were too many of them."""
_QUERY = re.compile(r"(://[^\s?]*)\?\S*")
_LONGEST_REASON = 200
_chance = random.SystemRandom()  # the user's own random numbers are left alone


class _BusyError(OSError):
    """A failure that may pass, in so many seconds if the server says so, else 0."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


def read_remote(url: str, largest: int, take: Callable[[int], Block], stopped: Event, patient: bool) -> memoryview:
    """All bytes at a URL. `take` gives memory for files that tell their size.

    What fails in a way that may pass is asked for again: for about a minute with `patient`, else for some seconds, or
    for as long as the server asks, within bounds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is larger than `largest` bytes, or to ask again is no use.
        OSError: it failed again and again.
        CancelledError: `stopped` was set.
    """
    wanted = Wanted(largest, take, stopped)
    once = _over_http if url.startswith(("http://", "https://")) else _by_fsspec
    pauses = _PAUSES_S if patient else _PAUSES_S[:_PAUSES_IN_HASTE]
    for pause_s in (*pauses, None):
        try:
            return once(url, wanted)
        except FileNotFoundError:
            raise
        except (OSError, http.client.HTTPException) as why:
            if pause_s is None:
                raise OSError(because(why)) from None
            asked_s = why.seconds if isinstance(why, _BusyError) else 0.0
        # ranks that failed together should not come back together
        _pause(min(max(pause_s * _chance.uniform(0.75, 1.25), asked_s), _LONGEST_PAUSE_S), stopped)
    raise AssertionError("unreachable")


def _pause(seconds: float, stopped: Event) -> None:
    if stopped.wait(seconds):
        raise CancelledError


def _over_http(url: str, wanted: Wanted) -> memoryview:
    try:
        # the scheme is one of the two that were asked for
        reply = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310  # nosec B310
    except urllib.error.HTTPError as why:
        with why:
            raise _answer(why.code, why.headers) from None
    except http.client.InvalidURL:
        raise UselessError("this is no URL") from None
    except urllib.error.URLError as why:
        if isinstance(why.reason, ssl.SSLCertVerificationError):
            raise UselessError(because(why)) from None
        raise
    with reply:
        told = reply.headers.get("Content-Length") or ""
        size = int(told) if told.isascii() and told.isdecimal() else None
        data = read_whole(reply.read1, size, _HTTP_CHUNK, wanted)
    if size is not None and len(data) < size:
        raise OSError("the connection ended early")
    return data


def _answer(code: int, headers: Message) -> Exception:
    """The error for a server's answer that is not what was asked for."""
    if code in _GONE:
        return FileNotFoundError(code)
    said = f"the server answers {code}"
    if 400 <= code < 500 and code not in _WORTH_ASKING_AGAIN:
        return UselessError(said)
    return _BusyError(said, _retry_after(headers))


def _retry_after(headers: Message) -> float:
    """The seconds of a Retry-After, a number or a date (RFC 9110, 10.2.3); 0 where there is none."""
    told = str(headers.get("Retry-After", "")).strip()
    if told.isascii() and told.isdecimal():
        return float(told)
    try:
        then = email.utils.parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return 0.0
    return (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - time.time()


def _by_fsspec(url: str, wanted: Wanted) -> memoryview:
    try:
        with _opened(url) as file:
            size = getattr(file, "size", None)
            return read_whole(file.read, size if isinstance(size, int) else None, _FSSPEC_CHUNK, wanted)
    except (FileNotFoundError, UselessError, CancelledError):
        raise
    except (PermissionError, IsADirectoryError) as why:
        raise UselessError(because(why)) from None
    except Exception as why:  # each store has errors of its own, few of which are OSErrors
        code = getattr(why, "code", getattr(why, "status", None))
        raise (_answer(code, Message()) if isinstance(code, int) and code >= 400 else OSError(because(why))) from None


def _opened(url: str) -> fsspec.core.OpenFile:
    try:
        return fsspec.open(url, "rb")
    except (ImportError, ValueError) as why:
        raise UselessError(str(why)) from None


def because(why: object) -> str:
    """What went wrong in a line, without the path that an OSError adds, and without what follows the path of a URL."""
    if isinstance(why, urllib.error.URLError):
        return because(why.reason)
    if isinstance(why, OSError):
        told = why.strerror or str(why) or type(why).__name__
    else:
        told = str(why) if isinstance(why, str) else f"{type(why).__name__}: {why}"
    return " ".join(_QUERY.sub(r"\1", told).split())[:_LONGEST_REASON]
