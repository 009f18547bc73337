"""PNG, JPEG, WebP and TIFF become grey pictures whatever they are called, and damaged ones rejects."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medcutmix_pipeline.schemas.config import IngestConfig
from medcutmix_pipeline.stages.ingest import ImageReject, decode
from tests.stages.ingest_files import Pixels, deep_png, deep_tiff, dicom, picture, png, ramp, saved

CONFIG = IngestConfig()
GREY = ramp().astype(np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (24, 32, 3)).astype(np.uint8)
LUMA = np.rint(RGB @ [0.299, 0.587, 0.114])


def reason_of(data: bytes, config: IngestConfig = CONFIG) -> str:
    with pytest.raises(ImageReject) as error:
        decode(data, config)
    return str(error.value.reason)


def close(pixels: Pixels, expected: Pixels, tolerance: float) -> bool:
    return bool(np.abs(pixels.astype(float) - expected).max() <= tolerance)


@pytest.mark.parametrize(
    "data",
    [
        picture(GREY, "PNG"),
        picture(GREY, "TIFF"),
        picture(GREY, "TIFF", compression="tiff_lzw"),
        picture(GREY, "WEBP", lossless=True),
        saved(Image.fromarray(GREY).convert("P"), "PNG"),
        saved(Image.fromarray(GREY).convert("RGB"), "PNG"),
        saved(Image.fromarray(GREY).convert("LA"), "PNG"),
        png(32, 24, b"".join(b"\0" + row.tobytes() for row in GREY)),
    ],
    ids=["png", "tiff", "lzw", "webp", "palette", "grey rgb", "opaque alpha", "by hand"],
)
def test_8_bit_grey_keeps_its_values(data: bytes) -> None:
    assert np.array_equal(decode(data, CONFIG), GREY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_scaled_to_what_it_uses(kind: str) -> None:
    deep = ramp(top=3000) + 500  # twelve bits in sixteen, as many archives hold them
    expected = np.floor((deep - 500) * 255 / 3000 + 0.5)
    assert np.array_equal(decode(saved(Image.fromarray(deep.astype(np.uint16)), kind), CONFIG), expected)


def tiff_32_bit(values: Pixels, order: str) -> bytes:
    """TIFF 6.0, SampleFormat (339): 1 is unsigned, as where nothing is said, 2 is signed."""
    low = values.min()
    data = values.astype(f"{order}{'i' if low < 0 else 'u'}4").tobytes()
    fields = {256: 32, 257: 24, 258: 32, 259: 1, 262: 1, 273: 8, 277: 1, 279: len(data), 339: 2 if low < 0 else 1}
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in fields.items())
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(fields)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("order", "low", "top"), [("<", 0, 4 * 10**9), ("<", -2 * 10**9, 2 * 10**9), (">", -2 * 10**9, 2 * 10**9)]
)
def test_32_bit_tiffs_have_the_sign_that_they_say(order: str, low: int, top: int) -> None:
    values = ramp(top=top - low) + low
    assert close(decode(tiff_32_bit(values, order), CONFIG), (values - low) / (top - low) * 255, 0.51)


def test_a_kind_that_no_decoder_reads_is_not_called_damaged_alone() -> None:
    with pytest.raises(ImageReject, match="image-undecodable: a kind of file that Pillow does not read, or damaged"):
        decode(tiff_32_bit(ramp(top=4 * 10**9), ">"), CONFIG)


def test_floats_are_scaled_and_what_is_no_number_is_black() -> None:
    values = ramp(top=1000).astype(np.float32) / 7 - 20
    values[0, 0], values[1, 1] = np.nan, np.inf
    shown = decode(saved(Image.fromarray(values), "TIFF"), CONFIG)
    assert (shown[0, 0], shown[1, 1], shown.max()) == (0, 0, 255)
    finite = np.isfinite(values)
    low, high = values[finite].min(), values[finite].max()
    assert close(shown[finite], (values[finite] - low) / (high - low) * 255, 0.51)


@pytest.mark.parametrize("values", [GREY, GREY.astype(np.uint16) * 9, GREY.astype(np.float32) / 7])
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}], ids=["plain", "packed"])
def test_a_tiff_whose_zero_is_white_is_shown_as_a_positive(values: Pixels, options: dict[str, Any]) -> None:
    """TIFF 6.0, PhotometricInterpretation (262): 0 is WhiteIsZero, 1 BlackIsZero."""
    plain = saved(Image.fromarray(values), "TIFF", **options)
    negative = saved(Image.fromarray(values), "TIFF", tiffinfo={262: 0}, **options)
    whole = values.dtype == np.uint8  # of 8 bits, Pillow turns over what it writes as well
    assert np.array_equal(decode(negative, CONFIG), GREY if whole else 255 - decode(plain, CONFIG))


def test_what_is_no_number_is_black_in_a_negative_too() -> None:
    values = GREY.astype(np.float32)
    values[0, 0], values[5, 5] = np.nan, np.inf
    shown = decode(saved(Image.fromarray(values), "TIFF", tiffinfo={262: 0}), CONFIG)
    assert (shown[0, 0], shown[5, 5], shown.min(), shown.max()) == (0, 0, 0, 255)


def test_colour_becomes_luminance_and_what_is_transparent_black() -> None:
    assert close(decode(picture(RGB, "PNG"), CONFIG), LUMA, 1)
    assert close(decode(picture(RGB, "JPEG", quality=100, subsampling=0), CONFIG), LUMA, 4)
    alpha = np.where(ramp() > 100, 255, 0).astype(np.uint8)
    shown = decode(picture(np.dstack([RGB, alpha]), "PNG"), CONFIG)
    assert close(shown, np.where(alpha, LUMA, 0), 1)
    palette = Image.fromarray(GREY).convert("P")
    shown = decode(saved(palette, "PNG", transparency=200), CONFIG)
    assert np.array_equal(shown, np.where(GREY == 200, 0, GREY))


DEEP_RGB = np.random.default_rng(2).integers(100, 4096, (24, 32, 3))
"""Twelve bits in sixteen: the higher bytes alone are almost black."""


def deep_luminance(values: Pixels, counted: Pixels) -> Pixels:
    luminance = values[..., :3] @ [0.299, 0.587, 0.114]
    low, high = luminance[counted].min(), luminance[counted].max()
    return np.clip((luminance - low) / (high - low) * 255, 0, 255)


DEEP_ALPHA = np.where(ramp(24, 32) > 100, 65535, 0)
DEEP_RGBA = np.dstack([DEEP_RGB, DEEP_ALPHA])


@pytest.mark.parametrize(
    "data",
    [
        *(deep_png(DEEP_RGB, 2), deep_tiff(DEEP_RGB, "<"), deep_tiff(DEEP_RGB, ">")),
        *(deep_png(DEEP_RGBA, 6), deep_tiff(DEEP_RGBA, "<"), deep_tiff(DEEP_RGBA, ">")),
    ],
    ids=["png", "tiff", "tiff, big-endian", "png, alpha", "tiff, alpha", "tiff, alpha, big-endian"],
)
def test_deep_colour_is_scaled_to_what_it_uses(data: bytes, request: pytest.FixtureRequest) -> None:
    opaque = DEEP_ALPHA > 0 if "alpha" in request.node.callspec.id else np.full((24, 32), True)
    expected = np.where(opaque, deep_luminance(DEEP_RGB, opaque), 0)
    assert close(decode(data, CONFIG), expected, 0.6)


def test_deep_grey_in_colour_or_with_alpha_is_the_deep_grey_itself() -> None:
    deep = ramp(top=3000) + 500
    plain = decode(saved(Image.fromarray(deep.astype(np.uint16)), "PNG"), CONFIG)
    opaque = np.full_like(deep, 65535)
    for data in (
        deep_png(np.dstack([deep, opaque]), 4),
        deep_png(np.dstack([deep] * 3), 2),
        deep_png(np.dstack([deep, deep, deep, opaque]), 6),
        deep_tiff(np.dstack([deep] * 3)),
    ):
        assert np.array_equal(decode(data, CONFIG), plain)
    half = decode(deep_png(np.dstack([deep, opaque // 2]), 4), CONFIG)
    assert close(half, plain / 2, 1)
    framed = np.dstack([np.where(DEEP_ALPHA, deep, 60000), DEEP_ALPHA])
    shown = decode(deep_png(framed, 4), CONFIG)
    assert (shown[DEEP_ALPHA == 0].max(), shown[DEEP_ALPHA > 0].min(), shown.max()) == (0, 0, 255)


@pytest.mark.parametrize("turn", [3, 6])
def test_deep_colour_is_put_upright(turn: int) -> None:
    stored = DEEP_RGB[::-1, ::-1] if turn == 3 else np.rot90(DEEP_RGB)
    expected = deep_luminance(DEEP_RGB, np.full((24, 32), True))
    assert close(decode(deep_tiff(np.ascontiguousarray(stored), t274=turn), CONFIG), expected, 0.6)


def test_one_bit_is_black_and_white() -> None:
    shown = decode(saved(Image.fromarray(GREY > 128), "PNG"), CONFIG)
    assert np.array_equal(shown, np.where(GREY > 128, 255, 0))


def test_cmyk_is_read() -> None:
    image = Image.fromarray(RGB).convert("CMYK")
    assert close(decode(saved(image, "JPEG", quality=100), CONFIG), LUMA, 40)


UPRIGHT = ramp(80, 104).astype(np.uint8)
TURNED = {
    "PNG": (Image.fromarray(UPRIGHT), {}),
    "PNG, colour": (Image.fromarray(UPRIGHT).convert("RGB"), {}),
    "PNG, deep": (Image.fromarray(UPRIGHT.astype(np.uint16) * 7), {}),
    "JPEG": (Image.fromarray(UPRIGHT), {"quality": 100}),
    "JPEG, colour": (Image.fromarray(UPRIGHT).convert("RGB"), {"quality": 100, "subsampling": 0}),
    "WEBP": (Image.fromarray(UPRIGHT), {"lossless": True}),
    "TIFF": (Image.fromarray(UPRIGHT), {}),
    "TIFF, packed": (Image.fromarray(UPRIGHT), {"compression": "tiff_lzw"}),
    "TIFF, colour": (Image.fromarray(UPRIGHT).convert("RGB"), {}),
    "TIFF, palette": (Image.fromarray(UPRIGHT).convert("P"), {"compression": "tiff_deflate"}),
    "TIFF, deep": (Image.fromarray(UPRIGHT.astype(np.uint16) * 7), {}),
    "TIFF, deep and packed": (Image.fromarray(UPRIGHT.astype(np.uint16) * 7), {"compression": "tiff_lzw"}),
    "TIFF, float": (Image.fromarray(UPRIGHT.astype(np.float32)), {}),
}


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", TURNED)
def test_a_turned_picture_is_put_upright(kind: str, turn: int) -> None:
    """Orientations as EXIF and TIFF number them: what is stored is turned so that it shows UPRIGHT."""
    undo = [
        lambda a: a,
        lambda a: a[:, ::-1],
        lambda a: a[::-1, ::-1],
        lambda a: a[::-1],
        lambda a: np.swapaxes(a, 0, 1),
        lambda a: np.rot90(a),
        lambda a: np.swapaxes(a[::-1, ::-1], 0, 1),
        lambda a: np.rot90(a, -1),
    ]
    image, options = TURNED[kind]
    stored = Image.fromarray(np.ascontiguousarray(undo[turn - 1](np.asarray(image))))
    if image.mode == "P":
        stored.putpalette(image.getpalette() or [])
    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(stored, kind.split(",")[0], exif=exif.tobytes(), **options)
    shown = decode(data, CONFIG)
    assert shown.shape == UPRIGHT.shape
    assert close(shown, UPRIGHT, 3 if kind.startswith("JPEG") else 1)
    if kind.startswith("JPEG"):
        assert decode(data, CONFIG, at_least=40).shape == (40, 52)


def test_a_large_jpeg_is_decoded_small_when_less_will_do() -> None:
    large = picture(ramp(1600, 1200), "JPEG", quality=95)
    assert decode(large, CONFIG).shape == (1600, 1200)
    small = decode(large, CONFIG, at_least=140)
    assert small.shape == (200, 150)
    exact = np.asarray(Image.fromarray(ramp(1600, 1200).astype(np.uint8)).resize((150, 200), Image.Resampling.BOX))
    assert close(small, exact, 3)
    assert decode(large, CONFIG, at_least=700).shape == (1600, 1200)
    colour = picture(np.dstack([ramp(1600, 1200)] * 3), "JPEG", quality=95)
    assert close(decode(colour, CONFIG, at_least=140), exact, 3)


KINDS: dict[str, dict[str, Any]] = {"PNG": {}, "JPEG": {}, "WEBP": {}, "TIFF": {"compression": "tiff_deflate"}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_a_reject_or_lost_nothing(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
    whole = picture(noise, kind, **KINDS[kind])
    shown = decode(whole, CONFIG)
    reasons = set()
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        try:
            pixels = decode(whole[:length], CONFIG)
        except ImageReject as why:
            reasons.add(why.reason)
        else:
            assert np.array_equal(pixels, shown), length
    assert reasons <= {"image-empty", "image-undecodable", "image-truncated"}
    assert len(reasons) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_give_a_picture_or_a_reject_never_an_error(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Libtiff says on the error stream what is wrong with a file, but nothing that stands in it; the rest is silent."""
    whole = picture(GREY, kind, **KINDS[kind], **({"description": "CANARY"} if kind == "TIFF" else {}))
    rng = np.random.default_rng(5)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 6)):
            damaged[place] ^= 1 << int(rng.integers(8))
        try:
            assert decode(bytes(damaged), CONFIG).ndim == 2
        except ImageReject as why:
            assert why.reason.startswith("image-")  # noqa: PT017  # either may happen
    out, err = capfd.readouterr()
    assert not out
    assert "CANARY" not in err
    assert kind == "TIFF" or not err


