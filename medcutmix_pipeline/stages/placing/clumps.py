"""The one global decision of a build: clumps of samples that share a rare finding, dealt to shards by chance.

A common finding has partners in any shard of some 500; a rare one has none. So each sample is anchored to its rarest
present finding, the samples of one (split, view, finding) are cut into clumps, samples without a finding are clumps of
one, and the clumps are dealt to shards in keyed random order. All steps are vectorised: a sample costs some 40 bytes,
and no Python loop runs over samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int64]
_Hashes = npt.NDArray[np.uint64]

_DEAL = np.uint64(0x9E3779B97F4A7C15)
_SEAT = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class Placing:
    """Where samples stand: for sample i, shard `shard[i]` (counted over all splits) and seat `seat[i]` within it.

    Shard s belongs to split `shard_split[s]` and is the `shard_number[s]`-th of it.
    """

    shard: _Ints
    seat: _Ints
    shard_split: _Ints
    shard_number: _Ints


def rarest_finding(rows: _Ints, findings: _Ints, samples: int) -> _Ints:
    """The rarest finding of each sample, or -1 where it has none.

    Args:
        rows: int [M], the sample of each of M present findings, ascending.
        findings: int [M], the finding's code, ≥ 0.
        samples: number of samples, N.

    Returns:
        int64 [N]; ties go to the lower code.
    """
    anchor = np.full(samples, -1, dtype=np.int64)
    if rows.size:
        count = np.bincount(findings)
        order = np.lexsort((findings, count[findings], rows))
        first = np.unique(rows[order], return_index=True)[1]
        anchor[rows[order][first]] = findings[order][first]
    return anchor


def scramble(hashes: _Hashes, salt: np.uint64) -> _Hashes:
    """An independent-looking hash from a hash: the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = hashes + salt
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def place(split: _Ints, view: _Ints, anchor: _Ints, hashes: _Hashes, clump: int, samples_per_shard: int) -> Placing:
    """Deal samples to shards.

    Args:
        split, view: int64 [N], codes ≥ 0.
        anchor: int64 [N], from `rarest_finding`; -1 for none.
        hashes: uint64 [N], the samples' keyed hashes.
        clump: samples in a clump, at most; a remainder is spread over the clumps of its group.
        samples_per_shard: samples in a shard, at most.

    Returns:
        A `Placing`. A clump never spans two shards, and no shard is empty.
    """
    clump = max(1, min(clump, samples_per_shard // 4))  # so that no shard is skipped by a clump longer than its span
    order = np.lexsort((hashes, anchor, view, split))
    first_of_clump = _clump_starts(split[order], view[order], anchor[order], clump)
    clump_of = np.cumsum(first_of_clump) - 1
    clump_rank = _ranks(split[order][first_of_clump], scramble(hashes[order][first_of_clump], _DEAL))
    dealt = np.empty_like(order)
    dealt[:] = order[np.argsort(clump_rank[clump_of], kind="stable")]
    return _cut(split, dealt, clump_rank[clump_of], hashes, clump, samples_per_shard)


def _clump_starts(split: _Ints, view: _Ints, anchor: _Ints, clump: int) -> npt.NDArray[np.bool_]:
    """bool [N]: whether a sample, in the order given, begins a clump. Groups are cut evenly, without a stray rest."""
    n = split.size
    new_group = np.ones(n, dtype=bool)
    new_group[1:] = (np.diff(split) != 0) | (np.diff(view) != 0) | (np.diff(anchor) != 0)
    group = np.cumsum(new_group) - 1
    start = np.flatnonzero(new_group)
    size = np.diff(np.append(start, n))
    clumps = -(-size // clump)
    within = np.arange(n) - start[group]
    part = within * clumps[group] // size[group]
    starts = np.ones(n, dtype=bool)
    starts[1:] = (np.diff(group) != 0) | (np.diff(part) != 0)
    return starts | (anchor < 0)


def _ranks(split: _Ints, chance: _Hashes) -> _Ints:
    """The rank of each clump: by split, then by chance."""
    ranks = np.empty(split.size, dtype=np.int64)
    ranks[np.lexsort((chance, split))] = np.arange(split.size)
    return ranks


def _cut(split: _Ints, dealt: _Ints, clump_rank: _Ints, hashes: _Hashes, clump: int, samples_per_shard: int) -> Placing:
    """Cut the row of clumps into shards of about equal size, and seat each shard's samples by chance."""
    n = dealt.size
    rank = np.sort(clump_rank)
    in_split = split[dealt]
    split_start = np.flatnonzero(np.append(True, np.diff(in_split) != 0)) if n else np.empty(0, dtype=np.int64)
    split_size = np.diff(np.append(split_start, n))
    # A clump goes to the shard in which it begins, so a shard may run over by a clump less one: leave room for it.
    largest = np.array(
        [_largest_clump(rank[s : s + k]) for s, k in zip(split_start, split_size, strict=True)], dtype=np.int64
    )
    room = np.maximum(1, samples_per_shard - largest + 1)
    shards = np.where(split_size <= samples_per_shard, 1, -(-split_size // room))
    which = np.cumsum(np.append(True, np.diff(in_split) != 0)) - 1 if n else np.empty(0, dtype=np.int64)
    clump_begin = np.flatnonzero(np.append(True, np.diff(rank) != 0)) if n else np.empty(0, dtype=np.int64)
    begin = clump_begin[np.cumsum(np.append(True, np.diff(rank) != 0)) - 1] if n else clump_begin
    number = (begin - split_start[which]) * shards[which] // split_size[which]
    shard_base = np.cumsum(shards) - shards
    shard = np.empty(n, dtype=np.int64)
    shard[dealt] = shard_base[which] + number
    order = np.lexsort((scramble(hashes, _SEAT), shard))
    starts = np.searchsorted(shard[order], np.arange(int(shards.sum())))
    seat = np.empty(n, dtype=np.int64)
    seat[order] = np.arange(n) - starts[shard[order]]
    return Placing(
        shard=shard,
        seat=seat,
        shard_split=np.repeat(in_split[split_start], shards) if n else np.empty(0, dtype=np.int64),
        shard_number=np.arange(int(shards.sum())) - np.repeat(shard_base, shards),
    )


def _largest_clump(rank: _Ints) -> int:
    return int(np.unique(rank, return_counts=True)[1].max())
