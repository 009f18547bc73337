"""One run through an epoch: pools are read, paired and dealt to batches, batches are decoded in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader.assemble import Pending, Wishes, finish_batch, start_batch
from medcutmix_pipeline.loader.decode import Undecodable, decode_maps
from medcutmix_pipeline.loader.pool import Chance, Row, pool_batches

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from medcutmix_pipeline.loader.batch import MixBatch
    from medcutmix_pipeline.loader.epoch import EpochLayout
    from medcutmix_pipeline.loader.reader import ShardReader
    from medcutmix_pipeline.loader.shard import Shard

_DECODED_AT_ONCE = 3


@dataclass(frozen=True)
class EpochRun:
    """All that decides which batches a rank gets in an epoch."""

    layout: EpochLayout
    chance: Chance
    rank: int

    def batches(
        self, numbers: Iterable[int], reader: ShardReader, wishes: Wishes, threads: int
    ) -> Generator[MixBatch, None, None]:
        """The rank's batches of these (rising) numbers, decoded on `threads` threads. Closes the reader at the end."""
        executor = ThreadPoolExecutor(threads, thread_name_prefix="decoder")
        pending: deque[tuple[int, Pending]] = deque()
        pool, grid = -1, (1, 1)
        rows: list[list[Row]] = []
        try:
            for number in numbers:
                if number // self.layout.pool != pool:
                    pool = number // self.layout.pool
                    rows, grid = self._pool(pool, reader)
                taken = rows[number - pool * self.layout.pool]
                pending.append((number, start_batch(taken, grid, wishes, self.chance, executor, threads)))
                if len(pending) == _DECODED_AT_ONCE:
                    yield self._finish(pending, wishes)
            while pending:
                yield self._finish(pending, wishes)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
            reader.close()

    def _finish(self, pending: deque[tuple[int, Pending]], wishes: Wishes) -> MixBatch:
        number, first = pending.popleft()
        return finish_batch(first, wishes, self.chance, number)

    def _pool(self, pool: int, reader: ShardReader) -> tuple[list[list[Row]], tuple[int, int]]:
        """A pool's batches, and (height, width) of its maps. Its successor's shards are read on in the background."""
        pieces = self.layout.pool_pieces(self.rank, pool)
        following = self.layout.pool_pieces(self.rank, pool + 1) if pool + 1 < self.layout.pools else []
        reader.want(piece.shard for piece in [*pieces, *following])
        read = [(piece, reader.get(piece.shard)) for piece in pieces]
        name = str((self.rank * self.layout.batches + pool * self.layout.pool) * self.layout.batch)
        return pool_batches(read, self.chance, self.layout.batch, name), _grid([shard for _, shard in read])


def _grid(shards: Sequence[Shard]) -> tuple[int, int]:
    """(height, width) of the first map that can be read; (1, 1) where there is none."""
    for sample in (s for shard in shards for s in shard.samples if s.maps is not None and s.problem is None):
        try:
            height, width = decode_maps(sample).shape[1:]
        except Undecodable:
            continue
        return height, width
    return 1, 1
