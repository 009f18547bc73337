"""Decoders say nothing while they read: their warnings and log lines quote values, which may be a patient's."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("pydicom", "PIL")
_NOTHING = logging.CRITICAL + 1

_lock = threading.Lock()
_before: list[int] = []
"""The loggers' levels before the first of the blocks that are open now."""
_open = 0


@contextmanager
def quiet() -> Iterator[None]:
    """While the block runs, what pydicom and Pillow have to say goes nowhere, at whatever level logging is.

    A block within another costs next to nothing, while the first one makes every logger of the process forget what it
    knows of levels, which takes as long as encoding an image: whoever decodes many opens a block around all of them.
    """
    _silence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _restore()


def _silence() -> None:
    global _open  # loggers belong to the process, and so does the count of who keeps them silent
    with _lock:
        if not _open:
            _before[:] = [logging.getLogger(name).level for name in _LOGGERS]
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(_NOTHING)
        _open += 1


def _restore() -> None:
    global _open  # as above
    with _lock:
        _open -= 1
        if not _open:
            for name, level in zip(_LOGGERS, _before, strict=True):
                logging.getLogger(name).setLevel(level)
