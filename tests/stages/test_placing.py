"""Placing: every sample gets one seat, shards stay within their size, and rare findings meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.stages.placing.clumps import Clumps, Deal, Groups, rarest_finding, seat_order
from tests.stages import plain_placing as plain

FINDINGS = 6


def corpus(seed: int, samples: int, few_hashes: bool = False):
    """Columns as `placed` takes them; with few hashes, many samples and clumps have the same chance."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 3, samples)
    codes = np.minimum(rng.geometric(0.4, lengths.sum()) - 1, FINDINGS - 1)
    hashes = rng.integers(0, 2**64, samples, dtype=np.uint64)
    return {
        "split": (rng.random(samples) < 0.2).astype(np.int64),
        "view": (rng.random(samples) < 0.4).astype(np.int64),
        "anchor": rarest_finding(lengths, codes, np.bincount(codes, minlength=FINDINGS)),
        "hashes": hashes & np.uint64(7 << 61) if few_hashes else hashes,
    }


def placed(split, view, anchor, hashes, clump, samples_per_shard, ranges=1):
    """(shard, seat) of each sample, and the split of each shard, from samples given in so many ranges."""
    splits = int(split.max(initial=-1)) + 1
    group = (split * 2 + view) * (FINDINGS + 1) + anchor + 1
    sizes = np.bincount(group, minlength=splits * 2 * (FINDINGS + 1))
    groups = Groups(sizes, splits, clump, samples_per_shard)
    clumps, deal = Clumps(groups), Deal(groups)
    cut = (np.arange(1, ranges) * ((1 << 64) // ranges)).astype(np.uint64)
    number, chance = np.zeros(split.size, np.int64), np.zeros(split.size, np.uint64)
    for rows in (np.flatnonzero(np.searchsorted(cut, hashes, "right") == r) for r in range(ranges)):
        order, number[rows], chance[rows] = clumps.take(group[rows], hashes[rows])
        number[rows[order]], chance[rows[order]] = number[rows].copy(), chance[rows].copy()
    shard = np.full(split.size, -1)
    for s in range(splits):
        for r in range(ranges):
            rows = np.flatnonzero((split == s) & (np.searchsorted(cut, chance, "right") == r))
            order, dealt = deal.take(s, number[rows], chance[rows])
            shard[rows[order]] = dealt
    seat = np.empty(split.size, np.int64)
    by_seat = np.lexsort((seat_order(hashes), shard))
    seat[by_seat] = np.arange(split.size) - np.searchsorted(shard[by_seat], shard[by_seat])
    return shard, seat, np.repeat(np.arange(splits), groups.shards)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    samples=st.integers(1, 200),
    clump=st.integers(2, 12),
    size=st.integers(2, 64),
    ranges=st.integers(1, 9),
    few_hashes=st.booleans(),
)
def test_samples_stand_where_a_plain_computation_puts_them(seed, samples, clump, size, ranges, few_hashes):
    given_ = corpus(seed, samples, few_hashes)
    shard, seat, splits = placed(**given_, clump=clump, samples_per_shard=size, ranges=ranges)
    stand = plain.shards(*(column.tolist() for column in given_.values()), clump, size)
    assert splits.tolist() == [split for split, _ in stand]
    for number, (_, members) in enumerate(stand):
        assert shard[members].tolist() == [number] * len(members)
        assert seat[members].tolist() == list(range(len(members)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(1, 300), clump=st.integers(2, 12), size=st.integers(2, 64))
def test_every_sample_has_exactly_one_seat_in_a_shard_of_its_split(seed, samples, clump, size):
    given_ = corpus(seed, samples)
    shard, seat, splits = placed(**given_, clump=clump, samples_per_shard=size)
    seats = sorted(zip(shard.tolist(), seat.tolist(), strict=True))
    counts = np.bincount(shard, minlength=splits.size)
    assert seats == [(shard, seat) for shard, count in enumerate(counts) for seat in range(count)]
    assert (splits[shard] == given_["split"]).all()
    assert (counts > 0).all()
    assert (counts <= size).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(2, 200))
def test_the_order_in_which_samples_are_listed_does_not_matter(seed, samples):
    given_ = corpus(seed, samples)
    order = np.random.default_rng(seed + 1).permutation(samples)
    shard, seat, _ = placed(**given_, clump=8, samples_per_shard=32)
    shuffled = placed(**{name: column[order] for name, column in given_.items()}, clump=8, samples_per_shard=32)
    assert (shard[order] == shuffled[0]).all()
    assert (seat[order] == shuffled[1]).all()


def test_a_finding_of_eight_among_ten_thousand_stands_together_in_one_shard():
    rng = np.random.default_rng(0)
    samples = 10_000
    anchor = np.full(samples, -1, dtype=np.int64)
    rare = rng.choice(samples, 8, replace=False)
    anchor[rare] = 3
    zeros = np.zeros(samples, dtype=np.int64)
    hashes = rng.integers(0, 2**64, samples, dtype=np.uint64)
    shard, _, splits = placed(zeros, zeros, anchor, hashes, 8, 512, ranges=5)
    assert np.unique(shard[rare]).size == 1
    # By chance alone, eight samples in twenty shards would share one about once in 20 ** 7 draws.
    assert splits.size == 20


def test_the_rarest_finding_anchors_a_sample():
    lengths = np.array([2, 1, 2, 1, 0])
    findings = np.array([0, 1, 0, 0, 2, 0])
    assert rarest_finding(lengths, findings, np.bincount(findings)).tolist() == [1, 0, 2, 0, -1]


@given(st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), max_size=30))
def test_the_rarest_finding_is_that_of_a_plain_count(findings):
    flat = np.array([code for codes in findings for code in codes], dtype=np.int64)
    lengths = np.array([len(codes) for codes in findings], dtype=np.int64)
    anchor = rarest_finding(lengths, flat, np.bincount(flat, minlength=FINDINGS))
    assert anchor.tolist() == plain.rarest(findings)


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 1025])
def test_shards_are_filled_evenly(samples):
    zeros = np.zeros(samples, dtype=np.int64)
    hashes = np.random.default_rng(samples).integers(0, 2**64, samples, dtype=np.uint64)
    shard, _, _ = placed(zeros, zeros, zeros - 1, hashes, 8, 512)
    counts = np.bincount(shard)
    assert counts.max() <= 512
    assert counts.max() - counts.min() <= 8
