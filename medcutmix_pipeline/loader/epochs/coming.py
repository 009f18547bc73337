"""The first pool of the epoch that comes next, read and paired while the last of this one is decoded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.background import Background
from medcutmix_pipeline.loader.reading.courtesy import Courtesy

if TYPE_CHECKING:
    from collections.abc import Hashable
    from concurrent.futures import Future

    from medcutmix_pipeline.loader.epochs.stream import EpochRun, Pool
    from medcutmix_pipeline.loader.epochs.wishes import Wishes
    from medcutmix_pipeline.loader.reading.reader import ShardReader


@dataclass(frozen=True)
class Opened:
    """An epoch's reader, and its first pool once it is made."""

    reader: ShardReader
    pool: Future[Pool]


class ComingEpoch:
    """Holds at most one epoch that was opened before it is asked for. Copied, pickled or in a fork it is empty."""

    def __init__(self) -> None:
        self._kept: tuple[Hashable, Opened] | None = None
        self._process = os.getpid()

    def __reduce__(self) -> tuple[type[ComingEpoch], tuple[()]]:
        return ComingEpoch, ()

    def open(self, key: Hashable, run: EpochRun, reader: ShardReader, wishes: Wishes) -> None:
        """Begin to make an epoch's first pool, in a thread that leaves the decoders their turn."""
        self.close()
        make = partial(run.pool, reader, wishes, 0, Courtesy())
        self._kept = key, Opened(reader, Background(1, "coming").submit(make))
        self._process = os.getpid()

    def take(self, key: Hashable) -> Opened | None:
        """The epoch that was opened under this key, for the caller to use and close; any other is let go."""
        self._leave_to_parent()
        if self._kept is not None and self._kept[0] == key:
            opened, self._kept = self._kept[1], None
            return opened
        self.close()
        return None

    def close(self) -> None:
        """Stop reading, and let go of what was read."""
        self._leave_to_parent()
        if self._kept is not None:
            self._kept[1].reader.stop()
            self._kept = None

    def _leave_to_parent(self) -> None:
        """Forget what a process opened from which this one was forked: its threads are not here, nor will it come."""
        if self._process != os.getpid():
            self._kept = None
