"""Errors of a disk that say which: a call that opens a file tells its name, one that writes to it does not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def failing_at(path: Path) -> Iterator[None]:
    """An `OSError` of the block that names no file names this one."""
    try:
        yield
    except OSError as why:
        if why.filename is None:
            why.filename = str(path)
        raise
