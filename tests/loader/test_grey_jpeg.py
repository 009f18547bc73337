"""Grey JPEGs past `Image.open`: the same pixels as Pillow's, and nothing odd is taken for one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.loader.reading.decode import Undecodable, decode_into
from medcutmix_pipeline.loader.reading.grey_jpeg import decode_grey_jpeg, grey_jpeg_size
from medcutmix_pipeline.loader.reading.shard import Sample

HEIGHT, WIDTH = 41, 67
KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimised": {"optimize": True},
    "with a comment": {"comment": b"of a film"},
    "with restarts": {"restart_marker_rows": 1},
    "best": {"quality": 100},
}


def jpeg(mode="L", **options):
    rng = np.random.default_rng(4)
    grey = np.add.outer(np.linspace(0, 180, HEIGHT), np.linspace(0, 60, WIDTH)) + rng.normal(0, 5, (HEIGHT, WIDTH))
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_pillow(data, size=(HEIGHT, WIDTH)):
    with Image.open(io.BytesIO(data)) as image:
        image.draft("L", size[::-1])
        return np.asarray(image)


def decoded(data, shape=(HEIGHT, WIDTH), max_pixels=10_000, resize=False):
    pixels = np.zeros(shape, np.uint8)
    return pixels if decode_grey_jpeg(memoryview(data), pixels, max_pixels, resize) else None


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_pillow_s(kind):
    data = jpeg(**KINDS[kind])
    assert grey_jpeg_size(memoryview(data)) == (HEIGHT, WIDTH)
    assert np.array_equal(decoded(data), by_pillow(data))
    assert np.array_equal(decoded(data + b"what follows the image"), by_pillow(data))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_codec_scales_where_that_gives_the_very_size(scale):
    data, size = jpeg(), (-(-HEIGHT // scale), -(-WIDTH // scale))
    assert decoded(data, size) is None
    expected = by_pillow(data, (HEIGHT // scale, WIDTH // scale))
    assert expected.shape == size
    pixels = decoded(data, size, resize=True)
    assert pixels is None or np.array_equal(pixels, expected)
    assert decoded(data, (30, 30), resize=True) is None


def test_half_the_size_is_scaled_by_the_codec():
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "JPEG")
    expected = by_pillow(buffer.getvalue(), (128, 128))
    assert np.array_equal(decoded(buffer.getvalue(), (128, 128), 65_536, resize=True), expected)


def segment(marker, content):
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def frame(height, width, depth=8, channels=1, marker=0xC0):
    sizes = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return segment(marker, bytes([depth]) + sizes + bytes([channels]) + b"\x01\x11\x00" * channels)


WHOLE = jpeg()
ODD = {
    "colour": jpeg("RGB"),
    "no JPEG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "nothing": b"",
    "two frames": WHOLE[:2] + frame(HEIGHT, WIDTH) + WHOLE[2:],
    "a frame of 12 bits": b"\xff\xd8" + frame(HEIGHT, WIDTH, depth=12) + WHOLE[2:],
    "a frame without loss": b"\xff\xd8" + frame(HEIGHT, WIDTH, marker=0xC3) + WHOLE[2:],
    "several pictures": WHOLE[:2] + segment(0xE2, b"MPF\0" + bytes(30)) + WHOLE[2:],
    "noise between segments": WHOLE[:2] + b"noise" + WHOLE[2:],
    "a segment of no length": WHOLE[:2] + b"\xff\xfe\0\0" + WHOLE[2:],
    "no scan": WHOLE[: WHOLE.index(b"\xff\xda")],
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_pillow(name):
    assert decoded(ODD[name]) is None


def test_what_is_damaged_or_too_large_is_not_decoded():
    assert decoded(WHOLE[:-60]) is None
    assert decoded(WHOLE, max_pixels=HEIGHT * WIDTH - 1) is None
    assert decoded(WHOLE, (WIDTH, HEIGHT)) is None
    with pytest.raises(ValueError, match="contiguous"):
        decode_grey_jpeg(memoryview(WHOLE), np.zeros((HEIGHT, 2 * WIDTH), np.uint8)[:, ::2], 10_000, resize=False)


@given(st.data())
def test_damaged_bytes_never_reach_beyond_their_own_row_and_are_judged_as_pillow_judges_them(data):
    spoilt = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    batch = np.full((3, HEIGHT, WIDTH), 77, np.uint8)
    sample = Sample("k", "s", 0, memoryview(bytes(spoilt)), image_at=(0, len(spoilt)))
    try:
        decode_into(sample, batch[1], 10_000, resize=False)
    except Undecodable:
        pass
    else:
        assert np.array_equal(batch[1], by_pillow(bytes(spoilt)))
    assert (batch[[0, 2]] == 77).all()
