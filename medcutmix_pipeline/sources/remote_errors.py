"""What the many exceptions of object stores mean. Their own texts name addresses, so nothing of them is passed on."""

from __future__ import annotations

import contextlib
import os
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MEANINGS = {
    "NoCredentialsError": "no credentials are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "PartialCredentialsError": "the credentials are not whole: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "there is no such profile: check AWS_PROFILE",
    "EndpointConnectionError": "no server answers: check the network and AWS_ENDPOINT_URL",
    "ConnectTimeoutError": "no server answers: check the network and AWS_ENDPOINT_URL",
    "PermissionError": "access is denied: check the credentials and what they are allowed",
    "FileNotFoundError": "there is no such bucket",
    "ClientConnectorError": "no server answers: check the network and the address",
}

HTTP = frozenset({"http", "https"})
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


def is_gone(error: Exception) -> bool:
    """Whether a web server says that there is no such file, and not that it cannot or will not give it now."""
    origin = _origin(error)
    return isinstance(origin, FileNotFoundError) or _status(origin) in _GONE


def _origin(error: BaseException) -> BaseException:
    """What really happened: for whatever fails, fsspec's HTTP raises a FileNotFoundError, and keeps what did as its
    cause. Other stores mean what they raise."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    told = isinstance(cause, FileNotFoundError | TimeoutError) or type(cause).__module__.startswith("aiohttp")
    return _origin(cause) if cause is not None and told else error


def _status(error: BaseException) -> int | None:
    """The HTTP status with which a web server refused."""
    return getattr(error, "status", None) if type(error).__name__ == "ClientResponseError" else None


def trouble(failure: Exception) -> str:
    """What an error of a store means, for people. By name, since the packages need not be installed."""
    error = _origin(failure)
    if status := _status(error):
        return f"the server answers {status} {responses.get(status, '')}".rstrip()
    for kind in type(error).__mro__:
        if kind.__name__ in _MEANINGS:
            return _MEANINGS[kind.__name__]
    number = error.errno if isinstance(error, OSError) else None
    return f"the store failed ({os.strerror(number) if number else type(error).__name__})"


@contextlib.contextmanager
def telling(failure: Callable[[str], PipelineError]) -> Iterator[None]:
    """While the block works with a store, whatever the store raises becomes one of our errors.

    Args:
        failure: makes the error of what happened, in words.
    """
    try:
        yield
    except PipelineError:
        raise
    except Exception as why:  # each store has exceptions of its own
        raise failure(trouble(why)) from None
