"""Pairing on rings: who is tried with whom."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.schemas.records import PlacedSample
from medcutmix_pipeline.stages.pairing.draft import draw_lambda
from medcutmix_pipeline.stages.pairing.partners import partners, rings


def sample(name: str, view: str = "frontal") -> PlacedSample:
    return PlacedSample(name, name, name, view, "train", "text", "", "")


@given(size=st.integers(2, 60), wanted=st.integers(1, 6))
def test_no_pair_is_tried_twice_and_none_with_itself(size, wanted):
    tried = [frozenset(pair) for pair in partners(range(size), wanted)]
    assert all(len(pair) == 2 for pair in tried)
    assert len(tried) == len(set(tried))


@given(size=st.integers(2, 60), wanted=st.integers(1, 6))
def test_everybody_gets_as_many_partners_as_wanted_where_there_are_so_many(size, wanted):
    met = Counter(place for pair in partners(range(size), wanted) for place in pair)
    assert min(met.values()) >= min(wanted, size - 1)


def test_work_is_linear_in_a_common_finding():
    assert sum(1 for _ in partners(range(10_000), 4)) <= 10_000 * 16


def test_rings_keep_views_and_findings_apart_and_do_not_depend_on_the_order_of_the_shard():
    samples = [sample("a"), sample("b", "lateral"), sample("c"), sample("d", "lateral"), sample("e")]
    findings = {0: ["Edema"], 1: ["Edema"], 2: ["Edema", "Fracture"], 3: ["Edema"], 4: ["Edema"]}
    found = list(rings(samples, findings, seed=1))
    assert [(finding, sorted(ring)) for finding, ring in found] == [("Edema", [0, 2, 4]), ("Edema", [1, 3])]
    turned = list(rings(samples[::-1], {4 - place: names for place, names in findings.items()}, seed=1))
    names = [[samples[p].sample_id for p in ring] for _, ring in found]
    assert names == [[samples[4 - p].sample_id for p in ring] for _, ring in turned]


def test_lambda_follows_the_beta_distribution_and_is_a_function_of_the_plan():
    draws = [draw_lambda(0.5, 0, f"h{n}", "d", "Edema") for n in range(4000)]
    assert all(0 <= x <= 1 for x in draws)
    mean = sum(draws) / len(draws)
    variance = sum((x - mean) ** 2 for x in draws) / len(draws)
    # Beta(α, α) has mean 1/2 and variance 1 / (4 (2α + 1)) = 0.125 for α = 1/2; four standard errors of each.
    assert abs(mean - 0.5) < 4 * (0.125 / 4000) ** 0.5
    assert abs(variance - 0.125) < 0.006
    assert draws[0] == draw_lambda(0.5, 0, "h0", "d", "Edema") != draw_lambda(0.5, 1, "h0", "d", "Edema")
