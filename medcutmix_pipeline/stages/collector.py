"""Python's garbage collector, and when it would only be in the way."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: records and memories have no cycles, and it would walk all of them in vain.

    For a bounded piece of work, such as a shard's.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
