"""Reads the shards of a pool, and those of the next one ahead of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.background import Background
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.shard import broken_shard, parse_shard
from medcutmix_pipeline.loader.reading.sources import read_shard_bytes
from medcutmix_pipeline.loader.reading.tar import ShardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from medcutmix_pipeline.loader.reading.buffers import Buffers
    from medcutmix_pipeline.loader.reading.manifest import ShardRef
    from medcutmix_pipeline.loader.reading.remembered import Remembered
    from medcutmix_pipeline.loader.reading.shard import Shard

_READS_AT_ONCE = 4


class ShardReader:
    """Shards by their number, fetched whole in the background and kept while they are wanted.

    Args:
        refs: all shards.
        largest: bytes of the largest shard that is accepted.
        unverified: shards whose sha256 is to be compared with the manifest when they are next read; those that pass are
            taken out.
        remembered: what reports and plans said when a shard was read before.
        memory: for the bytes of shards.
        skip: a shard or sample that breaks the format is replaced by unusable samples instead of an error.
    """

    def __init__(
        self,
        refs: Sequence[ShardRef],
        largest: int,
        unverified: set[int],
        remembered: Remembered,
        memory: Buffers,
        skip: bool,
    ) -> None:
        self._refs, self._largest, self._unverified = refs, largest, unverified
        self._remembered, self._memory, self._skip = remembered, memory, skip
        self._fetched: dict[int, Future[memoryview]] = {}
        self._read: dict[int, Shard] = {}
        self._workers = Background(_READS_AT_ONCE, "shard-reader")

    def want(self, shards: Iterable[int]) -> None:
        """Begin to fetch these shards, and let go of all others."""
        wanted = dict.fromkeys(shards)
        for shard in [s for s in self._fetched if s not in wanted]:
            self._fetched.pop(shard).cancel()
            self._read.pop(shard, None)
        for shard in wanted:
            if shard not in self._fetched:
                self._fetched[shard] = self._workers.submit(partial(self._fetch, shard))

    def get(self, shard: int, pause: Callable[[], None] = at_full_speed) -> Shard:
        """A wanted shard, when it is there. `pause` is called after every sample that is read.

        Raises:
            ShardError: it cannot be read or breaks the format (unless `skip`).
            CancelledError: reading was stopped.
        """
        if shard not in self._read:
            self._read[shard] = self._parsed(shard, pause)
        return self._read[shard]

    def stop(self) -> None:
        """Read no more; whoever waits for a shard is told so at once. Any thread may call it, at any time."""
        self._workers.close()

    def close(self) -> None:
        """Stop reading, and let go of what was read."""
        self.stop()
        self._fetched.clear()
        self._read.clear()

    def _fetch(self, number: int) -> memoryview:
        ref = self._refs[number]
        verify = number in self._unverified
        data = read_shard_bytes(ref, self._largest, verify, self._memory.take, self._workers.stopped)
        self._unverified.discard(number)
        return data

    def _parsed(self, number: int, pause: Callable[[], None]) -> Shard:
        # One shard at a time: threads that parse side by side would only wait for one another's turn in Python.
        ref = self._refs[number]
        try:
            data = self._fetched[number].result()
            shard = self._remembered.recall(number, data, ref.name, pause)
            if shard is None:
                shard = parse_shard(data, ref.name, pause)
                self._remembered.keep(number, data, shard)
            if len(shard.samples) != ref.samples:
                raise ShardError(f"shard {ref.name} has {len(shard.samples)} samples, not {ref.samples} as was told")
        except ShardError as why:
            if not self._skip:
                raise
            return broken_shard(ref.name, ref.samples, str(why))
        if not self._skip:
            for sample in shard.samples:
                if sample.problem is not None:
                    raise sample.fail(sample.problem)
        return shard
