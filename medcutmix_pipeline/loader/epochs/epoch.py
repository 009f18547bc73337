"""The arithmetic of an epoch: which positions of which shards each rank and each pool of batches holds.

Shards are put in a random order and their samples counted through: positions 0 to N - 1. A rank owns a run of
positions, a pool a run of a rank's, both multiples of the batch size, so that every batch belongs to one pool and a
pool can be made without the ones before it. A shard through which a boundary runs is read on both sides; its matching
is the same on both, and `pack` cuts it there without parting partners. All follows from the arguments alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Piece:
    """A run of a shard: the `index`-th of its `sizes` (which sum to the shard's samples) when it is cut everywhere.

    `repeats`: the run fills up the epoch's last batches and has been seen before.
    """

    shard: int
    sizes: tuple[int, ...]
    index: int
    repeats: bool = False


@dataclass(frozen=True)
class EpochLayout:
    """How an epoch is laid out.

    Attributes:
        order: shards in the epoch's order, as numbers into `counts`.
        counts: samples of every shard.
        batch: samples in a batch.
        world: ranks.
        pool: batches in a pool.
        pad: whether the last batches are filled by repeating the first samples, instead of leaving the rest out.
    """

    order: tuple[int, ...]
    counts: tuple[int, ...]
    batch: int
    world: int
    pool: int
    pad: bool

    @cached_property
    def total(self) -> int:
        """Samples in the epoch's shards."""
        return sum(self.counts)

    @cached_property
    def batches(self) -> int:
        """Batches of each rank."""
        step = self.batch * self.world
        return -(-self.total // step) if self.pad else self.total // step

    @cached_property
    def left_out(self) -> int:
        """Samples that no rank sees in this epoch: fewer than one batch of every rank."""
        return max(0, self.total - self.batches * self.batch * self.world)

    @cached_property
    def pools(self) -> int:
        """Pools of each rank."""
        return -(-self.batches // self.pool)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(self.counts[shard] for shard in self.order)]

    @cached_property
    def _boundaries(self) -> list[int]:
        """Where one pool ends and another begins, as positions: all ranks' boundaries, as every rank must cut alike."""
        run, step = self.batches * self.batch, self.pool * self.batch
        ends = {rank * run + min(pool * step, run) for rank in range(self.world) for pool in range(self.pools + 1)}
        return sorted({end % self.total for end in ends})

    def pool_pieces(self, rank: int, pool: int) -> list[Piece]:
        """The pieces of shards that make up a rank's pool, in the epoch's order."""
        position = (rank * self.batches + pool * self.pool) * self.batch
        stop = (rank * self.batches + min(self.batches, (pool + 1) * self.pool)) * self.batch
        pieces = []
        while position < stop:
            lap, within = divmod(position, self.total)
            place = bisect_right(self._starts, within) - 1
            edges = self._edges(place)
            index = bisect_right(edges, within) - 1
            sizes = tuple(b - a for a, b in pairwise(edges))
            pieces.append(Piece(self.order[place], sizes, index, repeats=lap > 0))
            position += sizes[index]
        return pieces

    def _edges(self, place: int) -> list[int]:
        """The positions where the shard at a place in the order begins, is cut, and ends."""
        first, last = self._starts[place], self._starts[place + 1]
        inner = self._boundaries[bisect_right(self._boundaries, first) : bisect_left(self._boundaries, last)]
        return [first, *inner, last]
