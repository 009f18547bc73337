"""Whether what a donor's sentence says fits what stays of the host's report, beyond the findings that both name.

The reader compares findings. This compares what reports say around them: that the chest is normal or nothing acute,
that a lung is clear, that there is nothing to compare with, how much air is in the lungs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.plans.opposites import NORMAL, opposed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medcutmix_pipeline.schemas.records import Report, Sentence

OPACITY = "Lung Opacity"
_ACUTE_FINDINGS = frozenset({"Pneumonia", "Edema", "Consolidation", "Pneumothorax"})
BESIDE_THE_LUNG = frozenset(
    {"Cardiomegaly", "Enlarged Cardiomediastinum", "Pleural Other", "Fracture", "Support Devices"}
)

NOTHING_ACUTE = re.compile(
    r"\b(?:no|without|negative for)\b(?:(?!\b(?:but|with|bony|bone|osseous|skeletal|rib|fractures?)\b)[^.;]){0,60}?"
    r"\b(?:acute|active)\b(?!(?:\s+\w+)?\s+(?:bony|bone|osseous|skeletal|rib|fractures?|displaced|infiltrates?|consolidation)\b)"
    r"|\bnormal chest\b|\bchest (?:\w+ )?is normal\b|\bno (?:significant |definite )?abnormalit\w+",
    re.I,
)
_ACUTE = re.compile(
    r"\b(?:infiltrat\w+|air ?space|alveolar|consolidat\w+|infectio\w+|pneumoni\w+|acute|new|newly|develop\w+|worsen\w+"
    r"|aspiration|failure|overload|moderate|large|increasing|complete|collapse)\b",
    re.I,
)
_OLD = re.compile(
    r"\b(?:old|healed|healing|remote|chronic\w*|prior|previous|deformit\w+|indeterminate|unchanged|stable|scar\w*"
    r"|atelecta\w+|fibro\w+|granulom\w+|emphysem\w*|interstitial|reticul\w+|nodul\w+|linear|streaky|band ?like"
    r"|plate ?like|hernia\w*|calcif\w+|compression)\b",
    re.I,
)
_OPEN_AGE = re.compile(r"\bsome of which\b|\bacute\b", re.I)

_CLEAR = re.compile(
    r"\bclear (?:\w+ )?lungs?\b|\blungs?\b[^.;]{0,60}?"
    r"\b(?:are|is|appears?|remains?|and|but|grossly|well)\s+(?:\w+ )?clear\b(?! of\b)|\blungs:? clear\b(?! of\b)",
    re.I,
)
_PART_CLEAR = re.compile(
    r"\b(?:otherwise|remainder|remaining|rest of|elsewhere|bases|apices|left lung|right lung)\b", re.I
)
_SIDE_CLEAR = tuple(
    re.compile(form, re.I)
    for form in (
        r"\b(?P<side>left|right) (?:lung|hemithorax|lung field|lung base|base)\b[^.;,]{0,40}\bclear\b",
        r"\b(?P<side>left|right)(?: (?:lung|hemithorax|lung field|lung base|base|side))?"
        r" (?:(?:is|appears|remains|looks) )?(?:\w+ )?(?:clear|normal|unremarkable)(?= (?:but|and)\b|[.;,]|$)",
        r"\b(?:clear|normal|unremarkable) (?P<side>left|right) (?:lung|hemithorax)\b",
        r"\b(?:none|nothing)\b[^.;,]{0,20}\bon the (?P<side>left|right)\b",
    )
)
_BASES_CLEAR = re.compile(r"\b(?:lung )?bases\b[^.;,]{0,40}\bclear\b", re.I)
_BASAL = re.compile(r"\b(?:bi)?bas(?:al|ilar|es?)\b|\blower (?:lobes?|lungs?)\b|\bretrocardiac\b", re.I)
_SIDE = re.compile(r"\b(?P<left>left|lingula\w*)\b|\b(?P<right>right|middle lobe)\b", re.I)
_BOTH = re.compile(r"\b(?:bilateral\w*|bibas\w+|biapical|both|diffuse\w*|bases|lobes|lungs|apices|central)\b", re.I)

_WIDESPREAD = re.compile(r"\b(?:diffuse\w*|throughout|both lungs)\b", re.I)
_BUT_CLEAR = re.compile(
    r"\blungs?\b.*\botherwise\b.*\bclear\b|\b(?:otherwise|remainder|remaining|rest of)\b.*\blungs?\b.*\bclear\b", re.I
)

_NO_PRIOR = re.compile(
    r"\b(?:without|no) (?:\w+ ){0,3}comparisons?\b|\b(?:not|un)\s?available\b[^.]*\bcompar\w+"
    r"|\bno (?:\w+ ){0,3}(?:priors?|previous|films?|studies|exams?|radiographs?)\b[^.]{0,20}\b(?:available|compar\w+)",
    re.I,
)
_CHANGE = re.compile(
    r"\b(?:new|newly|develop\w+|interval|worsen\w*|wors[et]|improv\w+|increas(?:ing|es?)|decreas\w+|resolving|progress\w+)\b",
    re.I,
)
_NO_CHANGE = re.compile(
    r"\bno\b[^.;]{0,30}\bchanges?\b(?! of)"
    r"|\b(?:stable|unchanged) (?:\w+ )?(?:chest|exam\w*|radiograph\w*|findings|appearance|study)\b"
    r"|\bchest (?:\w+ )?is (?:stable|unchanged)\b",
    re.I,
)
_STEADY_HEART = re.compile(
    r"\b(?:heart|cardiac|cardiomediastinal)\b[^.;,]{0,40}\b(?:stable|unchanged)\b"
    r"|\b(?:stable|unchanged)\b[^.;,]{0,20}\b(?:heart|cardiac|cardiomediastinal)\b",
    re.I,
)
_HEART_TOO = re.compile(r"\bcardio ?mediastin\w+", re.I)

_NORMAL_SILHOUETTE = re.compile(
    rf"\bcardio[ -]?mediastin\w+\b[^.;,]{{0,60}}\b{NORMAL}\b|\b{NORMAL} cardio[ -]?mediastin\w+", re.I
)


def fits(donor: Sentence, rest: Sequence[Sentence], denied: set[str], part_of: Mapping[str, str]) -> bool:
    """Whether the donor's sentence can stand beside the host's sentences that stay.

    `denied`: the findings that the host says are absent. `part_of`: finding → the wider one.
    """
    told = {m.disease for m in donor.mentions if m.assertion != "absent"}
    text = donor.text
    if any(opposed(text, sentence.text) for sentence in rest):
        return False
    if _HEART_TOO.search(text) and "Enlarged Cardiomediastinum" in told and "Cardiomegaly" in denied:
        return False
    if "Cardiomegaly" in told and any(_NORMAL_SILHOUETTE.search(s.text) for s in rest):
        return False
    if any(NOTHING_ACUTE.search(s.text) for s in rest) and _acute(donor, told):
        return False
    if not _steady(donor, told, rest):
        return False
    if told - BESIDE_THE_LUNG and _part_called_clear(text, rest):
        return False
    if _WIDESPREAD.search(text) and any(_BUT_CLEAR.search(s.text) for s in rest):
        return False
    opacity = any(OPACITY in (name, part_of.get(name)) for name in told)
    if opacity and any(calls_clear(s.text) for s in rest):
        return False
    return not (calls_clear(text) and _any_opacity(rest, part_of))


def clears_the_rest(host: Report, put_at: int, gone: set[int], part_of: Mapping[str, str]) -> bool:
    """Whether the lungs are called clear but for an opacity that stays: "Right opacity. Otherwise clear lungs."."""
    for i, sentence in enumerate(host.sentences[1:], 1):
        exception = i - 1 != put_at and i - 1 not in gone and host.sentences[i - 1].section == sentence.section
        clear = i not in gone and i != put_at and _BUT_CLEAR.search(sentence.text)
        if exception and clear and _any_opacity(host.sentences[i - 1 : i], part_of):
            return True
    return False


def calls_clear(text: str) -> bool:
    """Whether the sentence calls the lungs clear, all of them."""
    return bool(_CLEAR.search(text)) and not _PART_CLEAR.search(text)


def _acute(donor: Sentence, told: set[str]) -> bool:
    """Whether the sentence says something that would not be passed over as old or minor."""
    if not told.isdisjoint(_ACUTE_FINDINGS) or _ACUTE.search(donor.text):
        return told != {"Cardiomegaly"}
    doubtful_age = not _OLD.search(donor.text) or bool(_OPEN_AGE.search(donor.text))
    return doubtful_age and not told.isdisjoint({OPACITY, "Fracture"})


def _steady(donor: Sentence, told: set[str], rest: Sequence[Sentence]) -> bool:
    """Whether what it says of a prior study can be: there is one, and the rest does not say that nothing changed."""
    if donor.comparison and any(_NO_PRIOR.search(s.text) for s in rest):
        return False
    if not _CHANGE.search(donor.text):
        return True
    steady_heart = "Cardiomegaly" in told and any(_STEADY_HEART.search(s.text) for s in rest)
    return not steady_heart and not any(_NO_CHANGE.search(s.text) for s in rest)


def _part_called_clear(text: str, rest: Sequence[Sentence]) -> bool:
    """Whether the host calls clear the side or the bases in which the donor's sentence finds something."""
    sides = {name for match in _SIDE.finditer(text) for name in ("left", "right") if match[name]}
    for sentence in rest:
        clear = {match["side"].lower() for form in _SIDE_CLEAR for match in form.finditer(sentence.text)}
        if clear and (not sides or not sides.isdisjoint(clear) or _BOTH.search(text)):
            return True
        if _BASES_CLEAR.search(sentence.text) and _BASAL.search(text):
            return True
    return False


def _any_opacity(rest: Sequence[Sentence], part_of: Mapping[str, str]) -> bool:
    return any(
        m.assertion != "absent" and OPACITY in (m.disease, part_of.get(m.disease)) for s in rest for m in s.mentions
    )