def bomb_text() -> bytes:
    return png(
        32, 24, b"".join(b"\0" + r.tobytes() for r in GREY), 8, (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28), 9))
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "image-empty"),
        (b"\0" * 1000, "image-undecodable"),
        (b"GIF89a" + b"\0" * 100, "image-undecodable"),
        (b"<svg/>", "image-undecodable"),
        (png(60000, 60000, bytes(100_000)), "image-too-many-pixels"),
        (png(2**31 - 1, 2**31 - 1), "image-too-many-pixels"),
        (png(0, 0), "image-undecodable"),
        (png(1, 1, b"\0\7"), "image-degenerate"),
        (png(500, 1, b"\0" + bytes(range(250)) * 2), "image-degenerate"),
        (png(32, 24, b"\0" * 50), "image-truncated"),
        (png(32, 24, b"\0" * 33 * 24), "image-blank"),
        (picture(GREY, "PNG").replace(b"IDAT", b"IDAX"), "image-undecodable"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_more_than_one_picture_is_a_reject(kind: str) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY[::-1])]
    assert reason_of(saved(pages[0], kind, save_all=True, append_images=pages[1:])) == "image-multiframe"


@pytest.mark.parametrize("data", [png(60000, 60000, bytes(100_000)), bomb_text()], ids=["pixels", "text"])
def test_a_bomb_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        decode(data, CONFIG)
    except ImageReject:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 30 << 20


