"""Pairs of an epoch, and how they are packed into batches."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.loader.epochs.matching import match_samples, pack
from medcutmix_pipeline.loader.reading.edges import edges_of


@st.composite
def shards(draw):
    """(samples of a shard, its plans: host, donor, finding)."""
    count = draw(st.integers(2, 30))
    place = st.integers(0, count - 1)
    plans = draw(st.lists(st.tuples(place, place, st.sampled_from("abc")), max_size=60))
    return count, [plan for plan in plans if plan[0] != plan[1]]


def all_to_all(count, finding="a"):
    return [(i, j, finding) for i in range(count) for j in range(count) if i != j]


def match(count, plans, *seeds):
    return match_samples(edges_of(plans, count), count, [np.random.default_rng(seed) for seed in seeds])


@given(shards(), st.integers(0, 2**32))
def test_a_matching_covers_every_sample_once_follows_plans_and_is_maximal(shard, seed):
    count, plans = shard
    may_pair = {tuple(sorted(plan[:2])) for plan in plans}
    atoms = match(count, plans, seed)
    assert Counter(i for atom in atoms for i in atom) == Counter(range(count))
    assert all(tuple(sorted(atom)) in may_pair for atom in atoms if len(atom) == 2)
    alone = [atom[0] for atom in atoms if len(atom) == 1]
    assert not any((i, j) in may_pair for i in alone for j in alone if i < j)


def test_a_sample_with_a_rare_and_a_common_finding_is_spent_on_the_rare_one():
    plans = [*all_to_all(11, "common"), (0, 11, "rare"), (11, 0, "rare")]
    for seed in range(50):
        assert (0, 11) in match(12, plans, seed)


def test_a_round_of_epochs_brings_new_partners_before_old_ones_come_again():
    for seed in range(20):
        met = set()
        for epochs in range(1, 6):
            atoms = match(6, all_to_all(6), *([seed, epoch] for epoch in range(epochs)))
            new = {i for atom in atoms if len(atom) == 2 and atom not in met for i in atom}
            for old in (atom for atom in atoms if atom in met):  # then whoever was new to them is with somebody new
                strangers = {x for i in old for x in range(6) if x != i and tuple(sorted((i, x))) not in met}
                assert strangers <= new
            met.update(atom for atom in atoms if len(atom) == 2)
        assert len(met) > 9  # of 15 pairs, in 15 places


def test_partners_change_from_draw_to_draw():
    partners = Counter(atom for seed in range(450) for atom in match(10, all_to_all(10), seed))
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
