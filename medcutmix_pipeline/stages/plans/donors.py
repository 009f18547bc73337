"""Which sentences may be lent: whole ones that neither lean on what stays behind nor explain their finding away.

The `sentences` stage says which sentences stand alone by how they begin (`Sentence.diagnostic`). What is asked here
beyond that matters only for a sentence that moves: a reference inside it, or a form that is not grammatical. Reports
are dictated and have many of the latter; a gap that nobody minds in its own report is not to be multiplied. Nor is a
summary of the whole chest ("…, nothing acute").
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.plans.coherence import NOTHING_ACUTE

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Report, Sentence

_LEANS = re.compile(
    r"\b(?:also|as well|surrounding|another|additional|second|others?|remaining|remainder|rest of|the same|former"
    r"|latter|here|however|currently|ct|mri|pet"
    r"|comparison \w+|patient|patient's|history|views? of|decubitus|years? ago)\b"
    r"|\bgiven (?:the|this|his|her|clinical)\b"
    r"|\bthe (?:collapsed|consolidated|opacified|affected|involved|mentioned|known)\b",
    re.I,
)
_EXPLAINED = re.compile(
    r"\b(?:artifact\w*|artefact\w*|accentuat\w+|exaggerat\w+|overlap\w*|superimposition|summation|nipple"
    r"|(?:epi|peri)cardial fat|fat pad|soft tissues?|breasts?|joint|technique|technical|projection"
    r"|rotation|attenuation)\b",
    re.I,
)
_RELATIVE = re.compile(
    r"\b(?:adjacent|associated|accompanying|corresponding|resultant|superimposed)\b(?! (?:to|with))", re.I
)
_RELATED = re.compile(r"\b(?:with|and|or|causing)\b|[,/]", re.I)
_STRUCTURE = re.compile(r"\b(?:heart|cardi\w+|mediastin\w+|markings|lungs?|pleura)\b", re.I)
_PRONOUN = re.compile(r"\b(?:this|these|those|it|its|they|their)\b", re.I)

_THE = r"(?:the|an?)"
_WAS = r"(?:is|are|was|were)"
_PLURAL = r"(?:findings|opacities|effusions|markings|changes|nodules|masses|densities|fractures|infiltrates|volumes)"
_PLACE = r"(?:left|right|bilateral|bibasilar|lungs?|bases?|ap(?:ex|ices)|upper|lower|middle|mid)"
_ADJECTIVE = (
    r"(?:interstitial|pulmonary|pleural|basilar|bibasilar|mild|small|patchy|streaky|focal|alveolar|early|minimal)"
)
_UNGRAMMATICAL = tuple(
    re.compile(form, re.I)
    for form in (
        # two function words that cannot meet, or one twice
        r"\b(the|an?|is|are|of|in|to|with|there|and|or)\s+\1\b",
        rf"\b{_THE}\s+(?:{_WAS}|of|in|and|or|with|there|this|the)\b",
        rf"\b(?:of|with|for|from|in)\s+(?:{_WAS}|of|and|or)\b",
        r"\b(?:appears?|seems?) be\b|\b(?:that|which) not\b|\b(?:demonstrates?|shows?|reveals?) there\b",
        # the preposition or verb that a word needs
        r"\b(?:compatible|consistent)\b(?!\s+with\b)|\bdue\b(?!\s+to\b)",
        r"\b(?:suggestive|indicative|suspicious|worrisome|concerning)\b(?!\s+(?:of|for)\b)",
        r"\bno (?:\w+ )?change (?!(?:in|of|from|since|to|with|compared|is|and|or)\b)\w",
        r"\b(?:increase|decrease|change) and\b",
        rf"\b(?:seen|noted|identified|present|visualized|demonstrated|located)\s+(?:{_THE}\s+)?{_PLACE}\b",
        r"\bdifferential diagnosis (?!(?:includes?|is|would|considerations?|of|for)\b)\w|, the \w+ findings of\b",
        rf"\b(?!(?:and|but|or|yet|with|by|than|of|there|{_WAS}|has|have|shows?|demonstrates?|reveals?)\b)\w+ no \w+",
        r"\b(?:worse|greater|more|less) (?:right|left)\b",
        r"\b(?:left|right) (?:upper |lower |middle |mid )?(?:left|right)\b",
        # the noun behind an adjective or an article, and the article before a noun
        rf"\b{_ADJECTIVE}\s+(?:{_WAS}|shows?|demonstrates?|has|have|may|appears?)\b|\bor line\b",
        r"\bthe\s+(?:present|seen|noted|identified|visualized|demonstrated)\b",
        r"\ban [bcdfgjklmnpqrtvwz]\w|\ba (?:[aei]|o(?!ne)|un(?!i))\w",
        r"^(?!.*\b(?:in|at|of|within|over|to|both)\b.*\band\b).*\band (?:\w+ )?(?:lung )?(?:bases|apices)\b",
        # one verb for one subject, in its number
        rf"^there {_WAS} (?:(?!\b(?:which|that|and|with)\b)[^,;])* {_WAS} (?:noted|seen|identified|present)\b",
        rf"\b{_PLURAL} (?:is|was|has)\b|\bthere is (?:(?!(?:an?|and|with|in|of|no)\b)[\w-]+ )*{_PLURAL}\b",
        r"^(?:deformity|fracture|opacity|effusion|density|nodule|infiltrate)\b(?!.*\band\b).* are\b",
        # a word again where another was meant, and the adjective that denies what it is put before
        r"\b([a-z]{4,}) (?:(?!(?:and|or|to|than|versus|with|of|in)\b)\w+ ){1,2}\1\b",
        r"\bclear\s+(?:\w+ )?(?:disease|opacit\w+|infiltrates?|consolidations?|effusions?|edema|pneumonia)\b",
    )
)
# A capital inside: the beginning of another sentence, whose end was lost.
_SECOND_START = re.compile(r"(?<=[a-z] )(?!Kerley|Swan|Ganz)[A-Z][a-z]{3,}")
_DOUBT = re.compile(r"\b(?:may|might|could)\b(?!.*\b(?:with|and|there|which)\b|.*;)[^.]*$", re.I)
_COPULA = re.compile(rf"\b(?<!there )(?<!which )(?<!that ){_WAS}\b", re.I)
_NO_NOUN_PHRASE = re.compile(
    r"[,/;()]|\b(?:and|or|with|without|of|in|at|on|by|to|from|for|versus|vs|as|than|is|are|was|were|has|have|may|likely|which|that"
    r"|\w+ing|\w+ed|seen|due)\b",
    re.I,
)


def diagnostic_sentences(report: Report) -> dict[str, Sentence]:
    """For each finding that a report asserts, the sentence that says best that it is there, where one can be lent.

    Those that compare with a prior study come last, those that name the fewest other findings first; among equals the
    earlier one.
    """
    best: dict[str, tuple[tuple[bool, int, int], Sentence]] = {}
    for sentence in report.sentences:
        told = {m.disease for m in sentence.mentions if m.assertion == "present"} if sentence.diagnostic else ()
        if told and lendable(sentence):
            rank = (sentence.comparison, len({m.disease for m in sentence.mentions}), sentence.start)
            for disease in told:
                if disease not in best or rank < best[disease][0]:
                    best[disease] = (rank, sentence)
    return {disease: sentence for disease, (_, sentence) in best.items()}


@lru_cache(maxsize=1 << 14)
def lendable(sentence: Sentence) -> bool:
    """Whether a sentence that stands alone is also clear of references inside it, and grammatical."""
    text = sentence.text
    if any(unfit.search(text) for unfit in (_LEANS, _EXPLAINED, NOTHING_ACUTE, _SECOND_START, *_UNGRAMMATICAL)):
        return False
    spans = sorted((m.start - sentence.start, m.end - sentence.start) for m in sentence.mentions)
    return not (
        _doubted(text, sentence)
        or _lacks_antecedent(text, spans)
        or _lacks_subject(text, spans)
        or _lacks_joint(text, spans)
    )


def _doubted(text: str, sentence: Sentence) -> bool:
    """Whether a finding that counts as present stands in a list that began with doubt: "may be crowding, edema"."""
    return any(m.assertion == "present" and _DOUBT.search(text[: m.start - sentence.start]) for m in sentence.mentions)


def _lacks_antecedent(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether it points to something before any finding is named: "the nodule", "adjacent atelectasis"."""
    first = spans[0][0]
    known = text.startswith("The ") and not _NO_NOUN_PHRASE.search(text, 4, first)
    if (known and not _STRUCTURE.search(text, first, spans[0][1])) or _PRONOUN.search(text, 0, first):
        return True
    return any(
        not _RELATED.search(text, 0, match.start()) and spans[0][1] > match.start()
        for match in _RELATIVE.finditer(text)
    )


def _lacks_subject(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether a finding is the complement of "is": "… and is patchy opacity", "the contour is cardiomegaly"."""
    for match in _COPULA.finditer(text):
        following = next((start for start, _ in spans if start >= match.end()), None)
        if following is not None and not _NO_NOUN_PHRASE.search(text, match.end(), following):
            return True
    return False


def _lacks_joint(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether one finding runs into the next with no word between that joins them: "effusions basilar atelectasis"."""
    for (_, end), (start, _) in pairwise(spans):
        if end >= start or _NO_NOUN_PHRASE.search(text, end, start):
            continue
        if text[end:start].strip() or text[end - 1] == "s":
            return True
    return False
