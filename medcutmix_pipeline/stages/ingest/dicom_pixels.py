"""The stored values of a DICOM file's only frame, by decoders that bear damaged files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from medcutmix_pipeline.stages.ingest.rejection import ImageReject
from medcutmix_pipeline.stages.ingest.streams import describe, is_whole, mended_scan

if TYPE_CHECKING:
    from pydicom import Dataset

_PLUGINS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((JPEGBaseline8Bit, JPEGExtended12Bit), ("pillow", "pylibjpeg")),
    **dict.fromkeys((JPEGLossless, JPEGLosslessSV1), ("pylibjpeg",)),
    **dict.fromkeys(JPEGLSTransferSyntaxes, ("pyjpegls", "pylibjpeg")),
    **dict.fromkeys(JPEG2000TransferSyntaxes, ("pylibjpeg", "pillow")),
    RLELossless: ("pydicom",),
}
"""Which of pydicom's plugins read a transfer syntax, best first; the first that is installed reads it alone.

One and always the same, so that a lossy image has the same pixels everywhere and no laxer decoder takes what a stricter
one refused. Only those that bear damaged files: GDCM crashes on some and writes to the error stream, and pylibjpeg-rle
panics past every `except Exception`.
"""


def stored_values(ds: Dataset) -> npt.NDArray[Any]:
    """The stored values, [H, W] or [H, W, 3]; YCbCr is turned into RGB.

    Raises:
        ImageReject: the compressed stream is cut, of another size than the header says, or of a kind that no decoder
            reads.
    """
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    if not syntax.is_encapsulated:
        return _decoded(ds)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1), b"")
    stream = describe(frame)
    if stream is not None and (stream.height, stream.width) != (ds.Rows, ds.Columns):
        raise ImageReject("image-undecodable", "header and compressed stream tell different sizes")
    if syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes) and not is_whole(frame):
        raise ImageReject("image-truncated", "the compressed stream has no end")
    if syntax == JPEGExtended12Bit and stream is not None and stream.precision > 8:
        return _jpeg12(ds, frame)
    return _decoded(ds)


def decoder_of(ds: Dataset) -> Decoder:
    """Pydicom's decoder of the file's transfer syntax; raises ImageReject where there is none."""
    syntax = UID(ds.file_meta.TransferSyntaxUID)
    try:
        return get_decoder(syntax)
    except NotImplementedError:
        raise ImageReject("transfer-syntax-unsupported", f"no decoder for {_name(syntax)}") from None


def _decoded(ds: Dataset) -> npt.NDArray[Any]:
    """The values by the plugin for the transfer syntax."""
    decoder, plugin = decoder_of(ds), ""
    if decoder.UID.is_encapsulated:
        usable = (p for p in _PLUGINS.get(decoder.UID, ("pylibjpeg",)) if p in decoder.available_plugins)
        plugin = next(usable, "none")
    if plugin == "none":
        raise ImageReject("transfer-syntax-unsupported", f"no decoder for {_name(decoder.UID)} is installed")
    high = _unusual_high_bit(ds, decoder.UID)
    # Uncompressed values are seen where they are, not copied. (Pydicom declares each option to be a mapping of all.)
    options: dict[str, Any] = {"view_only": True, "correct_unused_bits": high is None}
    stored: npt.NDArray[Any] = decoder.as_array(ds, index=0, decoding_plugin=plugin, **options)[0]
    return stored if high is None else _from_high_bit(stored, int(ds.BitsStored), high)


def _unusual_high_bit(ds: Dataset, syntax: UID) -> int | None:
    """Where values end, if not at the lowest bits, as older editions of PS3.5 (section 8.1.1) allowed.

    None for streams that have a precision of their own, and where the tag makes no sense.
    """
    if "PixelData" not in ds or (syntax.is_encapsulated and syntax != RLELossless):
        return None
    allocated, stored, high = (ds.get(name) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    if not all(isinstance(bits, int) for bits in (allocated, stored, high)):
        return None
    return int(high) if 0 < stored <= high < allocated else None


def _from_high_bit(values: npt.NDArray[Any], stored: int, high: int) -> npt.NDArray[Any]:
    """The `stored` bits up to the bit `high`; where nothing stands above the lowest ones, those, whatever `high` is."""
    bits = 8 * values.dtype.itemsize
    lowest = values << (bits - stored) >> (bits - stored)
    if np.array_equal(lowest, values):
        return values
    return values << (bits - 1 - high) >> (bits - stored)


def _name(syntax: UID) -> str:
    """The transfer syntax by its name in the standard; what a file made up is not repeated."""
    return syntax.name if not syntax.is_private and syntax.is_transfer_syntax else "an unknown transfer syntax"


def _jpeg12(ds: Dataset, frame: bytes) -> npt.NDArray[Any]:
    """A 12-bit frame of JPEG Extended, which none of pydicom's plugins reads."""
    try:
        from libjpeg.utils import decode as decode_jpeg
    except ImportError:
        raise ImageReject("transfer-syntax-unsupported", "12-bit JPEG Extended needs pylibjpeg-libjpeg") from None
    stored: npt.NDArray[Any] = decode_jpeg(mended_scan(frame))
    if ds.get("PixelRepresentation") == 1:
        unused = 32 - int(ds.BitsStored)
        stored = (stored.astype(np.int32) << unused) >> unused
    return stored
