"""One build at a time into one output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import unwritable
from medcutmix_pipeline.pipeline.failing_at import failing_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of the block; the lock goes with the process, however that ends.

    Raises:
        UsageError: another process holds it, and the message says which; or the folder may not be written to.
        DataError: the disk is full or fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+", encoding="utf-8")
    except OSError as why:
        raise unwritable(path.parent.parent, why) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(path) from None
        file.truncate(0)
        with failing_at(path):  # at once: what waited in a buffer would fail again, without a name, at the closing
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def check_free(path: Path) -> None:
    """Raise UsageError, as `exclusive` would, where a process holds the lock file; nothing is written."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(path) from None


def _running(path: Path) -> UsageError:
    holder = path.read_text(encoding="utf-8").strip() or "another process"
    return UsageError(f"a build into {path.parent.parent} is already running ({holder})")


def was_held(path: Path) -> bool:
    """Whether a build holds this file or held it once: it tells which process that was, and others' locks do not."""
    try:
        return re.fullmatch(r"process \d+ on \S+", path.read_text(encoding="utf-8").strip()) is not None
    except (OSError, ValueError):
        return False
