"""The epochs of a loader: what chance decides in each, how its samples are laid out, and a mark of all that decides."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.epochs.epoch import EpochLayout
from medcutmix_pipeline.loader.epochs.pool import Chance
from medcutmix_pipeline.loader.epochs.stream import EpochRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medcutmix_pipeline.loader.reading.manifest import ShardRef

_DRAWS = 2
"""Raised when a release draws otherwise from the same seed: a state of another one would go on with other batches."""


@dataclass(frozen=True)
class EpochSeries:
    """What the epochs of one rank have in common, and from an epoch's number its own.

    Attributes:
        refs: the shards.
        batch_size: samples in a batch.
        rank, world_size: whose batches, of how many.
        pool: batches in a pool.
        last, shuffle, seed: as the loader was asked.
        mix: share of matched hosts that are mixed, or a function of the epoch that gives it.
        alpha: of the Beta distribution from which λ is drawn; None: λ as stored.
    """

    refs: Sequence[ShardRef]
    batch_size: int
    rank: int
    world_size: int
    pool: int
    last: Literal["drop", "pad"]
    shuffle: bool
    seed: int
    mix: float | Callable[[int], float]
    alpha: float | None

    def share(self, epoch: int) -> float:
        """The share of matched hosts that are mixed. UsageError where `mix` gives none in [0, 1]."""
        told = self.mix(epoch) if callable(self.mix) else self.mix
        try:
            share = float(told)
        except (TypeError, ValueError):
            share = math.nan
        if not 0 <= share <= 1:
            raise UsageError(f"mix must be in [0, 1], not {told!r}")
        return share

    def layout(self, epoch: int) -> EpochLayout:
        """Which positions of which shards every rank and pool holds."""
        order = range(len(self.refs))
        if self.shuffle:
            order = self._chance(epoch).generator("loader.shards").permutation(len(self.refs)).tolist()
        counts = tuple(ref.samples for ref in self.refs)
        return EpochLayout(tuple(order), counts, self.batch_size, self.world_size, self.pool, self.last == "pad")

    def run(self, epoch: int) -> EpochRun:
        """The rank's batches of an epoch, to be made."""
        return EpochRun(self.layout(epoch), self._chance(epoch), self.rank)

    def fingerprint(self, epoch: int) -> str:
        """Equal for epochs with the same batches on every rank; 16 hexadecimal digits."""
        refs = [(ref.name, ref.samples, ref.sha256) for ref in self.refs]
        decides = [
            _DRAWS,
            self.pool,
            self.batch_size,
            self.world_size,
            self.last,
            self.seed,
            self.shuffle,
            self.alpha,
        ]
        return hashlib.sha256(json.dumps([decides, self.share(epoch), refs]).encode()).hexdigest()[:16]

    def _chance(self, epoch: int) -> Chance:
        return Chance(self.seed, epoch, self.share(epoch), self.alpha, self.shuffle)


def batches_in_pool(refs: Sequence[ShardRef], shards: int, largest: int, batch_size: int) -> int:
    """Batches that so many shards make on average, or so many bytes of them where these are fewer; one at least."""
    samples, size = sum(ref.samples for ref in refs), sum(ref.size for ref in refs)
    wanted = shards * samples / len(refs)
    fitting = largest * samples / max(1, size)
    return max(1, round(min(wanted, fitting) / batch_size))
