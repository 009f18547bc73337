"""A phantom radiograph as a DICOM file: 12 bits in 16, uncompressed, with the tags that a digital X-ray has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from medcutmix_pipeline.hashing import keyed_hash, keyed_unit

from .phrases import FIELD_MM

if TYPE_CHECKING:
    from pathlib import Path

    from .study import PhantomImage, PhantomStudy

MONOCHROME1_SHARE = 0.25
"""Share of studies that are stored inverted."""

_LOW, _HIGH = 200, 3800
"""Stored values of a film's black and white; the window shows exactly these."""


def write_dicom(path: Path, study: PhantomStudy, number: int, seed: int) -> None:
    """Write image `number` of a study to `path`."""
    image = study.images[number]
    dataset = FileDataset(str(path), {}, file_meta=_meta(seed, image), preamble=b"\0" * 128)
    _tell_patient(dataset, study)
    _tell_image(dataset, seed, study, number)
    _tell_pixels(dataset, image, keyed_unit(seed, "monochrome", study.study_id) < MONOCHROME1_SHARE)
    dataset.save_as(path, enforce_file_format=True)


def _uid(seed: int, kind: str, name: str) -> UID:
    """A UID of the form that needs no registration: 2.25 and 128 bits as one number."""
    high, low = keyed_hash(seed, kind, name, "high"), keyed_hash(seed, kind, name, "low")
    return UID(f"2.25.{(high << 64) | low}")


def _meta(seed: int, image: PhantomImage) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(seed, "instance", image.image_id)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid(0, "implementation", "phantom")
    meta.ImplementationVersionName = "PHANTOM_1"
    return meta


def _tell_patient(dataset: FileDataset, study: PhantomStudy) -> None:
    dataset.PatientName = f"Phantom^{study.patient_id}"
    dataset.PatientID = study.patient_id
    dataset.PatientSex = study.sex
    dataset.PatientAge = f"{study.age:03d}Y"
    dataset.PatientIdentityRemoved = "YES"


def _tell_image(dataset: FileDataset, seed: int, study: PhantomStudy, number: int) -> None:
    image = study.images[number]
    day = keyed_hash(seed, "date", study.patient_id) % 28 + 1
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = _uid(seed, "instance", image.image_id)
    dataset.StudyInstanceUID = _uid(seed, "study", study.study_id)
    dataset.SeriesInstanceUID = _uid(seed, "series", image.image_id)
    dataset.StudyID = study.study_id[-16:]
    dataset.AccessionNumber = study.study_id[-16:]
    dataset.StudyDate = f"{2100 + study.age}01{day:02d}"
    dataset.StudyTime = "120000"
    dataset.Modality = "DX"
    dataset.Manufacturer = "Phantom"
    dataset.StudyDescription = "CHEST PA AND LATERAL" if len(study.images) > 1 else "CHEST 1 VIEW"
    dataset.SeriesNumber = number + 1
    dataset.InstanceNumber = 1
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "LL" if image.projection == "LATERAL" else image.projection
    dataset.PatientOrientation = ["P", "F"] if image.projection == "LATERAL" else ["L", "F"]
    dataset.ImageLaterality = "U"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BurnedInAnnotation = "NO"


def _tell_pixels(dataset: FileDataset, image: PhantomImage, inverted: bool) -> None:
    stored = np.rint(_LOW + image.film * (_HIGH - _LOW))
    if inverted:
        stored = 4095 - stored
    low, high = (4095 - _HIGH, 4095 - _LOW) if inverted else (_LOW, _HIGH)
    rows, columns = image.film.shape
    dataset.Rows, dataset.Columns = rows, columns
    dataset.ImagerPixelSpacing = [round(FIELD_MM / rows, 4), round(FIELD_MM / columns, 4)]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    # The linear window of width w about c runs from c - 0.5 - (w - 1) / 2 to c - 0.5 + (w - 1) / 2, PS3.3 C.11.2.1.2.
    dataset.WindowCenter = (low + high) / 2 + 0.5
    dataset.WindowWidth = high - low + 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PixelData = stored.astype("<u2").tobytes()