LARGE = np.arange(2500 * 2000, dtype=np.uint32).reshape(2500, 2000)


DEEP_LARGE = LARGE % 65521


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (saved(Image.fromarray(DEEP_LARGE.astype(np.uint16)), "PNG", compress_level=1), 2),
        (saved(Image.fromarray(LARGE.astype(np.float32)), "TIFF"), 2),
        (saved(Image.fromarray(LARGE.astype(np.int32)), "TIFF"), 2),
        (deep_png(np.dstack([DEEP_LARGE] * 3), 2, 1), 4),
        (deep_png(np.dstack([DEEP_LARGE, LARGE % 2 * 65535]), 4, 1), 4.2),
        (dicom(LARGE.astype(np.int64), 32), 4 + 2),
        (dicom(np.dstack([LARGE % 251, LARGE % 241, LARGE % 239]).astype(np.int64), 8), 3 + 1.5),
        (dicom(np.dstack([DEEP_LARGE] * 3).astype(np.int64), 16), 6 + 1.5),
    ],
    ids=[
        *("16 bit", "float", "32 bit", "16 bit, colour", "16 bit, alpha"),
        *("DICOM, 32 bit", "DICOM, colour", "DICOM, 16 bit, colour"),
    ],
)
def test_a_large_picture_costs_little_beside_its_pixels(data: bytes, most: float) -> None:
    """Nothing of Python's own is as large as the picture but what is shown, a DICOM file's values, and the luminance of
    deep colour (`most`: bytes a pixel): else a file of 200 kB with 100 million pixels would take gigabytes.
    """
    tracemalloc.start()
    try:
        shown = decode(data, CONFIG)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert shown.shape == LARGE.shape
    assert peak < most * LARGE.size, f"{peak / LARGE.size:.1f} bytes a pixel"


def test_the_limit_is_ours_and_pillows_own_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(picture(GREY, "PNG"), IngestConfig(max_pixels=24 * 32)).shape == (24, 32)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert reason_of(picture(GREY, "PNG"), IngestConfig(max_pixels=24 * 32 - 1)) == "image-too-many-pixels"
    assert Image.MAX_IMAGE_PIXELS == 100
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(picture(GREY, "PNG")))
