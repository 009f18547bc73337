"""The one global decision of a build: clumps of samples that share a rare finding, dealt to shards by chance.

A common finding has partners in any shard of some 500; a rare one has none. So each sample is anchored to its rarest
present finding, the samples of one (split, view, finding) are cut into clumps, samples without a finding are clumps of
one, and the clumps are dealt to shards in keyed random order.

Nothing here holds the corpus. The sizes of the groups, which are counted beforehand, fix where clumps begin and how
many shards there are; after that samples may come range by range, first in the order of their hashes (`Clumps`), then
in that of their clumps' chance (`Deal`). All steps are vectorised: no Python loop runs over samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_DEAL = np.uint64(0x9E3779B97F4A7C15)
_SEAT = np.uint64(0xD1B54A32D192ED03)


def rarest_finding(lengths: Ints, findings: Ints, counts: Ints) -> Ints:
    """The rarest finding of each sample, or -1 where it has none.

    Args:
        lengths: int [N], how many findings each sample has.
        findings: int [sum of lengths], their codes, ≥ 0, sample by sample.
        counts: int [F], how many samples of the whole corpus have each finding.

    Returns:
        int64 [N]; ties go to the lower code.
    """
    anchor = np.full(lengths.size, -1, dtype=np.int64)
    by_rarity = np.argsort(counts, kind="stable")
    rarity = np.empty_like(by_rarity)
    rarity[by_rarity] = np.arange(by_rarity.size)
    some = lengths > 0
    if some.any():
        starts = (np.cumsum(lengths) - lengths)[some]
        anchor[some] = by_rarity[np.minimum.reduceat(rarity[findings], starts)]
    return anchor


def scramble(hashes: Hashes, salt: np.uint64) -> Hashes:
    """An independent-looking hash from a hash: the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = hashes + salt
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def seat_order(hashes: Hashes) -> Hashes:
    """uint64 [N]: what the samples of one shard are seated by."""
    return scramble(hashes, _SEAT)


@dataclass(frozen=True)
class Groups:
    """What the sizes of the groups fix: where clumps begin, and how many shards each split has.

    A group is the samples of one (split, view, anchor); its number is (split × 2 + view) × (F + 1) + anchor + 1.

    Attributes:
        sizes: int64 [G], samples in each group.
        splits: number of splits.
        clump: samples in a clump, at most; groups are cut evenly, without a stray rest.
        samples_per_shard: samples in a shard, at most.
    """

    sizes: Ints
    splits: int
    clump: int
    samples_per_shard: int

    @property
    def per_split(self) -> int:
        """How many groups a split has."""
        return self.sizes.size // self.splits

    @property
    def clumps(self) -> Ints:
        """int64 [G]: how many clumps each group is cut into; without a finding, each sample is one."""
        most = max(1, min(self.clump, self.samples_per_shard // 4))  # so that no clump is longer than a shard's span
        alone = np.arange(self.sizes.size) % (self.per_split // 2) == 0
        return np.where(alone, self.sizes, -(-self.sizes // most))

    @property
    def split_sizes(self) -> Ints:
        """int64 [splits]: samples in each split."""
        sizes: Ints = self.sizes.reshape(self.splits, -1).sum(axis=1)
        return sizes

    @property
    def shards(self) -> Ints:
        """int64 [splits]: shards of each split; none is empty."""
        largest = (-(-self.sizes // np.maximum(1, self.clumps))).reshape(self.splits, -1).max(axis=1)
        # A clump goes to the shard in which it begins, so a shard may run over by a clump less one: leave room for it.
        room = np.maximum(1, self.samples_per_shard - largest + 1)
        sizes = self.split_sizes
        return np.where(sizes <= self.samples_per_shard, np.minimum(sizes, 1), -(-sizes // room))


class Clumps:
    """Cuts groups into clumps. Samples are given in ranges of their hashes, lower ranges first."""

    def __init__(self, groups: Groups) -> None:
        self._sizes, self._clumps = groups.sizes, groups.clumps
        self._first_clump = np.cumsum(self._clumps) - self._clumps
        self._seen = np.zeros_like(self._sizes)
        self._lead = np.zeros(self._sizes.size, dtype=np.uint64)

    def take(self, group: Ints, hashes: Hashes) -> tuple[Ints, Ints, Hashes]:
        """The next range.

        Args:
            group: int64 [N], the samples' groups.
            hashes: uint64 [N], the samples' keyed hashes, none lower than those of an earlier range.

        Returns:
            order: int64 [N], the samples group by group, by hash within.
            clump: int64 [N], in that order: each one's clump, counted over all groups.
            chance: uint64 [N], in that order: the clump's chance in the deal, from the hash of its first sample.
        """
        order = np.lexsort((hashes, group))
        group, hashes = group[order], hashes[order]
        run = np.flatnonzero(np.diff(group, prepend=-1))
        length = np.diff(np.append(run, group.size))
        rank = np.arange(group.size) - np.repeat(run - self._seen[group[run]], length)
        size, clumps = self._sizes[group], self._clumps[group]
        place = rank * clumps // size
        leads = rank == -(-place * size // clumps)
        # A clump that an earlier range began has its chance from there.
        lead = hashes.copy()
        late = run[~leads[run]]
        lead[late] = self._lead[group[late]]
        leads[run] = True
        lead = lead[np.maximum.accumulate(np.where(leads, np.arange(group.size), 0))]
        self._seen[group[run]] += length
        self._lead[group[run]] = lead[run + length - 1]
        return order, self._first_clump[group] + place, scramble(lead, _DEAL)


class Deal:
    """Deals clumps to shards. Samples are given split by split in ranges of their clumps' chance, lower ones first.

    Shards are counted over all splits; the shards of a split follow each other.
    """

    def __init__(self, groups: Groups) -> None:
        self._sizes, self._shards = groups.split_sizes, groups.shards
        self._first_shard = np.cumsum(self._shards) - self._shards
        self._seen = np.zeros_like(self._sizes)

    def take(self, split: int, clump: Ints, chance: Hashes) -> tuple[Ints, Ints]:
        """The next range of a split; all samples of a clump are in one range.

        Args:
            clump: int64 [N], from `Clumps.take`.
            chance: uint64 [N], from `Clumps.take`.

        Returns:
            order: int64 [N], the samples as they are dealt.
            shard: int64 [N], in that order. A clump never spans two shards.
        """
        order = np.lexsort((clump, chance))
        clump = clump[order]
        begin = np.flatnonzero(np.diff(clump, prepend=-1))
        place = np.repeat(begin + self._seen[split], np.diff(np.append(begin, clump.size)))
        self._seen[split] += clump.size
        return order, self._first_shard[split] + place * self._shards[split] // self._sizes[split]
