"""DICOM files become the picture that a viewer would show, or a reject that says why."""

from __future__ import annotations

import csv
import io
import logging
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import MPEG2MPML, DeflatedExplicitVRLittleEndian, RLELossless

from medcutmix_pipeline.schemas.config import IngestConfig
from medcutmix_pipeline.stages.ingest import ImageReject, decode, header_view
from tests.stages.ingest_files import Pixels, dicom, jpeg_dicom, lut, picture, ramp

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = IngestConfig()
REASONS = {
    *("image-undecodable", "image-truncated", "image-degenerate", "image-too-many-pixels", "image-multiframe"),
    *("image-blank", "transfer-syntax-unsupported"),
}
TIBIA = "cr_RG3_tibia_{}_mono1_10bit.dcm"


def rejected(data: bytes, config: IngestConfig = CONFIG) -> str:
    with pytest.raises(ImageReject) as error:
        decode(data, config)
    assert "\n" not in error.value.detail
    return str(error.value.reason)


def to_8bit(shown: Pixels) -> Pixels:
    """From [0, 1] to 0–255, rounded half up."""
    return np.floor(np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8)


def stretched(values: Pixels) -> Pixels:
    low, high = values.min(), values.max()
    return np.floor((values - low) * 255 / (high - low) + 0.5).astype(np.uint8)


def as_shown(ds: Dataset, stored: Pixels) -> Pixels:
    """The grey-scale chain once more, in plain arithmetic on whole arrays, for the tags that the real files have."""
    values = stored.astype(np.float64)
    if "ModalityLUTSequence" in ds:
        item = ds.ModalityLUTSequence[0]
        count, first, _ = item.LUTDescriptor
        table = np.frombuffer(item.LUTData, "<u2") if isinstance(item.LUTData, bytes) else np.array(item.LUTData)
        values = table[np.clip(stored.astype(int) - first, 0, count - 1)].astype(np.float64)
    elif "RescaleSlope" in ds:
        values = values * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    if "WindowWidth" in ds:
        center, width = float(ds.WindowCenter), float(ds.WindowWidth)
        shown = to_8bit((values - center + 0.5) / (width - 1) + 0.5)
    else:
        shown = stretched(values)
    return 255 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown


def test_every_real_file_is_the_picture_that_its_manifest_tells(shared_data: Path) -> None:
    checked = 0
    for row in csv.DictReader((shared_data / "dicom/manifest.csv").open()):
        told = re.match(r"ok (\w+) min=(-?\d+) max=(-?\d+)", row["decode"])
        if not told:
            continue
        data = (shared_data / "dicom" / row["file"]).read_bytes()
        ds = pydicom.dcmread(io.BytesIO(data))
        # Decoders of lossy JPEG differ by a step of 255; the manifest's figures are those of GDCM and Pillow.
        jpeg = ds.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
        stored = pixel_array(io.BytesIO(data), decoding_plugin="pillow" if jpeg else "")
        assert (str(stored.dtype), int(stored.min()), int(stored.max())) == (told[1], int(told[2]), int(told[3]))
        pixels = decode(data, CONFIG)
        assert pixels.shape == (int(row["rows"]), int(row["cols"]))
        assert np.array_equal(pixels, as_shown(ds, stored)), row["file"]
        assert header_view(data) == {"PA": "frontal", "AP": "frontal", "": None}[row["view"]]
        checked += 1
    assert checked == 14


def test_twelve_bit_jpeg_is_the_lossless_picture_but_for_its_loss(shared_data: Path) -> None:
    lossless = decode((shared_data / "dicom" / TIBIA.format("jpeglossless")).read_bytes(), CONFIG).astype(int)
    lossy = decode((shared_data / "dicom" / TIBIA.format("jpegextended12")).read_bytes(), CONFIG).astype(int)
    difference = np.abs(lossy - lossless)
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.99) <= 2
    assert difference.max() <= 12


