"""Pairs of an epoch, and how they are packed into batches."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.loader.epochs.matching import match_samples, pack
from medcutmix_pipeline.loader.reading.shard import Sample, Told


def plan(donor: int, disease: str) -> Told:
    return (f"to-{donor}", disease, donor, 0, 0, 0.5, ((0, 1, "x"),), {}, f"k{donor}")


@st.composite
def shards(draw):
    count = draw(st.integers(2, 30))
    samples = [Sample(f"k{i}", "s", i, memoryview(b"")) for i in range(count)]
    for host, donor, disease in draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.sampled_from("abc")), max_size=60)
    ):
        if host != donor:
            samples[host].told += (plan(donor, disease),)
    for broken in draw(st.sets(st.integers(0, count - 1), max_size=3)):
        samples[broken].problem = "damaged"
    return samples


def may_pair(samples, i, j):
    return (
        samples[i].problem is None
        and samples[j].problem is None
        and (bool(samples[i].plans_with(j)) or bool(samples[j].plans_with(i)))
    )


@given(shards(), st.integers(0, 2**32))
def test_a_matching_covers_every_sample_once_follows_plans_and_is_maximal(samples, seed):
    atoms = match_samples(samples, [np.random.default_rng(seed)])
    assert Counter(i for atom in atoms for i in atom) == Counter(range(len(samples)))
    assert all(may_pair(samples, *atom) for atom in atoms if len(atom) == 2)
    alone = [atom[0] for atom in atoms if len(atom) == 1]
    assert not any(may_pair(samples, i, j) for i in alone for j in alone if i < j)


def test_a_sample_with_a_rare_and_a_common_finding_is_spent_on_the_rare_one():
    samples = [Sample(f"k{i}", "s", i, memoryview(b"")) for i in range(12)]
    for i in range(11):
        for j in range(11):
            if i != j:
                samples[i].told += (plan(j, "common"),)
    samples[0].told += (plan(11, "rare"),)
    samples[11].told += (plan(0, "rare"),)
    for seed in range(50):
        assert (0, 11) in match_samples(samples, [np.random.default_rng(seed)])


def test_a_round_of_epochs_brings_new_partners_before_old_ones_come_again():
    samples = [Sample(f"k{i}", "s", i, memoryview(b"")) for i in range(6)]
    for i in range(6):
        samples[i].told = tuple(plan(j, "a") for j in range(6) if j != i)
    for seed in range(20):
        met = set()
        for epochs in range(1, 6):
            atoms = match_samples(samples, [np.random.default_rng([seed, epoch]) for epoch in range(epochs)])
            new = {i for atom in atoms if len(atom) == 2 and atom not in met for i in atom}
            for old in (atom for atom in atoms if atom in met):  # then whoever was new to them is with somebody new
                strangers = {x for i in old for x in range(6) if x != i and tuple(sorted((i, x))) not in met}
                assert strangers <= new
            met.update(atom for atom in atoms if len(atom) == 2)
        assert len(met) > 9  # of 15 pairs, in 15 places


def test_partners_change_from_draw_to_draw():
    samples = [Sample(f"k{i}", "s", i, memoryview(b"")) for i in range(10)]
    for i in range(10):
        samples[i].told = tuple(plan(j, "a") for j in range(10) if j != i)
    partners = Counter()
    for seed in range(450):
        for atom in match_samples(samples, [np.random.default_rng(seed)]):
            partners[atom] += 1
    assert len(partners) == 45  # every pair there is
    assert 20 < min(partners.values()) <= max(partners.values()) < 90  # each drawn about 50 times


@st.composite
def packings(draw):
    atoms = draw(st.lists(st.sampled_from([(0,), (0, 0)]), max_size=40))
    numbers = iter(range(100))
    atoms = [tuple(next(numbers) for _ in atom) for atom in atoms]
    total = sum(map(len, atoms))
    cuts = draw(st.sets(st.integers(1, max(1, total - 1)))) if total > 1 else set()
    edges = [0, *sorted(cuts), total]
    return atoms, [b - a for a, b in pairwise(edges) if b > a]


@given(packings())
def test_bins_are_filled_to_the_full_and_hold_everything_once(packing):
    atoms, sizes = packing
    bins = pack(atoms, sizes)
    assert [sum(map(len, taken)) for taken in bins] == sizes
    assert sorted(i for taken in bins for atom in taken for i in atom) == list(range(sum(map(len, atoms))))


@given(packings())
def test_pairs_stay_whole_but_for_at_most_one_in_each_bin_of_odd_size(packing):
    atoms, sizes = packing
    whole = {atom for taken in pack(atoms, sizes) for atom in taken}
    broken = [atom for atom in atoms if len(atom) == 2 and atom not in whole]
    assert len(broken) <= sum(size % 2 for size in sizes)
