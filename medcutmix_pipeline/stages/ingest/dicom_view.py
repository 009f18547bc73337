"""Which view a DICOM header names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.ingest.rejection import ImageReject

if TYPE_CHECKING:
    from pydicom import Dataset

    from medcutmix_pipeline.schemas.records import View

_POSITIONS: dict[str, View] = {
    "PA": "frontal",
    "AP": "frontal",
    "LL": "lateral",
    "RL": "lateral",
    "LAT": "lateral",
    "LATERAL": "lateral",
}
_OTHERS = re.compile(
    r"\b(?:OBLIQUE|OBL\b|DECUB|(?:TRANS)?AXIAL\b|LORDOTIC|SWIMMER|(?:X|CROSS)[- ]?TABLE|[LR](?:AO|PO|LO|LD)\b)"
)
"""Among them View Position's own terms for obliques and decubitus: RLD, LLD, RLO, LLO (PS3.3 C.8.1.1)."""
_FRONTAL = re.compile(r"\b(?:PA|AP|FRONTAL|POSTERO[- ]?ANTERIOR|ANTERO[- ]?POSTERIOR)\b")
_LATERAL = re.compile(r"\b(?:LATERAL|LAT)\b")


def named_view(ds: Dataset) -> View | None:
    """The view by View Position, else View Code, else Patient Orientation (PS3.3 C.7.6.1.1.1), else the descriptions.

    Raises:
        ImageReject: `view-unsupported` where the header names a projection that no sample has.
    """
    position = word(ds, "ViewPosition")
    if position in _POSITIONS:
        return _POSITIONS[position]
    codes = ds.get("ViewCodeSequence")
    meaning = word(codes[0], "CodeMeaning") if codes else ""
    described = f"{word(ds, 'SeriesDescription')} {word(ds, 'ProtocolName')}"
    for words in (position, meaning, "" if _names_both(described) else described):
        if _OTHERS.search(words):
            raise ImageReject("view-unsupported", "the header names neither a frontal nor a lateral view")
    return _by_words(position) or _by_words(meaning) or _by_orientation(ds) or _by_words(described)


def patient_orientation(ds: Dataset) -> tuple[str, str] | None:
    """The directions in which rows and columns run, principal one first; None where they are not both told."""
    ways = ds.get("PatientOrientation")
    if not ways or isinstance(ways, str) or len(ways) != 2:
        return None
    row, column = (str(way).strip().upper() for way in ways)
    return row, column


def word(ds: Dataset, name: str) -> str:
    """An attribute's value in upper case, empty where there is none; words may be joined by _, as in CHEST_PA."""
    return str(ds.get(name) or "").replace("_", " ").strip().upper()


def _by_words(words: str) -> View | None:
    """The view that words name, unless they name both."""
    if _names_both(words):
        return None
    return "frontal" if _FRONTAL.search(words) else "lateral" if _LATERAL.search(words) else None


def _names_both(words: str) -> bool:
    """Whether words name both views, as the descriptions of a whole examination do: they do not tell the image's."""
    return bool(_FRONTAL.search(words) and _LATERAL.search(words))


def _by_orientation(ds: Dataset) -> View | None:
    """Rows that run left to right show the chest from the front, rows that run front to back from the side."""
    row, column = (way[:1] for way in patient_orientation(ds) or ("", ""))
    if column not in ("F", "H"):
        return None
    return "frontal" if row in ("L", "R") else "lateral" if row in ("A", "P") else None
