"""Weights follow the formulas, computed here once more in numpy, on any grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.loader.mixing.weights import (
    KINDS,
    MAPS,
    host_share_by_area,
    host_share_by_attention,
    map_on_grid,
    mix_weights,
)
from tests.loader.mixing import expected_weights, pillow_resized, random_plan, resized

GRIDS = [(8, 8), (4, 4), (7, 7), (5, 9), (24, 12), (96, 96)]


def weights_of(plan, grid, kind="soft", share=0.7, source="donor"):
    return mix_weights(plan.donor_map, plan.host_map, plan.lam, plan.active, grid, kind=kind, share=share, map=source)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("source", MAPS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_equal_the_formulas_in_numpy(kind, source, grid):
    plan = random_plan(6, seed=3, active=4)
    weights = weights_of(plan, grid, kind, 0.7, source)
    assert weights.dtype == torch.float32
    assert np.abs(weights.numpy() - expected_weights(plan, grid, kind, 0.7, source)).max() < 1e-6


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 24),
    st.integers(1, 24),
    st.integers(0, 2**32 - 1),
    st.sampled_from(KINDS),
    st.sampled_from(MAPS),
    st.floats(0, 1),
)
def test_weights_lie_between_nothing_and_what_lambda_leaves(h, w, rows, columns, seed, kind, source, share):
    plan = random_plan(4, seed, active=3, maps=(h, w))
    weights = weights_of(plan, (rows, columns), kind, share, source)
    assert weights.shape == (4, rows, columns)
    assert (weights >= 0).all()
    assert (weights <= (1 - plan.lam)[:, None, None]).all()
    assert not weights[~plan.active].any()


@pytest.mark.parametrize("grid", GRIDS)
def test_a_map_is_resized_as_pillow_does(grid):
    maps = random_plan(3, seed=1, active=3, maps=(14, 14)).donor_map
    ours = map_on_grid(maps, grid)
    for row in range(3):
        theirs = pillow_resized(maps[row].numpy(), grid)
        assert np.abs(ours[row].numpy() - theirs / theirs.max()).max() < 1e-6
    assert np.abs(ours.numpy() - resized(maps.numpy(), grid)).max() < 1e-6


@pytest.mark.parametrize("kind", ["soft", "hard-area", "hard-mass"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_map_of_zeros_mixes_nothing(kind, share):
    plan = random_plan(4, active=4)
    empty = torch.zeros_like(plan.donor_map)
    assert not mix_weights(empty, plan.host_map, plan.lam, plan.active, (7, 7), kind=kind, share=share).any()


def test_a_region_by_area_holds_the_cells_from_the_quantile_up():
    donor_map = torch.arange(1, 12, dtype=torch.uint8).reshape(1, 1, 11)
    lam, active = torch.tensor([0.25]), torch.tensor([True])
    for share, taken in ((0.0, 11), (0.3, 8), (0.9, 2), (0.95, 1), (1.0, 1)):
        weights = mix_weights(donor_map, donor_map, lam, active, (1, 11), kind="hard-area", share=share)
        assert weights.flatten().tolist() == [0.0] * (11 - taken) + [0.75] * taken


def test_a_region_by_mass_is_the_smallest_and_keeps_equal_cells_together():
    donor_map = torch.tensor([[[100, 50, 50, 0], [20, 20, 10, 0]]], dtype=torch.uint8)
    lam, active = torch.tensor([0.0]), torch.tensor([True])
    for share, taken in ((0.0, 1), (0.4, 1), (0.41, 3), (0.8, 3), (0.81, 5), (0.96, 5), (0.97, 6), (1.0, 6)):
        weights = mix_weights(donor_map, donor_map, lam, active, (2, 4), kind="hard-mass", share=share)
        assert int(weights.sum()) == taken


def test_weights_are_the_same_under_autocast():
    plan = random_plan(4, active=4)
    plain = weights_of(plan, (7, 5), "hard-mass")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(weights_of(plan, (7, 5), "hard-mass"), plain)


def test_choices_that_do_not_exist_are_refused_with_those_that_do():
    plan = random_plan(2)
    with pytest.raises(ValueError, match="soft, hard-area"):
        weights_of(plan, (2, 2), kind="hard")
    with pytest.raises(ValueError, match="donor, union"):
        weights_of(plan, (2, 2), source="host")
    with pytest.raises(ValueError, match="between 0 and 1"):
        weights_of(plan, (2, 2), share=80)


def test_the_share_of_the_host_by_area_and_by_attention():
    plan = random_plan(5, seed=2, active=3)
    weights = expected_weights(plan, (6, 6), "soft", 0.5, "donor")
    host, donor = (resized(m.numpy(), (6, 6)) for m in (plan.host_map, plan.donor_map))
    given_weights, given_host, given_donor = (torch.from_numpy(a).float() for a in (weights, host, donor))
    assert np.allclose(host_share_by_area(given_weights), 1 - weights.mean((1, 2)), atol=1e-6)
    shares = host_share_by_attention(given_weights, given_host, given_donor)
    for row in range(5):
        kept, taken = ((1 - weights[row]) * host[row]).sum(), (weights[row] * donor[row]).sum()
        assert float(shares[row]) == pytest.approx(kept / (kept + taken) if plan.active[row] else 1, abs=1e-6)


def test_without_a_map_of_the_host_its_share_is_that_by_area():
    weights = torch.full((1, 2, 2), 0.3)
    share = host_share_by_attention(weights, torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    assert float(share) == pytest.approx(0.7)
