"""Image files made for the tests of ingest."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

Pixels = npt.NDArray[Any]


def ramp(height: int = 24, width: int = 32, top: int = 255) -> Pixels:
    """A picture of many values, not its own mirror image, from 0 to `top`."""
    plane = np.add.outer(np.arange(height) * 2.0, np.arange(width) * 3.0)
    return np.rint(plane / plane.max() * top).astype(np.int64)


def dicom(pixels: Pixels, bits: int = 16, *, preamble: bool = True, **tags: Any) -> bytes:
    """A DICOM file of grey pixels [H, W] or RGB pixels [H, W, 3]; `tags` are added, replaced, or with None left out."""
    signed = bool(pixels.min() < 0)
    allocated = 8 if bits <= 8 else 16 if bits <= 16 else 32
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=["a"])
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, bits, bits - 1, int(signed)
    ds.PixelData = pixels.astype(f"<{'i' if signed else 'u'}{allocated // 8}").tobytes()
    return _saved(ds, tags, ExplicitVRLittleEndian, preamble)


def jpeg_dicom(pixels: Pixels, frame: bytes | None = None, syntax: str = JPEGBaseline8Bit, **tags: Any) -> bytes:
    """A DICOM file with one JPEG frame: `frame`, or the 8-bit pixels."""
    stream = frame if frame is not None else picture(pixels, "JPEG", quality=95)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=["a"])
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    return _saved(ds, tags, syntax, True)


def _saved(ds: Dataset, tags: dict[str, Any], syntax: str, preamble: bool) -> bytes:
    for name, value in tags.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    if preamble:
        ds.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
        return buffer.getvalue()
    del ds.file_meta
    ds.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def lut(entries: list[int], first: int, bits: int) -> list[Dataset]:
    """A LUT sequence of one item."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return [item]


def picture(pixels: Pixels, kind: str, **options: Any) -> bytes:
    """A PNG, JPEG, WEBP or TIFF file of 8-bit pixels, grey or RGB(A)."""
    return saved(Image.fromarray(pixels.astype(np.uint8)), kind, **options)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png(values: Pixels, kind: int, level: int = 9) -> bytes:
    """A PNG file of 16-bit values [H, W, channels]; `kind`: 4 grey with alpha, 2 RGB, 6 RGBA."""
    height, width = values.shape[:2]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, raw, 16, kind=kind, level=level)


def deep_tiff(values: Pixels, order: str = "<", **tags: int) -> bytes:
    """An uncompressed TIFF file of 16-bit RGB or RGBA values [H, W, channels], in the byte order `<` or `>`."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    depths = struct.pack(f"{order}{channels}H", *[16] * channels)
    fields = {256: width, 257: height, 258: 8, 259: 1, 262: 2, 273: 8 + len(depths), 277: channels, 279: len(data)}
    fields |= ({338: 2} if channels == 4 else {}) | {int(tag[1:]): value for tag, value in tags.items()}
    entries = [struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()) if tag != 258]
    entries.insert(2, struct.pack(f"{order}HHII", 258, 3, channels, 8))
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(depths) + len(data))
    return head + depths + data + directory


def png(
    width: int,
    height: int,
    raw: bytes = b"",
    depth: int = 8,
    *chunks: tuple[bytes, bytes],
    kind: int = 0,
    level: int = 9,
) -> bytes:
    """A PNG file of any header, with the filtered rows `raw`, and more chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw, level)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body
