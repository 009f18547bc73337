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
_OTHERS = re.compile(r"OBLIQUE|DECUB|AXIAL|LORDOTIC|SWIMMER|XTABLE|^(?:LAO|RAO|LPO|RPO|LLO|RLO|(?:AP|PA) [LR]LD)$")
_FRONTAL = re.compile(r"\b(?:PA|AP|FRONTAL|POSTERO[- ]?ANTERIOR|ANTERO[- ]?POSTERIOR)\b")
_LATERAL = re.compile(r"\b(?:LATERAL|LAT)\b")


def named_view(ds: Dataset) -> View | None:
    """The view by View Position, else View Code, else Patient Orientation (PS3.3 C.7.6.1.1.1), else the descriptions.

    Raises:
        ImageReject: `view-unsupported` where the header names a projection that no sample has.
    """
    position = _word(ds, "ViewPosition")
    if position in _POSITIONS:
        return _POSITIONS[position]
    codes = ds.get("ViewCodeSequence")
    meaning = _word(codes[0], "CodeMeaning") if codes else ""
    for words in (position, meaning):
        if _OTHERS.search(words):
            raise ImageReject("view-unsupported", "the header names neither a frontal nor a lateral view")
    return (
        _by_words(meaning)
        or _by_orientation(ds)
        or _by_words(f"{_word(ds, 'SeriesDescription')} {_word(ds, 'ProtocolName')}")
    )


def _word(ds: Dataset, name: str) -> str:
    return str(ds.get(name) or "").strip().upper()


def _by_words(words: str) -> View | None:
    """The view that words name, unless they name both, as the descriptions of a whole examination do."""
    frontal, lateral = bool(_FRONTAL.search(words)), bool(_LATERAL.search(words))
    if frontal == lateral:
        return None
    return "frontal" if frontal else "lateral"


def _by_orientation(ds: Dataset) -> View | None:
    """Rows that run left to right show the chest from the front, rows that run front to back from the side."""
    orientation = ds.get("PatientOrientation")
    if not orientation or isinstance(orientation, str) or len(orientation) != 2:
        return None
    row, column = (str(way).strip().upper()[:1] for way in orientation)
    if column not in ("F", "H"):
        return None
    return "frontal" if row in ("L", "R") else "lateral" if row in ("A", "P") else None
