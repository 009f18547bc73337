"""Errors of a disk that say which file they are about: the system does so when it opens a file, and not afterwards."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """While the block works with an open file, its path is added to an OSError that names none."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
