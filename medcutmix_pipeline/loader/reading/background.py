"""Calls that run in the background, and that nobody has to wait for: not who leaves early, and not the interpreter.

An executor of the standard library is waited for when the interpreter ends, and a call that it runs cannot be
abandoned. A read from a server that has gone silent would keep a program alive, or deaf to Ctrl-C, for a minute.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LAST_WAIT_S = 0.5


class Background:
    """Runs calls in their order on daemon threads, which end when there is nothing to do.

    Args:
        threads: the largest number of calls that run at once.
        name: what the threads are called.

    Attributes:
        stopped: set once nobody wants anything any more; a call that takes long should look at it now and then.
    """

    def __init__(self, threads: int, name: str) -> None:
        self.stopped = threading.Event()
        self._free, self._name = threads, name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._undone: set[Future[Any]] = set()
        self._started: list[threading.Thread] = []
        _all.add(self)

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call when a thread is free for it. Its future may be cancelled at any time, even while it runs."""
        future: Future[T] = Future()
        with self._lock:
            if self.stopped.is_set():
                future.cancel()
                return future
            self._undone.add(future)
            self._waiting.append((future, call))
            if self._free:
                self._free -= 1
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._started = [*(one for one in self._started if one.is_alive()), thread]
                thread.start()
        return future

    def close(self) -> None:
        """Begin no more, and cancel what is not done: whoever waits for it gets a CancelledError at once.

        A call that runs is not waited for.
        """
        with self._lock:
            self.stopped.set()
            self._waiting.clear()
            undone = list(self._undone)
        for future in undone:
            future.cancel()

    def join(self, timeout: float) -> None:
        """Wait until the threads have ended, but no longer than so many seconds in all."""
        end = time.monotonic() + timeout
        for thread in self._started:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                future, call = self._waiting.popleft()
            if not future.cancelled():
                _settle(future, call)
            with self._lock:
                self._undone.discard(future)
            del future, call  # what it gave belongs to who asked for it


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    """Make a call and tell its future, which counts as waiting until then: one that runs could not be cancelled."""
    try:
        value = call()
    except BaseException as why:  # whatever it is, who asks for the result gets it
        if future.set_running_or_notify_cancel():
            future.set_exception(why)
    else:
        if future.set_running_or_notify_cancel():
            future.set_result(value)


_all: weakref.WeakSet[Background] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_all.clear)  # threads stay with the parent


@atexit.register
def _end() -> None:
    """Ask all threads to end and give them an instant: the interpreter stops those that are left where they stand."""
    left = list(_all)
    for background in left:
        background.close()
    end = time.monotonic() + _LAST_WAIT_S
    for background in left:
        background.join(max(0.0, end - time.monotonic()))
