"""Pairs of statements on one part of the chest that exclude each other, whichever report says which."""

from __future__ import annotations

import re
from functools import lru_cache

NORMAL = r"(?:normal|unremarkable|within (?:normal|physiologic) limits)"
_VESSELS = r"(?:(?:pulmonary|central|lung) )?(?:vasculature|vascularity|vessels|vascular markings|vascular pattern)"
_EXPANDED = r"(?:fully |well |completely |now )*(?:re)?-?(?:expanded|inflated|aerated)\b"


def _lung(side: str) -> tuple[str, str]:
    """A lung that is expanded, and the same lung collapsed or beside much air in the pleura."""
    collapsed = (
        rf"(?<!no )(?<!without )\bcollapse of (?:the )?(?:entire |whole )?{side} lung\b",
        rf"\b{side} lung (?:is |has )?(?:\w+ )?collaps\w+|\bcollapsed {side} lung\b",
        rf"\b(?:tension|large) (?:{side}\b[^.;,]*\bpneumothorax\b|pneumothorax on the {side}\b)",
        rf"\b{side} tension pneumothorax\b",
    )
    return rf"\b{side} lung (?:is |appears |remains )?{_EXPANDED}", "|".join(collapsed)


def _said(form: str, of: str) -> str:
    """A form that asserts something, in a sentence that does not deny it: `of` is the word that would be denied."""
    return rf"^(?!.*\b(?:no|not|without)\b[^.;,]*\b{of})(?=.*(?:{form}))"


def _pleura(side: str) -> tuple[str, str]:
    """A pleural space or its angle that is clear, and fluid on that side."""
    where = rf"(?:{side}|bilateral|both)"
    fluid = r"(?:effusions?|pleural fluid|\w*hydrothora\w+|hemothora\w+)"
    return (
        rf"\b{side} (?:lateral |posterior )?(?:{_ANGLE}|{_SPACE})\b[^.;,]{{0,20}}\b{_CLEAR}\b"
        rf"|\b(?:clear|sharp) {side} (?:{_ANGLE}|{_SPACE})\b",
        _said(rf"\b{where}\b[^.;,]*\b{fluid}\b|\b{fluid}\b[^.;,]*\b{where}\b", fluid),
    )


def _ribs(side: str) -> tuple[str, str]:
    """Ribs that are intact, and those broken on that side."""
    where = rf"(?:{side}|bilateral|both)"
    return (
        rf"\b{side} ribs?\b[^.;,]{{0,20}}\bintact\b|\bintact {side} ribs?\b",
        _said(
            rf"\b{where}\b[^.;,]*\bribs?\b[^.;,]*\bfractur|\bfractur\w*\b[^.;,]*\b{where}\b[^.;,]*\bribs?\b", "fractur"
        ),
    )


_ANGLE = r"(?:costophrenic|cp) (?:angles?|sulc(?:us|i)|recess(?:es)?)"
_SPACE = r"pleural (?:spaces?|surfaces?|recess(?:es)?)"
_CLEAR = r"(?:sharp|clear|preserved|spared|normal|unremarkable|well[ -]\w+)"
_SHIFT = r"(?:shift|deviat)"