def test_the_other_twelve_bit_jpeg_is_a_smooth_picture(shared_data: Path) -> None:
    pixels = decode((shared_data / "dicom/cr_RG2_hip_jpegextended_mono2_10bit.dcm").read_bytes(), CONFIG).astype(float)
    assert pixels.shape == (2140, 1760)
    assert np.corrcoef(pixels[:, 1:].ravel(), pixels[:, :-1].ravel())[0, 1] > 0.995
    assert pixels.std() > 30


def test_the_same_picture_in_every_compression_is_the_same(shared_data: Path) -> None:
    folder = shared_data / "dicom"
    for group in ("derived_cxr_MONO1-10_*.dcm", "cxr_RG1_*less*.dcm", "cr_RG3_tibia_j*lossless*.dcm"):
        first, *others = [decode(p.read_bytes(), CONFIG) for p in sorted(folder.glob(group))]
        assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize(
    ("bits", "low"), [(8, 0), (10, 0), (12, 0), (16, 0), (12, -2048), (16, -32768), (32, 0), (32, -7)]
)
def test_any_depth_with_and_without_sign(bits: int, low: int) -> None:
    pixels = ramp(top=2 ** (bits - 1) - 1 - low if low in (0, -7) else 2**bits - 1) + low
    assert np.array_equal(decode(dicom(pixels, bits), CONFIG), stretched(pixels.astype(float)))


def high(pixels: Pixels, shift: int) -> Pixels:
    """Twelve bits with `shift` others below them, which belong to something else."""
    return (pixels << shift) | (np.arange(pixels.size).reshape(pixels.shape) % (1 << shift))


@pytest.mark.parametrize("high_bit", [12, 13, 15])
@pytest.mark.parametrize("low", [0, -2048])
def test_values_stand_below_the_high_bit(high_bit: int, low: int) -> None:
    pixels = ramp(top=4095) + low
    raw = high(pixels, high_bit - 11)
    if high_bit < 15 and low < 0:
        raw &= (1 << (high_bit + 1)) - 1  # what stands above is no sign
    data = dicom(raw, 12, HighBit=high_bit, PixelRepresentation=int(low < 0))
    assert np.array_equal(decode(data, CONFIG), decode(dicom(pixels, 12), CONFIG))
    window = {"WindowCenter": 1000, "WindowWidth": 800}
    data = dicom(raw, 12, HighBit=high_bit, PixelRepresentation=int(low < 0), **window)
    assert np.array_equal(decode(data, CONFIG), decode(dicom(pixels, 12, **window), CONFIG))


def test_values_stand_below_the_high_bit_in_run_lengths_too() -> None:
    ds = pydicom.dcmread(io.BytesIO(dicom(high(ramp(top=4095), 4), 12, HighBit=15)))
    ds.compress(RLELossless)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    assert np.array_equal(decode(buffer.getvalue(), CONFIG), decode(dicom(ramp(top=4095), 12), CONFIG))


@pytest.mark.parametrize("high_bit", [0, 5, 11, 15, 16, 200])
@pytest.mark.parametrize("low", [0, -2048])
def test_a_high_bit_that_the_values_disprove_changes_nothing(high_bit: int, low: int) -> None:
    plain = ramp(top=4095) + low
    assert np.array_equal(decode(dicom(plain, 12, HighBit=high_bit), CONFIG), decode(dicom(plain, 12), CONFIG))


def test_without_a_window_the_least_value_is_black_and_the_greatest_white() -> None:
    pixels = ramp(top=1000) + 3000
    shown = decode(dicom(pixels, 12), CONFIG)
    assert (shown.min(), shown.max()) == (0, 255)
    assert np.array_equal(shown, stretched(pixels.astype(float)))


