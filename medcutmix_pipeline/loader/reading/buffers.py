"""Memory for shards and batches that is used again: to get new pages takes the system longer than to fill them."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.uint8]
_SPARE = 16
"""A new block is larger than asked for by one part in so many: the next shard is hardly ever of the same size."""


def fresh(size: int) -> Block:
    """New memory, uint8 [size]."""
    return np.empty(size, np.uint8)


class Buffers:
    """Gives memory out and takes it back once no tensor, view or array of it is left anywhere.

    It may be asked by several threads at once. Copied or pickled it is empty.

    Args:
        kept: the largest number of blocks that wait to be used again.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._free: deque[Block] = deque(maxlen=kept)

    def __reduce__(self) -> tuple[type[Buffers], tuple[int]]:
        return Buffers, (self._kept,)

    def take(self, size: int) -> Block:
        """So many bytes, uint8 [size]; what is in them is undefined."""
        block = self._fitting(size)
        if block is None:
            block = fresh(size + size // _SPARE)
        # a view that only the caller has: it dies with the last tensor or array that shares the memory
        view = block[:size]
        weakref.finalize(view, self._free.append, block).atexit = False
        return view

    def clear(self) -> None:
        """Let go of what waits to be used again."""
        self._free.clear()

    def _fitting(self, size: int) -> Block | None:
        """A free block of this size or, so that shards of unequal sizes share them, somewhat more."""
        for _ in range(self._kept):
            try:
                block = self._free.popleft()
            except IndexError:
                return None
            if size <= block.size <= 2 * size:
                return block
            self._free.append(block)
        return None