_OPPOSITES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(one, re.I), re.compile(other, re.I))
    for one, other in (
        _lung("left"),
        _lung("right"),
        _pleura("left"),
        _pleura("right"),
        _ribs("left"),
        _ribs("right"),
        (  # the collar bones
            r"\bclavicles?\b[^.;,]{0,20}\bintact\b",
            _said(r"\bclavic\w+\b[^.;,]*\bfractur|\bfractur\w*\b[^.;,]*\bclavic", "fractur"),
        ),
        (  # the mediastinum's place
            r"\b(?:trachea|mediastin\w+(?: structures)?)\b[^.;,]{0,20}\bmidline\b|\bmidline (?:trachea|mediastinum)\b"
            rf"|\b(?:no|without)\b[^.;,]{{0,25}}\b(?:mediastinal|tracheal|midline) {_SHIFT}",
            _said(
                rf"\b(?:mediastinal|tracheal|midline) {_SHIFT}|\b(?:trachea|mediastinum)\b[^.;,]{{0,25}}\b{_SHIFT}"
                rf"|\b{_SHIFT}\w*\b[^.;,]{{0,20}}\b(?:trachea|mediastin\w+)\b",
                _SHIFT,
            ),
        ),
        (r"\b(?:no|without)\b[^.;,]{0,30}\btension\b", _said(r"\btension\b", "tension")),
        (r"\b(?:no|without)\b[^.;,]{0,30}\bcavit\w+", _said(r"\bcavit\w+", "cavit")),
        (  # air in the lungs: little, against enough or too much
            r"\b(?:low|lower|reduced|diminished|decreased|small|shallow|poor|suboptimal) "
            r"(?:lung )?(?:volumes?|inspirat\w+|aeration)\b"
            r"|\bimprov\w+ (?:lung )?(?:volumes?|inspirat\w+)\b"
            r"|\bvolumes? (?:is|are|remain) (?:\w+ )?(?:low|reduced|decreased|diminished)\b"
            r"|\b(?:hypo|under) ?(?:inflat|aerat|expan|ventilat)\w+",
            r"\b(?:hyper|over) ?(?:inflat|aerat|expan|lucen|distend)\w+|\bemphysem\w+|\bgood inspirat\w+"
            r"|\b(?:well|normally|fully)[ -](?:\w+ )?(?:inflated|expanded|aerated)\b|\blungs are (?:\w+ )?expanded\b"
            rf"|\b{NORMAL} (?:lung )?volumes?\b|\bvolumes? (?:is|are) (?:\w+ )?{NORMAL}\b",
        ),
        (  # the pulmonary vessels
            rf"\b{_VESSELS}\b[^.;,]{{0,30}}\b{NORMAL}\b|\b{NORMAL} (?:caliber )?{_VESSELS}\b"
            r"|\b(?:no|without) (?:\w+ ){0,3}(?:vascular congestion|venous congestion)\b",
            r"(?<!no )(?<!without )\b(?:vascular|venous) (?:congestion|engorgement|prominence|hypertension)\b"
            rf"|\b(?:prominent|indistinct|engorged|increased|congested) (?:\w+ )?(?:{_VESSELS}|vascular)\b"
            rf"|\b{_VESSELS}\b[^.;,]{{0,20}}\b(?:prominent|indistinct|engorged|increased|congested)\b|\bcephali[sz]ation\b"
            r"|\bengorged\b|\b(?:heart failure|overload|chf|edema)\b",
        ),
        (  # the aorta
            rf"\baort\w+\b[^.;,]{{0,20}}\b{NORMAL}\b|\b{NORMAL} (?:thoracic )?aort\w+",
            r"\baort\w+\b[^.;]{0,40}\b(?:tortuo\w+|ectati\w+|ectasia|unfold\w+|calcif\w+|atheroscl\w+|aneurysm\w*|dilat\w+)\b"
            r"|\b(?:tortuo\w+|ectati\w+|ectasia|unfold\w+|calcif\w+|atheroscl\w+|aneurysm\w*|dilat\w+)\b[^.;,]{0,30}\baort\w+",
        ),
        (  # the hila
            rf"\bhil(?:a|ar|um)\b[^.;,]{{0,40}}\b{NORMAL}\b|\b{NORMAL} (?:\w+ )?hil(?:a|ar)\b",
            r"\bhilar (?:\w+ )?(?:mass\w*|adenopathy|lymphadenopathy|prominence|enlargement|fullness|retraction)\b"
            r"|\b(?:prominent|enlarged) hil(?:a|um)\b",
        ),
        (  # the diaphragm
            r"\bdiaphragm\w*\b[^.;,]{0,20}\bnormal\b",
            r"\bdiaphragm\w*\b[^.;,]{0,20}\b(?:elevat\w+|eventrat\w+|flatten\w+)\b|\b(?:elevat\w+|eventrat\w+|flatten\w+)\b[^.;,]{0,30}\bdiaphragm\w*",
        ),
    )
)  # fmt: skip


def opposed(one: str, other: str) -> bool:
    """Whether two sentences cannot stand in one report."""
    (first, second), (told_first, told_second) = _says(one), _says(other)
    return not (first.isdisjoint(told_second) and second.isdisjoint(told_first))


@lru_cache(maxsize=8192)
def _says(sentence: str) -> tuple[frozenset[int], frozenset[int]]:
    """The numbers of the pairs of which it says the one, and those of which it says the other.

    Kept: a sentence is compared with those of some dozens of reports.
    """
    one, other = (frozenset(n for n, pair in enumerate(_OPPOSITES) if pair[at].search(sentence)) for at in (0, 1))
    return one, other