@pytest.mark.parametrize(
    "tags", [{}, {"WindowCenter": 300, "WindowWidth": 200}, {"RescaleSlope": "2", "RescaleIntercept": "-5"}]
)
def test_monochrome1_is_the_negative(tags: dict[str, Any]) -> None:
    plain = decode(dicom(ramp(top=900), 10, **tags), CONFIG)
    inverted = decode(dicom(ramp(top=900), 10, PhotometricInterpretation="MONOCHROME1", **tags), CONFIG)
    assert np.array_equal(inverted, 255 - plain)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@given(center=st.integers(0, 1000), width=st.integers(2, 1500))
def test_windows_are_those_of_pydicom_on_the_output_range(function: str, center: int, width: int) -> None:
    data = dicom(ramp(top=1000), 10, WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    ds = pydicom.dcmread(io.BytesIO(data))
    expected = to_8bit(apply_voi_lut(ds.pixel_array, ds) / 1023)
    if expected.min() == expected.max():
        expected = stretched(ds.pixel_array.astype(float))
    assert np.abs(decode(data, CONFIG).astype(int) - expected).max() <= 1


def test_slope_and_intercept_come_before_the_window() -> None:
    data = dicom(ramp(top=1000), 10, RescaleSlope="2.5", RescaleIntercept="-1000", WindowCenter=0, WindowWidth=801)
    assert np.array_equal(decode(data, CONFIG), to_8bit((ramp(top=1000) * 2.5 - 1000 + 0.5) / 800 + 0.5))


def test_a_negative_slope_turns_the_picture_over() -> None:
    tags = {"RescaleSlope": "-1", "RescaleIntercept": "1000"}
    windowed = dicom(ramp(top=1000), 10, WindowCenter=500, WindowWidth=501, **tags)
    assert np.array_equal(decode(dicom(ramp(top=1000), 10, **tags), CONFIG), stretched(1000.0 - ramp(top=1000)))
    assert np.array_equal(decode(windowed, CONFIG), to_8bit((1000.0 - ramp(top=1000) - 499.5) / 500 + 0.5))


def test_tables_are_those_of_pydicom() -> None:
    entries = [int(40000 * (i / 99) ** 2) for i in range(100)]
    data = dicom(ramp(top=160), 8, ModalityLUTSequence=lut(entries, 30, 16))
    ds = pydicom.dcmread(io.BytesIO(data))
    assert np.array_equal(decode(data, CONFIG), stretched(apply_modality_lut(ds.pixel_array, ds).astype(float)))
    data = dicom(ramp(top=160), 8, VOILUTSequence=lut(entries, 30, 16), WindowCenter=1, WindowWidth=2)
    ds = pydicom.dcmread(io.BytesIO(data))
    assert np.array_equal(decode(data, CONFIG), to_8bit(apply_voi_lut(ds.pixel_array, ds) / 40000))


def test_a_long_table_of_8_bit_entries_is_not_wrapped() -> None:
    entries = [i // 4 for i in range(1024)]
    data = dicom(ramp(top=1023), 10, VOILUTSequence=lut(entries, 0, 8))
    assert np.array_equal(decode(data, CONFIG), (ramp(top=1023) // 4).astype(np.uint8))


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": -5},
        {"WindowCenter": "nan", "WindowWidth": "inf"},
        {"WindowCenter": 100, "WindowWidth": "nan"},
        {"WindowCenter": "1e308", "WindowWidth": "1e-308", "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 1_000_000, "WindowWidth": 10},
        {"WindowCenter": -1_000_000, "WindowWidth": 10},
        {"WindowCenter": 100},
        {"WindowWidth": 100},
        {"WindowCenter": "", "WindowWidth": ""},
        {"RescaleSlope": "0", "RescaleIntercept": "0"},
        {"RescaleSlope": "nan", "RescaleIntercept": "0"},
        {"RescaleSlope": "2"},
        {"VOILUTSequence": []},
        {"VOILUTSequence": [Dataset()]},
        {"ModalityLUTSequence": [Dataset()]},
        {"ModalityLUTSequence": lut([], 0, 16)},
        {"PixelPaddingValue": 60000},
        {"NumberOfFrames": 0},
        {"NumberOfFrames": 1},
    ],
)
def test_tags_that_make_no_sense_change_nothing(tags: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dicom(ramp(top=1000), 16, **tags)
    assert np.array_equal(decode(data, CONFIG), stretched(ramp(top=1000).astype(float)))


def test_the_first_of_several_windows_counts() -> None:
    several = dicom(ramp(top=1000), 10, WindowCenter=[200, 900], WindowWidth=[300, 50])
    assert np.array_equal(
        decode(several, CONFIG), decode(dicom(ramp(top=1000), 10, WindowCenter=200, WindowWidth=300), CONFIG)
    )


def test_a_window_of_one_is_a_threshold() -> None:
    shown = decode(dicom(ramp(top=1000), 10, WindowCenter=500, WindowWidth=1), CONFIG)
    assert np.array_equal(shown, np.where(ramp(top=1000) > 499.5, 255, 0))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(photometric: str) -> None:
    pixels = ramp(top=500) + 100
    framed = pixels.copy()
    framed[:, :4] = 4000
    framed[:2] = 4010
    tags = {"PhotometricInterpretation": photometric, "PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 4010}
    shown = decode(dicom(framed, 12, **tags), CONFIG)
    inside = pixels[2:, 4:].astype(float)
    expected = stretched(inside)
    assert np.array_equal(shown[2:, 4:], 255 - expected if photometric == "MONOCHROME1" else expected)
    assert not shown[:2].any()
    assert not shown[:, :4].any()


@pytest.mark.parametrize(("low", "vr", "told"), [(-2000, "US", 63536), (65535, "SS", -1)], ids=["signed", "unsigned"])
def test_padding_told_with_the_other_sign_is_the_same_16_bits(low: int, vr: str, told: int) -> None:
    pixels = ramp(top=1000) - (500 if low < 0 else 0)
    pixels[:, :4] = low
    ds = pydicom.dcmread(io.BytesIO(dicom(pixels, 16)))
    ds.add_new("PixelPaddingValue", vr, told)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    shown = decode(buffer.getvalue(), CONFIG)
    assert np.array_equal(shown[:, 4:], stretched(pixels[:, 4:].astype(float)))
    assert not shown[:, :4].any()


def test_colour_becomes_luminance() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (20, 30, 3))
    expected = np.floor(rgb @ [0.299, 0.587, 0.114] + 0.5)
    assert np.abs(decode(dicom(rgb, 8), CONFIG) - expected).max() <= 1
    deep = rng.integers(0, 4096, (20, 30, 3))
    assert np.abs(decode(dicom(deep, 12), CONFIG) - deep @ [0.299, 0.587, 0.114] / 4095 * 255).max() <= 1


def test_a_palette_is_looked_up() -> None:
    reds = np.arange(256) * 256
    table = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")}
    data = {f"{c}PaletteColorLookupTableData": reds[::-1].astype("<u2").tobytes() for c in ("Red", "Green", "Blue")}
    shown = decode(dicom(ramp(), 8, PhotometricInterpretation="PALETTE COLOR", **table, **data), CONFIG)
    assert np.abs(shown - (255.0 - ramp())).max() <= 1


def test_files_without_a_preamble_are_read() -> None:
    assert np.array_equal(
        decode(dicom(ramp(top=900), 10, preamble=False), CONFIG), stretched(ramp(top=900).astype(float))
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dicom(ramp(), 8, NumberOfFrames=2), "image-multiframe"),
        (dicom(ramp(), 8, Rows=60000, Columns=60000), "image-too-many-pixels"),
        (dicom(ramp(), 8, Rows=0, Columns=0), "image-degenerate"),
        (dicom(ramp(), 8, Rows=1, Columns=768), "image-degenerate"),
        (dicom(ramp(), 8, Rows=None), "image-undecodable"),
        (dicom(ramp(), 8, PixelData=None), "image-undecodable"),
        (dicom(ramp(), 8, PixelData=b"\1\2"), "image-truncated"),
        (dicom(ramp() * 0 + 7, 8), "image-blank"),
        (jpeg_dicom(ramp(), syntax=MPEG2MPML), "transfer-syntax-unsupported"),
        (jpeg_dicom(ramp(), syntax="1.2.3.4.5"), "transfer-syntax-unsupported"),
        (jpeg_dicom(ramp(), picture(ramp(60, 50), "JPEG")), "image-undecodable"),
        (jpeg_dicom(ramp(), picture(ramp(), "JPEG")[:-40]), "image-truncated"),
        (jpeg_dicom(ramp(), b"not a JPEG stream"), "image-truncated"),
        (b"\0" * 128 + b"DICM", "image-undecodable"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 500, "image-undecodable"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    assert rejected(data) == reason


REQUIRED = "Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PhotometricInterpretation"


@pytest.mark.parametrize("tag", REQUIRED.split())
@pytest.mark.parametrize("make", [lambda: dicom(ramp(), 8), lambda: jpeg_dicom(ramp())], ids=["plain", "jpeg"])
def test_an_absent_tag_is_a_reject_or_makes_no_difference(make: Any, tag: str) -> None:
    whole = make()
    ds = pydicom.dcmread(io.BytesIO(whole))
    delattr(ds, tag)
    buffer = io.BytesIO()
    ds.save_as(buffer)
    try:
        pixels = decode(buffer.getvalue(), CONFIG)
    except ImageReject as why:
        pixels, reason = decode(whole, CONFIG), why.reason
    else:
        reason = ""
    assert np.array_equal(pixels, decode(whole, CONFIG))
    assert reason in ("", "image-undecodable")


@pytest.mark.parametrize("tag", ["BitsAllocated", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation"])
def test_a_reject_names_what_the_header_lacks(tag: str) -> None:
    with pytest.raises(ImageReject, match=f"^image-undecodable: the header lacks {tag}$"):
        decode(jpeg_dicom(ramp(), **{tag: None}), CONFIG)


def test_what_is_nearly_always_0_may_be_left_out() -> None:
    rgb = np.dstack([ramp(), ramp()[::-1], ramp()[:, ::-1]])
    for pixels, tag in ((ramp(), "PixelRepresentation"), (rgb, "PixelRepresentation"), (rgb, "PlanarConfiguration")):
        assert np.array_equal(decode(dicom(pixels, 8, **{tag: None}), CONFIG), decode(dicom(pixels, 8), CONFIG))


def test_a_deflated_bomb_is_not_inflated() -> None:
    data = dicom(ramp(), 8)
    syntax = b"1.2.840.10008.1.2.1\0"
    assert syntax in data
    named = data.replace(b"UI\x14\0" + syntax, b"UI\x16\0" + DeflatedExplicitVRLittleEndian.encode())
    assert rejected(named) == "transfer-syntax-unsupported"


@pytest.mark.parametrize("make", [lambda: dicom(ramp(), 8), lambda: jpeg_dicom(ramp())], ids=["plain", "jpeg"])
def test_a_file_cut_anywhere_is_a_reject_or_lost_nothing(make: Any) -> None:
    whole = make()
    picture_ = decode(whole, CONFIG)
    reasons = set()
    for length in range(0, len(whole), 7):
        try:
            assert np.array_equal(decode(whole[:length], CONFIG), picture_)
            assert length > len(whole) - 20
        except ImageReject as why:
            reasons.add(why.reason)
    assert reasons <= {"image-empty", "image-undecodable", "image-truncated"}
    assert "image-truncated" in reasons


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_give_a_picture_or_a_reject_never_an_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reasons: set[str] = set()
    for whole in (dicom(ramp(), 8, WindowCenter=9, WindowWidth=99), jpeg_dicom(ramp())):
        for _ in range(80):
            damaged = bytearray(whole)
            for place in rng.integers(128, len(whole), rng.integers(1, 9)):
                damaged[place] ^= 1 << int(rng.integers(8))
            try:
                pixels = decode(bytes(damaged), CONFIG)
                assert pixels.dtype == np.uint8
                assert pixels.ndim == 2
                header_view(bytes(damaged))
            except ImageReject as why:
                reasons.add(why.reason)
    assert reasons <= REASONS


def test_nothing_of_a_patient_is_said_warned_or_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Values that break their own rules are what pydicom likes to quote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tags = {
            "PatientName": "CANARY^NAME",
            "PatientID": "CANARY-ID",
            "PatientBirthDate": "CANARY-DATE",
            "StudyDate": "CANARY",
        }
        good = dicom(ramp(), 8, **tags, WindowCenter=9, WindowWidth=99)
        bad = [
            good.replace(b"99", b"CA"),
            good.replace(b"MONOCHROME2", b"CANARYCANAR"),
            good[:-100],
            good[: good.index(b"CANARY-ID") + 3],
            jpeg_dicom(ramp(), b"CANARY", **tags),
            jpeg_dicom(ramp(), syntax="1.2.3.4.5", **tags),
        ]
    caplog.clear()  # pydicom's own lines about what was written here
    said = []
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        for data in [good, *bad]:
            try:
                header_view(data)
                decode(data, CONFIG)
            except ImageReject as why:
                assert why.__context__ is None or why.__suppress_context__  # noqa: PT017  # what a log would print
                said.append(str(why))
    assert len(said) >= 4
    out, err = capfd.readouterr()
    assert "CANARY" not in " ".join([*said, out, err, caplog.text, *(str(w.message) for w in caught)])
    assert logging.getLogger("pydicom").isEnabledFor(logging.WARNING), "only while a file is read"


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "PA"}, "frontal"),
        ({"SeriesDescription": "CHEST_PA"}, "frontal"),
        ({"ProtocolName": "Thorax_lat"}, "lateral"),
        ({"ProtocolName": "Thorax^PA_LAT"}, None),
        ({"ViewPosition": "AP"}, "frontal"),
        ({"ViewPosition": "LL"}, "lateral"),
        ({"ViewPosition": "LATERAL"}, "lateral"),
        ({"ViewPosition": "LATERAL", "PatientOrientation": ["L", "F"]}, "lateral"),
        ({"ViewPosition": "LEFT LATERAL", "PatientOrientation": ["L", "F"]}, "lateral"),
        ({"ViewPosition": "L LATERAL", "PatientOrientation": ["L", "F"]}, "lateral"),
        ({"ViewPosition": "AP SUPINE", "SeriesDescription": "Portable"}, "frontal"),
        ({"ViewPosition": "PA", "SeriesDescription": "Chest PA, obliques"}, "frontal"),
        ({"PatientOrientation": ["L", "F"]}, "frontal"),
        ({"PatientOrientation": ["A", "F"]}, "lateral"),
        ({"PatientOrientation": ["P", "F"]}, "lateral"),
        ({"PatientOrientation": ["A", "R"]}, None),
        ({"PatientOrientation": ["L"]}, None),
        ({"SeriesDescription": "Chest PA"}, "frontal"),
        ({"SeriesDescription": "CHEST LAT"}, "lateral"),
        ({"SeriesDescription": "Chest PA and lateral"}, None),
        ({"SeriesDescription": "Chest PA, lateral, left decubitus"}, None),
        ({"SeriesDescription": "Bilateral ribs"}, None),
        ({"SeriesDescription": "Chest PA, coaxial grid"}, "frontal"),
        ({"SeriesDescription": "Chest", "ProtocolName": "W034 Thorax lateral"}, "lateral"),
        ({}, None),
    ],
)
def test_the_header_names_the_view(tags: dict[str, Any], view: str | None) -> None:
    assert header_view(dicom(ramp(), 8, **tags)) == view


@pytest.mark.parametrize("position", ["LAO", "RLO", "AP AXIAL", "AP LLD", "LLD", "RLD", "SWIMMERS", "XTABLE LATERAL"])
def test_a_view_that_no_sample_has_is_a_reject(position: str) -> None:
    with pytest.raises(ImageReject, match="view-unsupported"):
        header_view(dicom(ramp(), 8, ViewPosition=position))
    with pytest.raises(ImageReject, match="view-unsupported"):
        header_view(dicom(ramp(), 8, ViewPosition=position, PatientOrientation=["L", "F"]))


@pytest.mark.parametrize("name", ["SeriesDescription", "ProtocolName"])
@pytest.mark.parametrize(
    "words",
    [
        *("Left lateral decubitus", "LAT DECUB R", "Chest AP lordotic", "Chest PA RAO", "CHEST AP RLD", "Obliques"),
        *("Thorax_LAT_decub", "CHEST_OBL"),
        *("Chest cross-table lateral", "AP axial", "Chest obl."),
    ],
)
def test_descriptions_may_name_such_a_view_too(words: str, name: str) -> None:
    for tags in ({}, {"PatientOrientation": ["L", "F"]}):
        with pytest.raises(ImageReject, match="view-unsupported"):
            header_view(dicom(ramp(), 8, **{name: words}, **tags))


def test_a_code_names_the_view() -> None:
    code = Dataset()
    code.CodeMeaning = "postero-anterior"
    assert header_view(dicom(ramp(), 8, ViewCodeSequence=[code])) == "frontal"
    code.CodeMeaning = "left oblique"
    with pytest.raises(ImageReject, match="view-unsupported"):
        header_view(dicom(ramp(), 8, ViewCodeSequence=[code]))


def test_other_files_have_no_header_that_names_a_view() -> None:
    assert header_view(picture(ramp(), "PNG")) is None


FRONTAL = {"ViewPosition": "PA", "BodyPartExamined": "CHEST"}


@pytest.mark.parametrize("row", ["L", "R"])
@pytest.mark.parametrize("column", ["F", "H"])
@pytest.mark.parametrize("tags", [FRONTAL, {"ViewPosition": "AP"}, {"BodyPartExamined": "THORAX"}, {}])
def test_a_frontal_chest_is_laid_out_with_the_patients_left_on_the_right(
    row: str, column: str, tags: dict[str, str]
) -> None:
    """PS3.3 C.7.6.1.1.1: the directions in which rows run to the right and columns run down."""
    lies = (slice(None, None, -1 if column == "H" else 1), slice(None, None, -1 if row == "R" else 1))
    data = dicom(ramp()[lies], 8, PatientOrientation=[row, column], **tags)
    assert np.array_equal(decode(data, CONFIG), decode(dicom(ramp(), 8), CONFIG))
    as_stored = decode(data, IngestConfig(orient=False))
    assert np.array_equal(as_stored, decode(dicom(ramp()[lies], 8), CONFIG))


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientOrientation": ["R", "F"], "ViewPosition": "LL"},
        {"PatientOrientation": ["P", "H"], "ViewPosition": "LL"},
        {"PatientOrientation": ["R", "F"], "ViewPosition": "LLD"},
        {"PatientOrientation": ["R", "F"], "ViewPosition": "AP", "BodyPartExamined": "EXTREMITY"},
        {"PatientOrientation": ["R", "F"], "ViewPosition": "AP", "AnatomicalOrientationType": "QUADRUPED"},
        {**FRONTAL, "PatientOrientation": ["RA", "F"]},
        {**FRONTAL, "PatientOrientation": ["F", "R"]},
        {**FRONTAL, "PatientOrientation": ["R"]},
        {**FRONTAL, "PatientOrientation": ["R", ""]},
        FRONTAL,
    ],
)
def test_other_pictures_stay_as_they_are_stored(tags: dict[str, Any]) -> None:
    assert np.array_equal(decode(dicom(ramp(), 8, **tags), CONFIG), decode(dicom(ramp(), 8), CONFIG))
