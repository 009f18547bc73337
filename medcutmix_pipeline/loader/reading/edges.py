"""Who of a shard could be mixed with whom, as arrays: what every epoch's matching starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Edges:
    """Pairs of samples, once for each finding that they share, in the order of the plans; whichever is the host.

    Attributes:
        first, second: int32 [E], places in the shard, the lower one first.
        pair: int32 [E], a number of the pair: edges of the same two samples have the same.
        rarity: int32 [E], the number of samples that could be paired by the edge's finding.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    pair: NDArray[np.int32]
    rarity: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.first.nbytes + self.second.nbytes + self.pair.nbytes + self.rarity.nbytes

    def free_in(self, order: NDArray[np.int64], samples: int) -> list[int]:
        """The edges, taken in this order, of which both ends are still free."""
        taken, found = bytearray(samples), []
        for edge, first, second in zip(
            order.tolist(), self.first[order].tolist(), self.second[order].tolist(), strict=True
        ):
            if not (taken[first] or taken[second]):
                taken[first] = taken[second] = 1
                found.append(edge)
        return found


def edges_of(plans: Sequence[tuple[int, int, str]], samples: int) -> Edges:
    """The edges of plans, (host, donor, finding) with places in the shard, between so many samples."""
    code: dict[str, int] = {}
    told = [(host, donor, code.setdefault(finding, len(code))) for host, donor, finding in plans]
    host, donor, finding = np.array(told, np.int64).reshape(-1, 3).T
    codes = max(1, len(code))
    first, second = np.minimum(host, donor), np.maximum(host, donor)
    both = first * samples + second
    once = np.sort(np.unique(both * codes + finding, return_index=True)[1])
    first, second, both, finding = first[once], second[once], both[once], finding[once]
    ends = np.unique(np.concatenate([first, second]) * codes + np.tile(finding, 2)) % codes
    rarity = np.bincount(ends, minlength=codes)[finding]
    pair = np.unique(both, return_inverse=True)[1].reshape(-1)
    return Edges(*(column.astype(np.int32) for column in (first, second, pair, rarity)))
