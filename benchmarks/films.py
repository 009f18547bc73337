"""Generated chest films with the size, the depth and the grain of real ones, as files: what image benchmarks read.

A phantom's film is enlarged to the pixels of a detector and given grain of two kinds: a coarse one, which lasts when
the film is made small, and a fine one, which is what most bytes of a large JPEG hold. Both are set so that files and
stored images have as many bytes as real ones: MIMIC-CXR-JPG has 1.5 MB an image (570 GB, 377,110 images).
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEG2000Lossless

from medcutmix_pipeline.sources.phantom import study

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Kind = Literal["jpeg", "dicom", "dicom-jpeg2000"]
SUFFIX: dict[Kind, str] = {"jpeg": "jpg", "dicom": "dcm", "dicom-jpeg2000": "dcm"}
HEIGHT, WIDTH = 3056, 2544
DRAWN = 512
COARSE, FINE = 0.003, 0.006
"""Standard deviations of the grain, of the range from black to white. Stored images then have some 30 kB, as the chest
films among DICOM's published samples have when they are stored so."""


def film(number: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.float32]:
    """A frontal film, float32 [height, width] in [0, 1], bright where dense; the same number gives the same film."""
    drawn = study(0, number, size=DRAWN).images[0].film
    rng = np.random.Generator(np.random.Philox(number))
    grain = COARSE * rng.standard_normal((height // 6, width // 6), np.float32)
    enlarged = _enlarged(drawn, height, width) + _enlarged(grain, height, width)
    enlarged += FINE * rng.standard_normal((height, width), np.float32)
    return np.clip(enlarged, 0, 1, out=enlarged)


def grained(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A drawn picture of the stored size with the coarse grain, as a film that was made small has it."""
    rng = np.random.Generator(np.random.Philox(number))
    noisy = pixels + 255 * COARSE * rng.standard_normal(pixels.shape, np.float32)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def write_films(folder: Path, kind: Kind, count: int, distinct: int) -> list[Path]:
    """Files of `count` films in a folder, of which `distinct` are drawn and the others are further names of those.

    Reading and decoding cost the same for each; drawing thousands of films would only take long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.{SUFFIX[kind]}" for number in range(count)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        if number < distinct:
            path.write_bytes(_encoded(film(number), kind))
        else:
            os.link(paths[number % distinct], path)
    return paths


def _enlarged(pixels: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC), np.float32)


def _encoded(pixels: NDArray[np.float32], kind: Kind) -> bytes:
    out = io.BytesIO()
    if kind == "jpeg":
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(out, "JPEG", quality=95)
    else:
        data_set = _data_set(pixels)
        if kind == "dicom-jpeg2000":
            data_set.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        data_set.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _data_set(pixels: NDArray[np.float32]) -> FileDataset:
    """A digital X-ray, 12 bits in 16, with a window, and every other thing that decoding asks for."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "2.25.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    told: dict[str, Any] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "DX",
        "ViewPosition": "PA",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": 2048,
        "WindowWidth": 3600,
    }
    for name, value in told.items():
        setattr(made, name, value)
    made.Rows, made.Columns = pixels.shape
    made.PixelData = np.rint(200 + pixels * 3600).astype("<u2").tobytes()
    return made
