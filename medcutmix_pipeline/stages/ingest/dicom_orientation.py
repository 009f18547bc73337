"""Frontal chests laid out as they are looked at: head up, the patient's left on the right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.stages.ingest.dicom_view import named_view, patient_orientation, word
from medcutmix_pipeline.stages.ingest.rejection import ImageReject

if TYPE_CHECKING:
    from pydicom import Dataset

_CHEST = re.compile(r"CHEST|THORA|LUNG|\bRIBS?\b|^$")
"""Body Part Examined, where it is given. A right leg rightly has its R on the right: other parts have other customs."""


def laid_out(ds: Dataset, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    r"""The picture with rows that run to the patient's left and columns that run to the feet.

    Patient Orientation (PS3.3 C.7.6.1.1.1) names the directions in which the first row and the first column run: L\F is
    as it should be, R\F is mirrored, L\H upside down, R\H both. A mistaken tag would mirror a good picture, and with it
    the sides in its report, so that it counts only where nothing else in the header speaks against it: a frontal view,
    of a chest or of no part that is named, and directions without refinements.
    """
    row, column = patient_orientation(ds) or ("", "")
    if row not in ("L", "R") or column not in ("F", "H") or not _is_frontal_chest(ds):
        return pixels
    return np.ascontiguousarray(pixels[:: -1 if column == "H" else 1, :: -1 if row == "R" else 1])


def _is_frontal_chest(ds: Dataset) -> bool:
    if word(ds, "AnatomicalOrientationType") == "QUADRUPED" or not _CHEST.search(word(ds, "BodyPartExamined")):
        return False
    try:
        return named_view(ds) == "frontal"
    except ImageReject:
        return False
