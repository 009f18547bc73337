"""What the many exceptions of object stores mean. Their own texts name addresses, so nothing of them is passed on."""

from __future__ import annotations

import contextlib
import os
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
}


def trouble(error: Exception) -> str:
    """What an error of a store means, for people. By name, since the packages need not be installed."""
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
