"""Runs an iterator in a thread of its own, some items ahead of who reads it."""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING, TypeVar

from medcutmix_pipeline.loader.reading.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from threading import Event

T = TypeVar("T")

_LONGEST_GOODBYE_S = 10.0
_TURN_S = 0.5


class _End:
    """After the last item; `why` is the exception that ended the iterator, if one did."""

    def __init__(self, why: BaseException | None) -> None:
        self.why = why


def ahead(items: Generator[T, None, None], depth: int, interrupt: Callable[[], None]) -> Generator[T, None, None]:
    """The same items in the same order, up to `depth` of them made before they are asked for.

    An exception in `items` comes out after the items before it. Whoever stops early closes `items` and ends its thread;
    `interrupt` is called then, to end what `items` is waiting for. It is given a while to end, not for ever: Ctrl-C and
    `break` must not hang.
    """
    made: queue.Queue[T | _End] = queue.Queue(max(1, depth))
    background = Background(1, "loader")
    stopped = background.stopped

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

    background.submit(run)
    try:
        while True:
            item = _get(made)
            if isinstance(item, _End):
                if item.why is not None:
                    raise item.why
                return
            yield item
    finally:
        background.close()
        interrupt()
        with contextlib.suppress(queue.Empty):
            while True:
                made.get_nowait()
        background.join(_LONGEST_GOODBYE_S)


def _get(made: queue.Queue[T | _End]) -> T | _End:
    """The next item; waits in turns, so that Ctrl-C comes through where, or when, it cannot end a wait."""
    while True:
        with contextlib.suppress(queue.Empty):
            return made.get(timeout=_TURN_S)


def _put(made: queue.Queue[T | _End], item: T | _End, stopped: Event) -> bool:
    """Put an item where there is room for it; False once nobody reads any more."""
    while not stopped.is_set():
        try:
            made.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
