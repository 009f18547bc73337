"""Whether an output folder is ours: a build overwrites and removes files, and may do so in its own folders only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.atomic import write_bytes
from medcutmix_pipeline.pipeline.contents import DONE, SIGN, SIGNED, is_our_manifest
from medcutmix_pipeline.pipeline.lock import was_held

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Layout


def is_ours(layout: Layout) -> bool:
    """Whether the folder was made by a build, finished or not.

    Other tools know a dataset.json, a .build and a lock in it, too, so what these hold is looked at. Releases that left
    no sign are known by their lock and their marks.
    """
    if _content(layout.out / SIGN) == SIGNED or is_our_manifest(_content(layout.manifest)) or was_held(layout.lock):
        return True
    marks = (layout.facts(path.stem) for path in (layout.out / DONE).glob("*.json") if path.is_file())
    return any("key" in mark and "files" in mark for mark in marks if mark)


def claim(layout: Layout) -> None:
    """Leave the sign that the folder is ours. Only the process that holds the lock may call this."""
    if _content(layout.out / SIGN) != SIGNED:
        write_bytes(SIGNED, layout.out / SIGN, layout.scratch)


def _content(path: Path) -> bytes:
    """What a small file holds; nothing where it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
