"""Which epoch is read, from which batch on, and how far it has come."""

from __future__ import annotations

from typing import Any

import torch

_EPOCH, _RESUMED_EPOCH, _RESUMED_BATCH, _RESUMPTIONS, _RESUMING_WORKERS = range(5)
_WORKERS = 4096
"""Workers whose resuming can be told apart."""


class Clock:
    """The epoch that is read, told by the process that trains and seen by workers that it keeps from epoch to epoch.

    A place to resume at is for one iteration: the next one, here or of all workers of a DataLoader. Whoever has begun
    there leaves a mark, so that an iteration after that begins with the first batch again.
    """

    def __init__(self) -> None:
        # On the CPU also where a script has made another device the default: workers are to see them.
        self._told = torch.tensor([0, -1, 0, 0, 0], device="cpu")
        # The last resumption at which each worker has begun.
        self._begun = torch.zeros(_WORKERS, dtype=torch.int64, device="cpu")
        self._reached = -1, 0  # the epoch and batch that this process has come to
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy, too, is seen by its workers."""
        self.__dict__.update(state)
        self._share()

    def _share(self) -> None:
        self._told.share_memory_()
        self._begun.share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration reads."""
        return int(self._told[_EPOCH])

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._told[_EPOCH] = epoch

    @property
    def place(self) -> int:
        """The batch at which to go on in this epoch, after all that this process has come to."""
        if self._reached[0] == self.epoch:
            return self._reached[1]
        return int(self._told[_RESUMED_BATCH]) if self._resumes(0, 0) else 0

    def resume(self, epoch: int, batch: int) -> None:
        """Let the next iteration begin at this batch of this epoch."""
        self._told.copy_(torch.tensor([epoch, epoch, batch, int(self._told[_RESUMPTIONS]) + 1, 0], device="cpu"))
        self._reached = -1, 0

    def begin(self, worker: int, workers: int) -> int:
        """The batch at which the iteration of one of so many workers begins."""
        start = 0
        if self._resumes(worker, workers):
            start = int(self._told[_RESUMED_BATCH])
            self._told[_RESUMING_WORKERS] = workers
            self._begun[worker % _WORKERS] = self._told[_RESUMPTIONS]
        return start

    def reach(self, epoch: int, batch: int) -> None:
        """This process has come to this batch: all before it have been yielded."""
        self._reached = epoch, batch

    def _resumes(self, worker: int, workers: int) -> bool:
        """Whether nobody has begun at the place to resume at but workers of the same iteration."""
        epoch, resumed, _, resumptions, resuming = self._told.tolist()
        return resumed == epoch and resuming in (0, workers) and int(self._begun[worker % _WORKERS]) < resumptions
