"""Pairs of statements on one part of the chest that exclude each other, whichever report says which."""

from __future__ import annotations

import re

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


_OPPOSITES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(one, re.I), re.compile(other, re.I))
    for one, other in (
        _lung("left"),
        _lung("right"),
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
    return any((a.search(one) and b.search(other)) or (b.search(one) and a.search(other)) for a, b in _OPPOSITES)
