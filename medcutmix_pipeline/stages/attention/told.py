"""What a report's sentence says of places, finding by finding.

A finding has the places of its own part of the sentence. A part that names nothing but places, and findings that share
one ("effusion and atelectasis at the left base"), are joined to their neighbours. Where it is not plain to which, a
finding is left without a place, which teaches less but nothing wrong.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.attention.parts import JOINTS, WORDS, Part, parts_of
from medcutmix_pipeline.stages.attention.statements import Place, Statement, phrase_book

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from medcutmix_pipeline.schemas.records import Sentence

_ALIKE = JOINTS["alike"]
_EITHER = frozenset(("or", "/"))
_CENTRAL = phrase_book("findings")["central"]


def statement_of(sentence: Sentence, findings: frozenset[str]) -> Statement:
    """What the sentence asserts of `findings`: each with the places of its mentions as present."""
    mentions = [replace(m, start=m.start - sentence.start, end=m.end - sentence.start) for m in sentence.mentions]
    places: dict[str, list[Place]] = {finding: [] for finding in sorted(findings)}
    for group in _apart(parts_of(sentence.text, mentions)):
        _share(group)
        for part in group:
            for mention in part.mentions:
                if mention.assertion == "present" and mention.disease in places:
                    places[mention.disease] += [place for _, _, place in part.places]
    return Statement(tuple((finding, Place.all_of(told)) for finding, told in places.items()))


def _apart(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Runs of parts within which places may be shared."""
    group: list[Part] = []
    for part in parts:
        if group and not JOINTS["contrast"].isdisjoint(part.joints):
            yield group
            group = []
        group.append(part)
    yield group


def _share(parts: Sequence[Part]) -> None:
    """Give parts the places that they have from their neighbours."""
    for at, part in enumerate(parts):
        owner = _owner(parts, at)
        if owner is not None:
            owner.places += part.places
            part.places = []
    for part, following in reversed(list(pairwise(parts))):
        if not part.places and not _central(part) and _placed_by(part, following):
            part.places += following.places
    for at, part in enumerate(parts):
        known = Place.all_of(place for _, _, place in part.places)
        if not known.sides and not _central(part):
            taken = _taken_over(parts[:at], part)
            part.places += [(a, b, replace(p, zones=frozenset()) if known.zones else p) for a, b, p in taken]


def _owner(parts: Sequence[Part], at: int) -> Part | None:
    """The part to which the places of a part without a finding belong."""
    part = parts[at]
    before = next((p for p in reversed(parts[:at]) if p.mentions), None)
    following = parts[at + 1] if at + 1 < len(parts) else None
    if before is not None and (part.speaks_back or before.placed_behind):
        return before if part.only_places else None
    if following is not None and part.ends_in_places:
        listed = following.joints <= (_ALIKE | {","} if part.only_places else _ALIKE)
        if listed and (before is None or not following.mentions or following.placed_before):
            return following
    if not part.only_places:
        return None
    return before or next((p for p in parts[at + 1 :] if p.mentions), None)


def _placed_by(part: Part, following: Part) -> bool:
    """Whether what both parts name is in the place told behind: "effusion and atelectasis at the left base"."""
    if part.tail or not following.joints <= _ALIKE:
        return False
    if not following.mentions:
        return bool(following.places) and not following.joints.isdisjoint(_EITHER)
    return _at_once(following) and following.asserts and following.placed_behind and not following.placed_before


def _taken_over(before: Sequence[Part], part: Part) -> list[tuple[int, int, Place]]:
    """The places of what was told before, where a part speaks on about it."""
    told = [p for p in before if p.places and (p.asserts or not p.mentions)]
    if not told:
        return []
    if not WORDS["explaining"].isdisjoint(part.lead):
        return told[-1].places
    last = before[-1]
    if last is not told[-1] or not _at_once(part):
        return []
    alike = part.joints <= _ALIKE or (part.lead and part.joints <= _ALIKE | {",", "with"})
    ahead = last.placed_before if last.mentions else not part.joints.isdisjoint(_EITHER)
    return last.places if alike and ahead else []


def _at_once(part: Part) -> bool:
    """Whether a finding follows the joint before it at once, so that it may share what is told on the other side."""
    return WORDS["near"].issuperset(part.lead)


def _central(part: Part) -> bool:
    """Whether a part names no finding that could share a place with its neighbours."""
    return all(m.disease in _CENTRAL for m in part.mentions)
