"""Damaged images: PNG, JPEG, DICOM, other files under their names, bombs, and what stands where an image should."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import MPEG2MPML, DeflatedExplicitVRLittleEndian

from tests.damage.kinds import SAMPLE, Good, Kind, cut, flipped, kind
from tests.stages.ingest_files import dicom, png, saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLER = b"this file kills its decoder"
"""Stands in files at which `deadly.py` ends the process, as a decoder with a bug would."""

_UNDECODABLE = "image-undecodable"
_CUT = "image-truncated image-undecodable"
_FLIPPED = "image-truncated image-undecodable image-too-many-pixels image-degenerate image-blank image-multiframe"


def _pixels(good: Good) -> Any:
    return np.asarray(Image.open(io.BytesIO(good.png)).convert("L"))


def _with_size(jpeg: bytes, height: int, width: int) -> bytes:
    """The JPEG with another size in its frame header, whose length is 11 for one component."""
    place = next(i for i in range(len(jpeg)) if jpeg[i : i + 4] in (b"\xff\xc0\x00\x0b", b"\xff\xc2\x00\x0b"))
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def _tagged(good: Good, jpeg: bool = False, **tags: Any) -> bytes:
    """The DICOM file with some elements replaced, or with None taken out."""
    ds = pydicom.dcmread(io.BytesIO(good.jpeg_dicom if jpeg else good.dicom))
    for name, value in tags.items():
        if value is None:
            delattr(ds, name)
        elif name == "TransferSyntaxUID":
            ds.file_meta.TransferSyntaxUID = value
        else:
            setattr(ds, name, value)
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def _nan_window(good: Good) -> bytes:
    """Window values that are no numbers, which no library would write."""
    whole = _tagged(good, WindowCenter="1111", WindowWidth="2222")
    return whole.replace(b"1111", b"NaN ").replace(b"2222", b"NaN ")


def _nested(good: Good) -> bytes:
    """Sequences in sequences, 3,000 deep, of undefined length, before everything else."""
    start = good.dicom.index(b"\x08\x00\x05\x00") if b"\x08\x00\x05\x00" in good.dicom else 132
    opened = (b"\x08\x00\x15\x11SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4) * 3000
    return good.dicom[:start] + opened + good.dicom[start:]


def _multiframe(good: Good) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(good.dicom))
    return _tagged(good, NumberOfFrames=2, PixelData=ds.PixelData * 2)


def _colour(good: Good) -> bytes:
    grey = _pixels(good).astype(int)
    return dicom(np.dstack([grey, grey // 2, 255 - grey]), 8)


def _other(good: Good, name: str) -> bytes:
    return saved(Image.fromarray(_pixels(good)), name)


def _pages(good: Good) -> bytes:
    page = Image.fromarray(_pixels(good))
    return saved(page, "TIFF", save_all=True, append_images=[page.rotate(90)])


@cache
def _blank_rows(height: int, stride: int, first: int = 0) -> bytes:
    """The filtered rows of a large PNG, compressed, one value of which is not 0."""
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes([0, first]) + bytes(stride - 2))]
    row = bytes(stride)
    parts.extend(squeeze.compress(row) for _ in range(height - 1))
    return b"".join([*parts, squeeze.flush()])


def _large_png(width: int, height: int, depth: int, colour: int, stride: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", _blank_rows(height, stride, 9)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body


def _text_bomb(good: Good) -> bytes:
    """A whole picture beside a chunk of text that unpacks to 64 MB, which Pillow refuses."""
    pixels = _pixels(good)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png(pixels.shape[1], pixels.shape[0], rows, 8, (b"zTXt", b"a\0\0" + _zeros(1 << 26)))


@cache
def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def _deflated(good: Good) -> bytes:
    ds = Dataset()
    ds.Rows = ds.Columns = 8
    head = _tagged(good, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    return head[:400] + _zeros(1 << 26)[2:-4]


def _drop(name: str) -> Callable[[Good, np.random.Generator], bytes]:
    return lambda good, _: _tagged(good, **{name: None})


PNGS = [
    kind("PNG cut", _CUT, lambda g, r: cut(g.png, r), share=3),
    kind("PNG with bits turned", f"{_FLIPPED} {SAMPLE}", lambda g, r: flipped(g.png, r), share=3),
    kind("PNG with its middle zeroed", _CUT, lambda g, r: g.png[:200] + bytes(400) + g.png[600:]),
    kind("PNG, chunk renamed", _UNDECODABLE, lambda g, r: g.png.replace(b"IDAT", b"IDAX")),
    kind("PNG of 0 × 0", _UNDECODABLE, lambda g, r: png(0, 0)),
    kind("PNG of 1 × 1", "image-degenerate", lambda g, r: png(1, 1, b"\0\7")),
    kind("PNG of one grey", "image-blank", lambda g, r: saved(Image.new("L", (64, 64), 77), "PNG")),
    kind("PNG of 60,000 × 60,000", "image-too-many-pixels", lambda g, r: png(60000, 60000, bytes(100_000))),
    kind(
        "PNG of 60,000 × 60,000, all there",
        "image-too-many-pixels",
        lambda g, r: _large_png(60000, 60000, 1, 0, 7501),
        heavy=True,
    ),
    kind("PNG with a bomb of text", _UNDECODABLE, lambda g, r: _text_bomb(g)),
    kind("PNG of 10,000 × 9,999, 16 bits", SAMPLE, lambda g, r: _large_png(9999, 10000, 16, 0, 19999), heavy=True),
    kind("PNG in colour, transparent", SAMPLE, lambda g, r: saved(_rgba(g), "PNG")),
]


def _rgba(good: Good) -> Image.Image:
    return Image.merge(
        "RGBA", [Image.fromarray(_pixels(good) // n) for n in (1, 2, 3)] + [Image.new("L", (96, 96), 200)]
    )


JPEGS = [
    kind("JPEG cut", _CUT, lambda g, r: cut(g.jpeg, r), share=3),
    kind("JPEG, bits of its header turned", f"{_FLIPPED} {SAMPLE}", lambda g, r: flipped(g.jpeg, r, 2, 330), share=2),
    kind("JPEG, bits of its scan turned", f"{_CUT} {SAMPLE}", lambda g, r: flipped(g.jpeg, r, 340), share=2),
    kind("JPEG of 60,000 × 60,000", "image-too-many-pixels", lambda g, r: _with_size(g.jpeg, 60000, 60000)),
    kind("JPEG of 0 × 0", _UNDECODABLE, lambda g, r: _with_size(g.jpeg, 0, 0)),
    kind("JPEG in colour", SAMPLE, lambda g, r: saved(_rgba(g).convert("RGB"), "JPEG")),
    kind("JPEG in CMYK", SAMPLE, lambda g, r: saved(_rgba(g).convert("RGB").convert("CMYK"), "JPEG")),
]

DICOMS = [
    kind("DICOM cut", _CUT, lambda g, r: cut(g.dicom, r, 140), share=3, suffix=".dcm"),
    kind(
        "DICOM, bits turned",
        f"{_FLIPPED} {SAMPLE} transfer-syntax-unsupported view-unsupported",
        lambda g, r: flipped(g.dicom, r, 128, 1400),
        share=3,
        suffix=".dcm",
    ),
    kind("DICOM with a JPEG, cut", _CUT, lambda g, r: cut(g.jpeg_dicom, r, 140), share=2, suffix=".dcm"),
    *(
        kind(f"DICOM without {name}", _UNDECODABLE, _drop(name), suffix=".dcm")
        for name in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation", "PixelData")
    ),
    *(
        kind(f"DICOM without {name}", SAMPLE, _drop(name), suffix=".dcm")
        for name in ("WindowCenter", "RescaleSlope", "PatientID", "StudyInstanceUID", "Modality")
    ),
    kind("DICOM, window NaN", SAMPLE, lambda g, r: _nan_window(g), suffix=".dcm"),
    kind("DICOM, window of no width", SAMPLE, lambda g, r: _tagged(g, WindowWidth=0), suffix=".dcm"),
    kind("DICOM in colour", SAMPLE, lambda g, r: _colour(g), suffix=".dcm"),
    kind("DICOM of two frames", "image-multiframe", lambda g, r: _multiframe(g), suffix=".dcm"),
    kind("DICOM of 0 × 0", "image-degenerate", lambda g, r: _tagged(g, Rows=0, Columns=0), suffix=".dcm"),
    kind(
        "DICOM of 60,000 × 60,000",
        "image-too-many-pixels",
        lambda g, r: _tagged(g, Rows=60000, Columns=60000),
        suffix=".dcm",
    ),
    kind(
        "DICOM, 60,000 × 60,000 in a JPEG",
        "image-too-many-pixels",
        lambda g, r: _tagged(g, jpeg=True, Rows=60000, Columns=60000),
        suffix=".dcm",
    ),
    kind(
        "DICOM, header and JPEG of two sizes", _UNDECODABLE, lambda g, r: _tagged(g, jpeg=True, Rows=90), suffix=".dcm"
    ),
    kind(
        "DICOM, fewer pixels than told", "image-truncated", lambda g, r: _tagged(g, PixelData=bytes(64)), suffix=".dcm"
    ),
    kind(
        "DICOM with a film",
        "transfer-syntax-unsupported",
        lambda g, r: _tagged(g, jpeg=True, TransferSyntaxUID=MPEG2MPML),
        suffix=".dcm",
    ),
    kind(
        "DICOM, transfer syntax made up",
        "transfer-syntax-unsupported",
        lambda g, r: _tagged(g, jpeg=True, TransferSyntaxUID="1.2.3.4.5"),
        suffix=".dcm",
    ),
    kind("DICOM, deflated bomb", "transfer-syntax-unsupported", lambda g, r: _deflated(g), suffix=".dcm"),
    kind("DICOM, sequences 3,000 deep", _CUT, lambda g, r: _nested(g), suffix=".dcm"),
    kind("DICOM of an oblique view", SAMPLE, lambda g, r: _tagged(g, ViewPosition="LAO"), suffix=".dcm"),
]

DISGUISED = [
    kind("no bytes", "image-empty", lambda g, r: b"", share=2),
    kind("zeros", _UNDECODABLE, lambda g, r: bytes(len(g.png)), share=2),
    kind("noise", _UNDECODABLE, lambda g, r: r.bytes(4000), share=2),
    kind("a report called .png", _UNDECODABLE, lambda g, r: g.report.encode(), suffix=".png"),
    kind(
        "HTML called .jpg", _UNDECODABLE, lambda g, r: b"<!doctype html><title>502 Bad Gateway</title>", suffix=".jpg"
    ),
    kind("PDF called .dcm", _UNDECODABLE, lambda g, r: b"%PDF-1.7\n" + r.bytes(900), suffix=".dcm"),
    kind("GIF called .png", _UNDECODABLE, lambda g, r: _other(g, "GIF"), suffix=".png"),
    kind("BMP called .png", _UNDECODABLE, lambda g, r: _other(g, "BMP"), suffix=".png"),
    kind("PNG, gzipped", _UNDECODABLE, lambda g, r: gzip.compress(g.png, mtime=0), suffix=".png"),
    kind("TIFF of two pages", "image-multiframe", lambda g, r: _pages(g), suffix=".tif"),
    kind("JPEG called .png", SAMPLE, lambda g, r: g.jpeg, suffix=".png"),
    kind("PNG called .dcm", SAMPLE, lambda g, r: g.png, suffix=".dcm"),
    kind("DICOM called .jpg", SAMPLE, lambda g, r: g.dicom, suffix=".jpg"),
    kind("DICOM without a suffix", SAMPLE, lambda g, r: g.dicom),
    kind("WebP called .png", SAMPLE, lambda g, r: _other(g, "WEBP"), suffix=".png"),
]


def _link(target: Callable[[Path, Good], Path]) -> Callable[[Path, Good], str]:
    def place(path: Path, good: Good) -> str:
        path.symlink_to(target(path, good))
        return path.name

    return place


def _beside(path: Path, good: Good) -> Path:
    """A good picture outside of the root, under a name of its own."""
    outside = path.parent.parent.parent / f"outside-{path.name}"
    outside.write_bytes(good.png)
    return outside


def _folder(path: Path, good: Good) -> str:
    path.mkdir()
    (path / "in.png").write_bytes(good.png)
    return path.name


def _pipe(path: Path, _: Good) -> str:
    os.mkfifo(path)
    return path.name


def _place(name: str, codes: str, place: Callable[[Path, Good], str]) -> Kind:
    return Kind(name, frozenset(codes.split()), place=place)


PLACES = [
    _place("file not there", "image-missing", lambda p, g: p.name),
    _place("link out of the root", "path-outside-root", _link(_beside)),
    _place("link to /etc/passwd", "path-outside-root", _link(lambda p, g: type(p)("/etc/passwd"))),
    _place("link that leads nowhere", "image-missing", _link(lambda p, g: p.with_name("nowhere"))),
    _place("link to itself", "image-missing", _link(lambda p, g: p)),
    _place("folder in place of a file", "image-missing", _folder),
    _place("named pipe", "image-missing", _pipe),
    _place("path with ..", "path-outside-root", lambda p, g: f"../{_beside(p, g).name}"),
    _place("path from the root of the disk", "path-outside-root", lambda p, g: str(_beside(p, g))),
    _place("file:// out of the root", "path-outside-root", lambda p, g: f"file://{_beside(p, g)}"),
    _place("URL of a wrapped file", "path-outside-root", lambda p, g: f"simplecache::file://{_beside(p, g)}"),
    _place("URL of an unknown kind", "path-outside-root", lambda p, g: f"gopher://example.org/{p.name}"),
    _place("name longer than names may be", "image-missing", lambda p, g: "a" * 300 + p.name),
]

DEADLY = [kind("kills its decoder", "decoder-crashed", lambda g, r: g.jpeg[:2] + _comment(KILLER) + g.jpeg[2:])]


def _comment(text: bytes) -> bytes:
    return b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text


IMAGES = [*PNGS, *JPEGS, *DICOMS, *DISGUISED, *PLACES]
