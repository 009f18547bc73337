"""The stored form of a map: its peak, its width, and that noise does not move it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medcutmix_pipeline.stages.attention.maps import finish_map, map_area

ATTENTION = arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.floats(0, 1e4, width=32, allow_subnormal=False),
)


@given(ATTENTION, st.floats(0, 1))
def test_a_map_peaks_at_255_and_keeps_the_order_of_the_attention(attention, mass):
    stored = finish_map(attention, mass)
    assert stored.dtype == np.uint8
    assert stored.shape == attention.shape
    assert stored.max() == 255
    ranked = stored.ravel()[np.argsort(attention.ravel(), kind="stable")].astype(int)
    assert (np.diff(ranked) >= 0).all()


@given(ATTENTION, st.floats(0.05, 1))
def test_what_is_filled_holds_the_share_of_mass_asked_for_and_no_cell_too_many(attention, mass):
    stored = finish_map(attention, mass)
    total = attention.sum(dtype=np.float64)
    if total == 0:
        return
    filled = attention[stored == 255].astype(np.float64)
    rounding = attention.max() / 4095 * attention.size
    assert filled.sum() >= mass * total - rounding
    without_the_lowest = filled[filled > filled.min() + attention.max() / 500].sum()
    assert without_the_lowest <= mass * total + rounding


def test_a_wider_mass_makes_a_wider_map_and_a_raw_map_is_the_attention_over_its_peak():
    rng = np.random.default_rng(0)
    attention = np.exp(4 * rng.standard_normal((16, 16))).astype(np.float32)
    areas = [map_area(finish_map(attention, mass)) for mass in (0, 0.3, 0.6, 0.9, 1)]
    assert areas == sorted(areas)
    assert areas[0] == pytest.approx(float(attention.mean() / attention.max()), abs=0.004)
    assert areas[-1] > 3 * areas[0]


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.5, 0.8]))
def test_noise_far_below_a_step_changes_no_byte(seed, mass):
    levels = np.random.default_rng(seed).integers(0, 4096, (8, 8))
    levels[0, 0] = 4095
    attention = (levels / 4095).astype(np.float32)
    noisy = (attention * (1 + 1e-6 * np.random.default_rng(seed + 1).uniform(-1, 1, (8, 8)))).astype(np.float32)
    assert finish_map(attention, mass).tobytes() == finish_map(noisy, mass).tobytes()


def test_a_map_without_attention_prefers_nothing():
    assert (finish_map(np.zeros((3, 5), np.float32), 0.5) == 255).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_attention_that_is_negative_or_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        finish_map(np.array([[1.0, bad]], np.float32), 0.5)


def test_the_area_of_a_map_is_its_mean_over_its_peak():
    assert map_area(np.array([[100, 0], [50, 50]], np.uint8)) == pytest.approx(0.5)
    assert map_area(np.zeros((2, 2), np.uint8)) == 0.0
