"""Ways to name shards: globs and ranges, local and remote."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.loader.reading.fetch import shown
from medcutmix_pipeline.loader.reading.remote import because

if TYPE_CHECKING:
    from collections.abc import Iterable

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


def names_shards(place: str) -> bool:
    """Whether a place is that of shards; if not, it is a dataset's folder."""
    return shown(place).endswith(".tar") or (glob.has_magic(place) and not Path(place).is_dir())


def shards_at(place: str) -> Iterable[str]:
    """The paths or URLs that a place of shards stands for.

    Raises:
        DataError: a store cannot be searched.
    """
    braces = _BRACES.search(place)
    if braces:
        first, last = braces[1], braces[2]
        for number in range(int(first), int(last) + 1):
            yield from shards_at(place[: braces.start()] + str(number).zfill(len(first)) + place[braces.end() :])
    elif not glob.has_magic(place) or place.startswith(("http://", "https://")):
        yield place
    else:
        yield from _matching(place)


def _matching(place: str) -> list[str]:
    try:
        system, path = fsspec.core.url_to_fs(place)
        return [system.unstrip_protocol(found) if "://" in place else found for found in system.glob(path)]
    except Exception as why:  # each store has errors of its own
        raise DataError(f"{shown(place)} cannot be searched for shards: {because(why)}") from None
