"""The pools of an epoch, one after the other, each made while the one before it is decoded."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from medcutmix_pipeline.loader.reading.background import Background
from medcutmix_pipeline.loader.reading.courtesy import Courtesy, at_full_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

Pool = TypeVar("Pool")


class PoolsAhead(Generic[Pool]):
    """Makes pools in a thread of its own, in their order, never more than one ahead.

    Args:
        make: makes the pool of a number; it is given a pause to call again and again.
        numbers: of the pools.
        first: the first of them, where it has been begun already.
        at_last: called once where the pool after the last one would be begun.
    """

    def __init__(
        self,
        make: Callable[[int, Callable[[], None]], Pool],
        numbers: Iterable[int],
        first: Future[Pool] | None,
        at_last: Callable[[], None],
    ) -> None:
        self._make, self._left, self._at_last = make, deque(numbers), at_last
        self._background = Background(1, "pool")
        self._coming, self._ended = first, False
        if first is not None:
            self._left.popleft()
        elif self._left:
            self._begin(at_full_speed)  # nobody decodes yet

    def take(self) -> Pool:
        """The next pool, when it is there; there must be one."""
        self.begin_next()
        coming = cast("Future[Pool]", self._coming)
        self._coming = None
        return coming.result()

    def begin_next(self) -> None:
        """Begin the pool behind the one that was taken last, if it is not begun: its shards take memory from now on."""
        if self._coming is None and self._left:
            self._begin(Courtesy())
        elif self._coming is None and not self._ended:
            self._ended = True
            self._at_last()

    def close(self) -> None:
        """Begin no more."""
        self._background.close()

    def _begin(self, pause: Callable[[], None]) -> None:
        self._coming = self._background.submit(partial(self._make, self._left.popleft(), pause))
