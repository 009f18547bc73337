"""One run through an epoch: pools are read, paired and dealt to batches, batches are decoded in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING

import torch

from medcutmix_pipeline.loader.epochs.assemble import Pending, finish_batch, start_batch
from medcutmix_pipeline.loader.epochs.common import Common, common_of
from medcutmix_pipeline.loader.epochs.pool import Chance, Row, pool_batches
from medcutmix_pipeline.loader.epochs.pools import PoolsAhead
from medcutmix_pipeline.loader.reading.courtesy import Courtesy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from medcutmix_pipeline.loader.batch import MixBatch
    from medcutmix_pipeline.loader.epochs.epoch import EpochLayout
    from medcutmix_pipeline.loader.epochs.wishes import Wishes
    from medcutmix_pipeline.loader.reading.buffers import Buffers
    from medcutmix_pipeline.loader.reading.reader import ShardReader

_DECODED_AT_ONCE = 3

Pool = tuple[list[list[Row]], Common]
"""A pool's batches, and what its samples share."""


def _nothing() -> None:
    """Nobody waits for the last pool."""


@dataclass(frozen=True)
class EpochRun:
    """All that decides which batches a rank gets in an epoch."""

    layout: EpochLayout
    chance: Chance
    rank: int

    def batches(
        self,
        numbers: Sequence[int],
        reader: ShardReader,
        wishes: Wishes,
        buffers: Buffers,
        threads: int,
        first: Future[Pool] | None = None,
        at_last_pool: Callable[[], None] = _nothing,
    ) -> Generator[MixBatch, None, None]:
        """The rank's batches of these (rising) numbers, decoded on `threads` threads. Closes the reader at the end.

        `buffers` give the memory of images, which they get back when nobody holds anything of a batch's any more.
        `first` is the first pool that they need, where it has been begun; `at_last_pool` is called when all are read.
        """
        executor = ThreadPoolExecutor(threads, thread_name_prefix="decoder")
        pending: deque[tuple[int, Pending]] = deque()
        wanted = list(dict.fromkeys(n // self.layout.pool for n in numbers))
        few = len(numbers) <= _DECODED_AT_ONCE * len(wanted)  # batches in a pool: too few to wait for the first
        pools = PoolsAhead(partial(self.pool, reader, wishes), wanted, first, at_last_pool)
        pool, common, pause = -1, Common(), Courtesy()
        rows: list[list[Row]] = []
        try:
            for number in numbers:
                if number // self.layout.pool != pool:
                    pool, rows = number // self.layout.pool, []
                    rows, common = pools.take()
                taken = rows[number - pool * self.layout.pool]
                shape = len(taken), 1, *common.size
                pixels = torch.from_numpy(buffers.take(prod(shape))).reshape(shape)
                pending.append((number, start_batch(taken, pixels, common, wishes, self.chance, executor, threads)))
                del pixels  # the last to let go of a batch gives its memory back: that must not be us
                if few or pending[0][0] // self.layout.pool == pool:
                    pools.begin_next()  # in the memory of the pool before this one, of which no batch is left
                if len(pending) == _DECODED_AT_ONCE:
                    yield self._finish(pending, wishes, pause)
            while pending:
                yield self._finish(pending, wishes, pause)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
            pools.close()
            reader.close()

    def _finish(self, pending: deque[tuple[int, Pending]], wishes: Wishes, pause: Callable[[], None]) -> MixBatch:
        number, first = pending.popleft()
        return finish_batch(first, wishes, self.chance, number, pause)

    def pool(self, reader: ShardReader, wishes: Wishes, pool: int, pause: Callable[[], None]) -> Pool:
        """Read, pair and deal a pool, on this thread; `pause` is called again and again."""
        pieces = self.layout.pool_pieces(self.rank, pool)
        reader.want(piece.shard for piece in pieces)
        read = [(piece, reader.get(piece.shard, pause)) for piece in pieces]
        name = str((self.rank * self.layout.batches + pool * self.layout.pool) * self.layout.batch)
        common = common_of(
            [sample for _, shard in read for sample in shard.samples], wishes.image_size, wishes.max_pixels
        )
        return pool_batches(read, self.chance, self.layout.batch, name, pause), common
