"""Runs an iterator in a thread of its own, some items ahead of who reads it."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")


class _End:
    """After the last item; `why` is the exception that ended the iterator, if one did."""

    def __init__(self, why: BaseException | None) -> None:
        self.why = why


def ahead(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The same items in the same order, up to `depth` of them made before they are asked for.

    An exception in `items` comes out after the items before it. Whoever stops early closes `items` and ends its thread.
    """
    made: queue.Queue[T | _End] = queue.Queue(max(1, depth))
    stopped = threading.Event()

    def run() -> None:
        why: BaseException | None = None
        try:
            for item in items:
                if not _put(made, item, stopped):
                    break
        except BaseException as error:  # whatever it is, the reader gets it
            why = error
        finally:
            items.close()
        _put(made, _End(why), stopped)

    thread = threading.Thread(target=run, name="loader", daemon=True)
    thread.start()
    try:
        while True:
            item = made.get()
            if isinstance(item, _End):
                if item.why is not None:
                    raise item.why
                return
            yield item
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:
                made.get_nowait()
        thread.join()


def _put(made: queue.Queue[T | _End], item: T | _End, stopped: threading.Event) -> bool:
    """Put an item where there is room for it; False once nobody reads any more."""
    while not stopped.is_set():
        try:
            made.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
