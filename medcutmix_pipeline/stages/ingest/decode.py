"""From a file's bytes to an 8-bit grey picture, whatever the file is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.ingest.dicom import decode_dicom, dicom_view, is_dicom
from medcutmix_pipeline.stages.ingest.picture import decode_picture, is_picture
from medcutmix_pipeline.stages.ingest.rejection import ImageReject

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.schemas.records import View


def decode(data: bytes, config: IngestConfig, at_least: int | None = None) -> npt.NDArray[np.uint8]:
    """The picture in a DICOM, PNG, JPEG, WebP or TIFF file, told by its first bytes.

    `at_least`: the sides that the caller needs, px; a JPEG far larger than that is decoded at ½, ¼ or ⅛ of its size,
    which still has at least these sides.

    Returns uint8 [H, W], 0 black and 255 white. 8-bit pictures keep their values; colour becomes luminance (Rec. 601);
    transparent pixels are black. DICOM without a window and other pictures deeper than 8 bits are scaled so that their
    least value becomes 0 and their greatest 255; up to 16 bits, a few strays far from all others do not count. Frontal
    chests in DICOM files, and pictures whose EXIF or TIFF orientation says so, are turned as they are looked at.

    Raises:
        ImageReject: the image cannot be used.
    """
    if not data:
        raise ImageReject("image-empty", "the file has no bytes")
    if is_dicom(data):
        pixels = decode_dicom(data, config)
    elif is_picture(data):
        pixels = decode_picture(data, config, at_least)
    else:
        raise ImageReject("image-undecodable", "not a DICOM, PNG, JPEG, WebP or TIFF file")
    if pixels.min() == pixels.max():
        raise ImageReject("image-blank", "every pixel has the same value")
    return pixels


def header_view(data: bytes) -> View | None:
    """The view that a DICOM header names; None for other files and where it names none, or one that is no sample's."""
    return dicom_view(data) if is_dicom(data) else None
