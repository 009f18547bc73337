"""One build at a time into one prefix of an object store, which knows no locks that end with their process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.storage.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.pipeline.storage.store import Store

NAME = ".build/lease.json"
SECONDS = 120.0
"""How long a lease holds that nobody renews; its clock is that of the machines, which have to agree within less."""


class Hold:
    """What a build has of a prefix until another takes it over, because this one stood still for too long."""

    def __init__(self, store: Store, token: str) -> None:
        self._store, self._token = store, token
        self._lost = threading.Event()

    def __call__(self) -> None:
        """Ask the store; StoreError where the prefix is held no more."""
        if _read(self._store).get("token") != self._token:
            self._lost.set()
        self.known()

    def known(self) -> None:
        """StoreError where it is known that the prefix is held no more. Asks nobody."""
        if self._lost.is_set():
            raise StoreError(
                f"another build has taken {self._store.url} over, because this one did not renew its hold in time"
            )

    def renew(self, done: threading.Event) -> None:
        """Keep the prefix until `done`, or until it is lost."""
        _renew(self._store, self._token, done)
        if not done.is_set():
            self._lost.set()


@contextlib.contextmanager
def leased(store: Store) -> Iterator[Hold]:
    """Hold the prefix for the length of the block, by an object that is renewed while the process lives.

    The lease of a process that was killed ends by itself; at once, where that process ran on this machine.

    Raises:
        UsageError: another build holds it, and the message says which and how long.
    """
    token = uuid.uuid4().hex
    if not store.create(NAME, _lease(token)):
        _take_over(store, token)
    hold, done = Hold(store, token), threading.Event()
    renewing = threading.Thread(target=hold.renew, args=(done,), daemon=True)
    renewing.start()
    try:
        yield hold
    finally:
        done.set()
        renewing.join()
        with contextlib.suppress(StoreError):  # it ends by itself
            if _read(store).get("token") == token:
                store.remove([NAME])


def _take_over(store: Store, token: str) -> None:
    held = _read(store)
    left = float(held.get("until", 0)) - time.time()
    if left > 0 and not _dead_here(held):
        raise UsageError(
            f"a build into {store.url} is already running (process {held.get('process')} on {held.get('host')}); "
            f"if it was killed, its hold ends in {left:.0f} s"
        )
    store.write(NAME, _lease(token))
    if _read(store).get("token") != token:
        raise UsageError(f"another build into {store.url} has begun in this moment")


def _renew(store: Store, token: str, done: threading.Event) -> None:
    while not done.wait(timeout=SECONDS / 4):
        with contextlib.suppress(StoreError):  # a store that fails for long fails the build as well
            if _read(store).get("token") != token:
                return  # this process stood still, and another build has the prefix now: it must not lose it again
            store.write(NAME, _lease(token))


def _lease(token: str) -> bytes:
    lease = {"token": token, "process": os.getpid(), "host": socket.gethostname(), "until": time.time() + SECONDS}
    return json.dumps(lease).encode()


def _read(store: Store) -> dict[str, Any]:
    try:
        lease = json.loads(store.read(NAME) or b"{}")
    except ValueError:
        return {}
    return lease if isinstance(lease, dict) else {}


def _dead_here(lease: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    if lease.get("host") != socket.gethostname() or not isinstance(lease.get("process"), int):
        return False
    try:
        os.kill(lease["process"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
