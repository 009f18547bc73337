"""A few pixels far from all others do not decide how bright a picture is; without such pixels nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.schemas.config import IngestConfig
from medcutmix_pipeline.stages.ingest import decode
from medcutmix_pipeline.stages.ingest.strays import without_strays
from tests.stages.ingest_files import Pixels, deep_png, dicom, ramp, saved

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = IngestConfig()
PLAIN = ramp(200, 150, top=3000) + 30000
FORMATS: dict[str, Callable[[Pixels], bytes]] = {
    "png": lambda p: saved(Image.fromarray(p.astype(np.uint16)), "PNG"),
    "tiff": lambda p: saved(Image.fromarray(p.astype(np.uint16)), "TIFF"),
    "colour": lambda p: deep_png(np.dstack([p] * 3), 2),
    "alpha": lambda p: deep_png(np.dstack([p, np.full_like(p, 65535)]), 4),
    "dicom": lambda p: dicom(p, 16),
    "signed": lambda p: dicom(p - 32768, 16),
    "monochrome1": lambda p: dicom(p, 16, PhotometricInterpretation="MONOCHROME1"),
    "padding": lambda p: dicom(p, 16, PixelPaddingValue=7),
    "slope": lambda p: dicom(p, 16, RescaleSlope="-2", RescaleIntercept="100"),
}


def with_strays(values: Pixels, *strays: int) -> Pixels:
    marred = values.copy()
    marred.flat[1000 : 1000 + len(strays)] = strays
    return marred


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("strays", [(65535,), (0,), (0, 65535), (65535,) * 30, (60000, 65535, 50000)])
def test_a_few_strays_do_not_darken_or_pale_the_rest(kind: str, strays: tuple[int, ...]) -> None:
    rest = np.ones(PLAIN.shape, bool)
    rest.flat[1000 : 1000 + len(strays)] = False
    shown, plain = (decode(FORMATS[kind](p), CONFIG) for p in (with_strays(PLAIN, *strays), PLAIN))
    assert np.array_equal(shown[rest], plain[rest])
    assert set(shown[~rest]) <= {0, 255}


@pytest.mark.parametrize("kind", ["png", "dicom"])
@pytest.mark.parametrize(
    "values",
    [
        with_strays(PLAIN, *[65535] * 31),
        with_strays(PLAIN, 35500),
        with_strays(PLAIN, *range(33000, 65000, 2900)),
        np.where(PLAIN > 31000, 65535, 0),
        with_strays(np.zeros_like(PLAIN), 100, 3000, 60000),
        np.where(np.eye(200, 150, dtype=bool), PLAIN + 20000, PLAIN),
    ],
    ids=["more than a few", "near", "on the way", "two values", "specks on black", "a line"],
)
def test_what_may_belong_to_the_picture_counts(values: Pixels, kind: str) -> None:
    low, high = values.min(), values.max()
    assert np.array_equal(decode(FORMATS[kind](values), CONFIG), np.floor((values - low) * 255 / (high - low) + 0.5))


def test_a_window_is_what_it_was() -> None:
    tags: dict[str, Any] = {"WindowCenter": 31500, "WindowWidth": 3001}
    marred = decode(dicom(with_strays(PLAIN, 65535), 16, **tags), CONFIG)
    assert (marred != decode(dicom(PLAIN, 16, **tags), CONFIG)).sum() == 1


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.integers(-500, 500), st.sampled_from([1, -3]))
def test_strays_are_the_same_wherever_the_values_start_and_whichever_way_they_run(
    counts: list[int], start: int, step: int
) -> None:
    many = np.array([*counts, 5000])
    values = np.arange(many.size)
    low, high = without_strays(values, many) or (0, 0)
    assert without_strays(values * step + start, many) == tuple(sorted((low * step + start, high * step + start)))
    left_out = many[(values < low) | (values > high)].sum()
    assert left_out <= 2 * many.sum() // 1000
