"""Placing: every sample gets one seat, shards stay within their size, and rare findings meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.stages.placing.clumps import place, rarest_finding


def corpus(seed: int, samples: int, findings: int = 6):
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(samples), rng.integers(0, 3, samples))
    codes = np.minimum(rng.geometric(0.4, rows.size) - 1, findings - 1)
    return {
        "split": (rng.random(samples) < 0.2).astype(np.int64),
        "view": (rng.random(samples) < 0.4).astype(np.int64),
        "anchor": rarest_finding(rows, codes, samples),
        "hashes": rng.integers(0, 2**64, samples, dtype=np.uint64),
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(0, 300), clump=st.integers(2, 12), size=st.integers(2, 64))
def test_every_sample_has_exactly_one_seat_in_a_shard_of_its_split(seed, samples, clump, size):
    given_ = corpus(seed, samples)
    placing = place(**given_, clump=clump, samples_per_shard=size)
    seats = sorted(zip(placing.shard.tolist(), placing.seat.tolist(), strict=True))
    counts = np.bincount(placing.shard, minlength=placing.shard_split.size) if samples else np.zeros(0, int)
    assert seats == [(shard, seat) for shard, count in enumerate(counts) for seat in range(count)]
    assert (placing.shard_split[placing.shard] == given_["split"]).all()
    assert (counts > 0).all()
    assert (counts <= size).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(2, 200))
def test_the_order_in_which_samples_are_listed_does_not_matter(seed, samples):
    given_ = corpus(seed, samples)
    order = np.random.default_rng(seed + 1).permutation(samples)
    straight = place(**given_, clump=8, samples_per_shard=32)
    shuffled = place(**{name: column[order] for name, column in given_.items()}, clump=8, samples_per_shard=32)
    assert (straight.shard[order] == shuffled.shard).all()
    assert (straight.seat[order] == shuffled.seat).all()


def test_a_finding_of_eight_among_ten_thousand_stands_together_in_one_shard():
    rng = np.random.default_rng(0)
    samples = 10_000
    anchor = np.full(samples, -1, dtype=np.int64)
    rare = rng.choice(samples, 8, replace=False)
    anchor[rare] = 3
    zeros = np.zeros(samples, dtype=np.int64)
    placing = place(zeros, zeros, anchor, rng.integers(0, 2**64, samples, dtype=np.uint64), 8, 512)
    assert np.unique(placing.shard[rare]).size == 1
    # By chance alone, eight samples in twenty shards would share one about once in 20 ** 7 draws.
    assert placing.shard_split.size == 20


def test_the_rarest_finding_anchors_a_sample():
    rows = np.array([0, 0, 1, 2, 2, 3])
    findings = np.array([0, 1, 0, 0, 2, 0])
    assert rarest_finding(rows, findings, 5).tolist() == [1, 0, 2, 0, -1]


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 1025])
def test_shards_are_filled_evenly(samples):
    zeros = np.zeros(samples, dtype=np.int64)
    hashes = np.random.default_rng(samples).integers(0, 2**64, samples, dtype=np.uint64)
    placing = place(zeros, zeros, zeros - 1, hashes, 8, 512)
    counts = np.bincount(placing.shard)
    assert counts.max() <= 512
    assert counts.max() - counts.min() <= 8
