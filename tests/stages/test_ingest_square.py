"""The stored picture: its size, what becomes of its proportions, and its bytes."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.stages.ingest import encode, square
from medcutmix_pipeline.stages.ingest.squares import resized
from tests.stages.ingest_files import ramp

Mode = Literal["pad", "crop", "stretch"]
MODES: tuple[Mode, ...] = ("pad", "crop", "stretch")
sides = st.integers(1, 90)


@pytest.mark.parametrize("mode", MODES)
@given(height=sides, width=sides, size=st.integers(1, 120), grey=st.integers(0, 255))
def test_a_square_of_the_size_asked_for_and_never_larger_than_its_source(
    mode: Mode, height: int, width: int, size: int, grey: int
) -> None:
    result = square(np.full((height, width), grey, np.uint8), size, mode)
    longest = min(height, width) if mode == "crop" else max(height, width)
    assert result.shape == (min(size, longest),) * 2
    assert result.dtype == np.uint8
    assert set(np.unique(result)) <= ({0, grey} if mode == "pad" else {grey})


@given(height=sides, width=sides, size=st.integers(1, 120))
def test_padding_keeps_the_proportions_in_the_middle(height: int, width: int, size: int) -> None:
    result = square(np.full((height, width), 200, np.uint8), size, "pad")
    side = result.shape[0]
    rows, columns = np.flatnonzero(result.any(axis=1)), np.flatnonzero(result.any(axis=0))
    assert max(len(rows), len(columns)) == side
    assert abs(len(rows) - height * side / max(height, width)) < 1
    assert abs(len(columns) - width * side / max(height, width)) < 1
    assert abs(rows[0] - (side - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (side - 1 - columns[-1])) <= 1


def test_a_square_of_the_right_size_is_left_alone() -> None:
    pixels = ramp(40, 40).astype(np.uint8)
    assert all(np.array_equal(square(pixels, 40, mode), pixels) for mode in MODES)
    assert all(np.array_equal(square(pixels, 400, mode), pixels) for mode in MODES)


def test_cropping_keeps_the_middle() -> None:
    pixels = ramp(40, 60).astype(np.uint8)
    assert np.array_equal(square(pixels, 40, "crop"), pixels[:, 10:50])
    assert np.array_equal(square(pixels.T, 40, "crop"), pixels.T[10:50])


@pytest.mark.parametrize("factor", [2, 5, 12])
def test_reducing_averages_and_neither_shifts_nor_invents(factor: int) -> None:
    fine = ramp(40 * factor, 40 * factor).astype(np.uint8)
    coarse = fine.reshape(40, factor, 40, factor).mean(axis=(1, 3))
    assert np.abs(square(fine, 40, "pad")[2:-2, 2:-2] - coarse[2:-2, 2:-2]).max() <= 1.5
    checks = (np.indices((40 * factor, 40 * factor)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(square(checks, 40, "pad").astype(float) - 127.5).max() <= 12


def test_the_encoders_view_has_its_size_whatever_was_stored() -> None:
    assert resized(ramp(50, 50).astype(np.uint8), 128).shape == (128, 128)
    assert resized(ramp(50, 50).astype(np.uint8), 16).shape == (16, 16)


@pytest.mark.parametrize(("kind", "name", "tolerance"), [("jpg", "JPEG", 6), ("png", "PNG", 0), ("webp", "WEBP", 6)])
def test_files_hold_the_grey_picture_and_nothing_else(
    kind: Literal["jpg", "png", "webp"], name: str, tolerance: int
) -> None:
    pixels = ramp(64, 64).astype(np.uint8)
    data = encode(pixels, kind, 90)
    assert data == encode(pixels.copy(), kind, 90)
    image = Image.open(io.BytesIO(data))
    assert image.format == name
    assert not image.getexif()
    assert set(image.info) <= {
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "loop",
        "background",
        "timestamp",
        "duration",
    }
    assert kind == "webp" or image.mode == "L"
    assert np.abs(np.asarray(image.convert("L")).astype(int) - pixels).max() <= tolerance


def test_less_quality_is_a_smaller_file() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    assert len(encode(noise, "jpg", 30)) < len(encode(noise, "jpg", 95))
    assert len(encode(noise, "webp", 30)) < len(encode(noise, "webp", 95))
