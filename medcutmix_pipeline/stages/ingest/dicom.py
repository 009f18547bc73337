"""DICOM files, through pydicom and the decoders that are installed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medcutmix_pipeline.stages.ingest.dicom_orientation import laid_out
from medcutmix_pipeline.stages.ingest.dicom_pixels import decoder_of, stored_values
from medcutmix_pipeline.stages.ingest.dicom_view import named_view
from medcutmix_pipeline.stages.ingest.greyscale import show
from medcutmix_pipeline.stages.ingest.quiet import quiet
from medcutmix_pipeline.stages.ingest.rejection import ImageReject, beyond_memory, check_size
from medcutmix_pipeline.stages.ingest.scaling import blocks

if TYPE_CHECKING:
    from pydicom import Dataset

    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.schemas.records import View

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PIXEL_TAG = b"\xe0\x7f\x10\x00"


def is_dicom(data: bytes) -> bool:
    """Whether the bytes begin like a DICOM file, with the preamble or, as some archives write them, without."""
    return data[128:132] == b"DICM" or data[:2] in (b"\x08\x00", b"\x02\x00")


def decode_dicom(data: bytes, config: IngestConfig) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [H, W]; see `decode`. Raises ImageReject."""
    with quiet():
        try:
            ds = _read(data)
            _check(ds, data, config)
            pixels = _picture(ds, stored_values(ds))
            return laid_out(ds, pixels) if config.orient else pixels
        except ImageReject:
            raise
        except MemoryError:
            raise beyond_memory() from None
        except Exception as error:  # whatever a decoder raises, the one file is at fault; its words may quote values
            raise ImageReject("image-undecodable", f"the decoder failed ({type(error).__name__})") from None


def dicom_view(data: bytes) -> View | None:
    """The view that the header names, or None.

    Raises:
        ImageReject: `view-unsupported` where it names a projection that no sample has, `image-undecodable`.
    """
    with quiet():
        try:
            return named_view(_read(data, header_only=True))
        except ImageReject:
            raise
        except Exception as error:  # as above
            raise ImageReject("image-undecodable", f"the header cannot be read ({type(error).__name__})") from None


def _read(data: bytes, header_only: bool = False) -> Dataset:
    # Deflated data sets are refused by the name of their transfer syntax before pydicom inflates them without a limit.
    if DeflatedExplicitVRLittleEndian.encode() in data[:2048]:
        raise ImageReject("transfer-syntax-unsupported", "deflated data sets are not read")
    ds = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=header_only)
    if not len(ds):
        # Pydicom gives up everything that it has read when a file ends within a value.
        if _PIXEL_TAG in data:
            raise ImageReject("image-truncated", "the file ends within its pixels")
        raise ImageReject("image-undecodable", "the file ends within its header, or is no DICOM file")
    if not getattr(ds, "file_meta", None):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit = ds.original_encoding[0]
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return ds


def _check(ds: Dataset, data: bytes, config: IngestConfig) -> None:
    """Everything that the header tells, before pixels are decoded."""
    if ds.get("Rows") is None or ds.get("Columns") is None:
        raise ImageReject("image-undecodable", "the DICOM file holds no picture")
    check_size(int(ds.Rows), int(ds.Columns), config)
    if int(ds.get("NumberOfFrames") or 1) > 1:
        raise ImageReject("image-multiframe", f"{int(ds.NumberOfFrames)} frames")
    ds.NumberOfFrames = 1
    if not any(name in ds for name in _PIXELS):
        cut = _PIXEL_TAG in data
        reason = "image-truncated" if cut else "image-undecodable"
        raise ImageReject(reason, "the file ends within its pixels" if cut else "the DICOM file has no pixels")
    _check_described(ds)
    if not decoder_of(ds).UID.is_encapsulated:
        _check_length(ds)


def _check_described(ds: Dataset) -> None:
    """What pixels cannot be understood without must be there; what is nearly always 0 is taken to be."""
    whole = ("BitsStored",) if "PixelData" in ds else ()  # numbers with a point have all of their bits
    needed = ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", *whole)
    missing = [name for name in needed if ds.get(name) is None]
    if missing:
        raise ImageReject("image-undecodable", f"the header lacks {', '.join(missing)}")
    for name in ("PixelRepresentation", "PlanarConfiguration"):
        if ds.get(name) is None:
            setattr(ds, name, 0)


def _check_length(ds: Dataset) -> None:
    """Uncompressed pixels must all be there."""
    values = int(ds.Rows) * int(ds.Columns) * int(ds.get("SamplesPerPixel", 1))
    if ds.get("PhotometricInterpretation") == "YBR_FULL_422":
        values = values * 2 // 3
    pixels = next(ds[name].value for name in _PIXELS if name in ds)
    if len(pixels) * 8 < values * int(ds.get("BitsAllocated", 0)):
        raise ImageReject("image-truncated", "fewer pixels than the header says")


def _picture(ds: Dataset, stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Stored values as they are shown: grey through the grey-scale chain, colour as its luminance (Rec. 601)."""
    if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
        stored = apply_color_lut(stored, ds)
    if stored.ndim == 2:
        return show(ds, stored)
    whole = stored.dtype.itemsize == 1 or ds.PhotometricInterpretation == "PALETTE COLOR"
    top = np.iinfo(stored.dtype).max if whole else (1 << int(ds.BitsStored)) - 1
    grey = np.empty(stored.shape[:2], np.uint8)
    for block in blocks(stored.shape):
        luminance = stored[block][..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
        grey[block] = np.clip(luminance * (255 / top) + 0.5, 0, 255).astype(np.uint8)
    return grey
