"""Pairing on rings: who is tried with whom."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.hashing import framed, framed_hashes, keyed_hash
from medcutmix_pipeline.schemas.records import PlacedSample
from medcutmix_pipeline.stages.pairing.chance import draw_lambdas, philox
from medcutmix_pipeline.stages.pairing.partners import partners, rings


def sample(name: str, view: str = "frontal") -> PlacedSample:
    return PlacedSample(name, name, name, view, "train", "text", "", "")


@given(size=st.integers(2, 60), wanted=st.integers(1, 6))
def test_no_pair_is_tried_twice_and_none_with_itself(size, wanted):
    tried = [frozenset(pair) for pair in partners(range(size), wanted, Counter())]
    assert all(len(pair) == 2 for pair in tried)
    assert len(tried) == len(set(tried))


@given(size=st.integers(2, 60), wanted=st.integers(1, 6))
def test_everybody_gets_as_many_partners_as_wanted_where_there_are_so_many(size, wanted):
    met = Counter(place for pair in partners(range(size), wanted, Counter()) for place in pair)
    assert min(met.values()) >= min(wanted, size - 1)


def test_work_is_linear_in_a_common_finding():
    assert sum(1 for _ in partners(range(10_000), 4, Counter())) <= 10_000 * 16


@given(size=st.integers(2, 60), wanted=st.integers(1, 6), seed=st.integers(0, 99))
def test_whoever_has_enough_donors_is_left_out_and_nobody_else(size, wanted, seed):
    def agree(a, b):
        return keyed_hash(seed, "agree", str(a), str(b)) % 3

    tried, donors = [], Counter()
    for a, b in partners(range(size), wanted, donors):
        tried.append((a, b))
        donors.update({a: bool(agree(a, b)), b: bool(agree(b, a))})
    expected, has = [], Counter()
    for a, b in partners(range(size), wanted, Counter()):
        if has[a] < wanted and has[b] < wanted:
            expected.append((a, b))
            has.update({a: bool(agree(a, b)), b: bool(agree(b, a))})
    assert tried == expected


def test_rings_keep_views_and_findings_apart_and_do_not_depend_on_the_order_of_the_shard():
    samples = [sample("a"), sample("b", "lateral"), sample("c"), sample("d", "lateral"), sample("e")]
    findings = {0: ["Edema"], 1: ["Edema"], 2: ["Edema", "Fracture"], 3: ["Edema"], 4: ["Edema"]}
    found = list(rings(samples, findings, seed=1))
    assert [(finding, sorted(ring)) for finding, ring in found] == [("Edema", [0, 2, 4]), ("Edema", [1, 3])]
    turned = list(rings(samples[::-1], {4 - place: names for place, names in findings.items()}, seed=1))
    names = [[samples[p].sample_id for p in ring] for _, ring in found]
    assert names == [[samples[4 - p].sample_id for p in ring] for _, ring in turned]


def test_lambda_follows_the_beta_distribution():
    draws = draw_lambdas(0.5, framed_hashes(0, "lambda", (framed(f"h{n}") for n in range(4000))))
    assert all(0 <= x <= 1 for x in draws)
    mean = sum(draws) / len(draws)
    variance = sum((x - mean) ** 2 for x in draws) / len(draws)
    # Beta(α, α) has mean 1/2 and variance 1 / (4 (2α + 1)) = 0.125 for α = 1/2; four standard errors of each.
    assert abs(mean - 0.5) < 4 * (0.125 / 4000) ** 0.5
    assert abs(variance - 0.125) < 0.006


WORDS = st.integers(0, 2**64 - 1)


@given(st.lists(WORDS, max_size=8), st.floats(0.05, 20) | st.just(1.0), WORDS)
def test_lambda_is_what_a_generator_of_its_own_draws_whatever_was_drawn_before(before, alpha, key):
    own = np.random.Generator(np.random.Philox(key=key)).beta(alpha, alpha)
    assert draw_lambdas(alpha, [*before, key])[-1] == round(own, 6)


def test_many_lambdas_at_once_are_those_of_generators_of_their_own():
    keys = np.random.default_rng(0).integers(0, 2**64, 3000, dtype=np.uint64).tolist()
    own = [round(np.random.Generator(np.random.Philox(key=key)).beta(1.0, 1.0), 6) for key in keys]
    assert draw_lambdas(1.0, keys) == own


@given(WORDS, st.integers(1, 5))
def test_philox_gives_the_words_that_numpy_gives(key, block):
    own = np.random.Philox(key=key).random_raw(4 * block)[-4:]
    assert philox(np.array([key], dtype=np.uint64), block)[:, 0].tolist() == own.tolist()


@given(st.lists(st.lists(st.text(max_size=5), max_size=3), max_size=5), st.integers(-(2**63), 2**63 - 1))
def test_names_hash_alike_one_by_one_and_together(named, seed):
    together = framed_hashes(seed, "ring", (b"".join(map(framed, names)) for names in named))
    assert together == [keyed_hash(seed, "ring", *names) for names in named]
