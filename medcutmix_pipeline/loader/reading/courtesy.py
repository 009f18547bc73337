"""How a thread that runs much Python makes room for threads that decode.

A decoder needs the interpreter's lock for a moment several times an image. A thread that computes in Python gives it
away only when asked for `sys.getswitchinterval()` (5 ms), several times as long as an image takes to decode: while
such a thread is at work, all decoders together are hardly faster than one. Sleeping for an instant hands the lock over.
"""

from __future__ import annotations

import time

_TURN_S = 2e-4
_INSTANT_S = 2e-5


def at_full_speed() -> None:
    """No pause: for when nobody waits for the interpreter."""


class Courtesy:
    """Pauses for an instant where this thread has run on for a fifth of a millisecond; call it often."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Pause, if it is time."""
        if time.perf_counter() - self._since > _TURN_S:
            time.sleep(_INSTANT_S)
            self._since = time.perf_counter()
