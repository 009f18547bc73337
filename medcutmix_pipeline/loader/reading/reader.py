"""Reads the shards of a pool, and those of the next one ahead of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.reading.shard import broken_shard, parse_shard
from medcutmix_pipeline.loader.reading.sources import read_shard_bytes
from medcutmix_pipeline.loader.reading.tar import ShardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from medcutmix_pipeline.loader.reading.shard import Shard
    from medcutmix_pipeline.loader.reading.sources import ShardRef

_READS_AT_ONCE = 4


class ShardReader:
    """Shards by their number, read whole in the background and kept while they are wanted.

    Args:
        refs: all shards.
        largest: bytes of the largest shard that is accepted.
        unverified: shards whose sha256 is to be compared with the manifest when they are next read; those that pass are
            taken out.
        skip: a shard or sample that breaks the format is replaced by unusable samples instead of an error.
    """

    def __init__(self, refs: Sequence[ShardRef], largest: int, unverified: set[int], skip: bool) -> None:
        self._refs, self._largest, self._unverified, self._skip = refs, largest, unverified, skip
        self._reads: dict[int, Future[Shard]] = {}
        self._workers = ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="shard-reader")

    def want(self, shards: Iterable[int]) -> None:
        """Begin to read these shards, and let go of all others."""
        wanted = dict.fromkeys(shards)
        for shard in [s for s in self._reads if s not in wanted]:
            self._reads.pop(shard).cancel()
        for shard in wanted:
            if shard not in self._reads:
                self._reads[shard] = self._workers.submit(self._read, shard)

    def get(self, shard: int) -> Shard:
        """A wanted shard, when it is read.

        Raises:
            ShardError: it cannot be read or breaks the format (unless `skip`).
        """
        return self._reads[shard].result()

    def close(self) -> None:
        """Stop reading."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._reads.clear()

    def _read(self, number: int) -> Shard:
        ref = self._refs[number]
        try:
            if ref.size > self._largest:
                raise ShardError(f"shard {ref.name} is larger than {self._largest} bytes")
            data = read_shard_bytes(ref, self._largest, number in self._unverified)
            self._unverified.discard(number)
            shard = parse_shard(data, ref.name)
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
