"""Which findings a sentence tells of a prior study only: "on the previous film there was an effusion".

They are not said of this image, unless the clause also speaks of today ("… and is unchanged"), or the finding is one
that the reader knows already ("on the prior study, the effusion was larger").
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.stages.sentences.clauses import Structure
    from medcutmix_pipeline.stages.sentences.findings import Hit

_MARKS = frozenset(("prior", "previous", "earlier", "preceding", "previously", "formerly"))
_PAST = frozenset(("was", "were", "had", "did", "demonstrated", "showed", "revealed", "documented", "described"))
_TODAY = frozenset(
    (
        "now", "today", "currently", "again", "still", "since", "compared", "comparison", "interval", "change", "also",
        "unchanged", "stable", "similar", "same", "larger", "smaller", "bigger", "more", "less", "greater", "worse",
        "better", "increased", "decreased", "improved", "worsened", "new", "persistent", "residual", "this", "as",
        "like", "increase", "decrease", "improvement", "improving", "worsening", "progression", "resolution",
        "clearing",
    )
)  # fmt: skip
_SPEAKS_ON = frozenset(("it", "they", "these", "those", "which", *_TODAY))
_DEFINITE = frozenset(("the", "this", "these", "that", "those", "its"))
_NAMING = 6
"""Words before a finding in which its article may stand."""
_LEAD = 12
"""Words of a clause that only leads up to the next: "on the most recent previous radiograph of the chest,"."""

_STUDY = r"(?:study|exam|examination|film|radiograph|ray|ct|scan|image|imaging|mri|pet|cxr)s?|studies|xxxx"
_PRIOR = rf"(?:prior|previous|earlier|preceding)(?:(?: [a-z0-9_]+){{0,4}}? (?:{_STUDY})\b|(?= [,.;]|$))"
_THE = r"(?:(?:the|an?|her|his|their|our|most|recent|immediate|outside) )*"
_ON = rf"(?:on|in|at) {_THE}{_PRIOR}"
_WAS = r"(?:was|were|had)"
_BEGIN = r"^(?:(?:and|but|however|[,;(.]) )*"

_THERE = re.compile(rf"\bthere (?:previously |formerly )?{_WAS}\b")
_THEN = re.compile(rf"\b(?:{_ON}|previously\b|formerly\b)")
_BEGINS_THEN = re.compile(rf"{_BEGIN}(?:{_ON}|(?:previously|formerly)(?: ,| an?\b| no\b)).*\b{_WAS}\b")
_STUDY_SAID = re.compile(
    rf"{_BEGIN}{_THE}{_PRIOR}(?: (?:from|of|dated|on|the|chest|[0-9_/]+))* (?:{_WAS} )?"
    r"(?:had|was|were|demonstrated|showed|shown|revealed|documented|described)\b"
)

_WHICH_SAID = re.compile(r"^which (?:\w+ )?(?:had|demonstrated|showed|revealed|documented|described)\b")
_NAMES_STUDY = re.compile(rf"\b{_PRIOR}[^,;]*,? ?$")
"""What the two are said of: "compared with the prior study, which showed a right effusion"."""


def told_of_before(structure: Structure, hits: Sequence[Hit]) -> set[int]:
    """The numbers of the hits that are said of a prior study only; time linear in the words."""
    if _MARKS.isdisjoint(structure.words) or _PAST.isdisjoint(structure.words):
        return set()
    named = {structure.clause[hit.start] for hit in hits}
    clauses = {
        number
        for number in named
        if _is_before(structure, number, leads=number - 1 not in named) and not _spoken_on(structure, number, named)
    }
    return {i for i, hit in enumerate(hits) if structure.clause[hit.start] in clauses and not _known(structure, hit)}


def _is_before(structure: Structure, number: int, *, leads: bool) -> bool:
    """Whether a clause tells of a prior study, by its own words or those of a short clause that leads up to it."""
    words = structure.words
    own = _place(structure, number)
    lead = _place(structure, number - 1) if leads else range(0)
    if len(lead) > _LEAD or any(i in structure.verbs for i in lead):
        lead = range(0)
    if any(i in structure.verbs and words[i] not in _PAST for i in own):
        return False
    if not _TODAY.isdisjoint(words[i] for i in own):
        return False
    if own[0] > 0 and _WHICH_SAID.search(" ".join(words[i] for i in own)):
        return bool(_NAMES_STUDY.search(" ".join(words[i] for i in _place(structure, number - 1))))
    if any(words[i] in _TODAY for i in lead):
        return False
    said = " ".join(words[i] for part in (lead, own) for i in part)
    there = _THERE.search(said) and _THEN.search(said)
    return bool(there or _BEGINS_THEN.search(said) or _STUDY_SAID.search(said))


def _spoken_on(structure: Structure, number: int, named: set[int]) -> bool:
    """Whether a clause behind, without a finding of its own, goes on about the finding: "…, and these persist"."""
    following = _place(structure, number + 1)
    while following and structure.clause[following[0]] not in named:
        words = {structure.words[i] for i in following}
        if any(i in structure.verbs for i in following) and not _SPEAKS_ON.isdisjoint(words):
            return True
        following = _place(structure, structure.clause[following[0]] + 1)
    return False


def _place(structure: Structure, number: int) -> range:
    return range(bisect_left(structure.clause, number), bisect_right(structure.clause, number))


def _known(structure: Structure, hit: Hit) -> bool:
    """Whether the finding is spoken of as known: "the effusion", but not "the heart"."""
    if hit.look is not None:
        return False
    for i in range(hit.start - 1, max(hit.start - 1 - _NAMING, -1), -1):
        word = structure.words[i]
        if word in _DEFINITE:
            return True
        if i in structure.verbs or not word.isalpha() or word in ("a", "an", "of", "in", "at", "no", "with"):
            return False
    return False
