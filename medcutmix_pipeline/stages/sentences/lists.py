"""Phrases behind findings, and findings joined in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.clauses import ALTERNATIVE, JOINING, Structure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medcutmix_pipeline.stages.sentences.clauses import Cue
    from medcutmix_pipeline.stages.sentences.findings import Hit

_EITHER = {("or",), (",", "or"), ("and", "/", "or"), (",", "and", "/", "or")}
MAX_GAP = 4
MAX_OPENER = 8
_OPENERS = frozenset(
    (
        "which", "that", "but", "although", "though", "however", "yet", "it", "they", "this", ",", "these", "while",
        "is", "are", "was", "were", "has", "have", "had", "can", "could",
        "on", "today", "s", "present", "study", "exam", "examination", "radiograph", "film", "image", "images",
        "a", "an", "small", "tiny", "trace", "subtle", "nondisplaced", "one",
    )
)  # fmt: skip
"""Words that may stand before a phrase whose subject is in the clause before: "but on today's film it is not seen"."""
_BARE = frozenset(("negative", "neg", "history"))
"""Phrases that speak for the very word before them only: "PTX negative", but not "effusion, cytology negative"."""
_BACK_THEN = [(who, was) for who in ("which", "that") for was in ("was", "were", "had")]
"""Before a "not": what was not seen at some other time is there now, "a nodule that was not seen at that time"."""
_GONE = ("no longer", "resolved", "cleared", "removed", "gone", "disappeared", "vanished")
_LABEL = frozenset((":", "-", "="))
_REOPENS = ("exclude", "ruled out", "rule out", "discounted", "possible")
_PRONOUNS = frozenset(("it", "they", "this", "these"))
_PLURAL = frozenset(("are", "were", "have", "may", "might", "could", "can", "would"))
"""Verbs that may speak for all of "A and B", though B may be no finding of the lexicon."""


def alternatives(structure: Structure, hits: Sequence[Hit], wider: Mapping[str, str]) -> set[int]:
    """Hits of which the sentence says "one or the other": two findings with nothing but "or" and adjectives between.

    Where one is part of the other ("atelectasis or infiltrate") they are two names of one thing, and none is in doubt.
    """
    found: set[int] = set()
    busy = {start for start, _, _ in structure.cues}
    linked = False
    for i in range(len(hits) - 1, 0, -1):
        left, right = hits[i - 1], hits[i]
        gap = range(left.end, right.start)
        joints = tuple(structure.words[j] for j in gap if structure.words[j] in JOINING)
        apart = len(gap) > MAX_GAP or any(j in busy or j in structure.verbs for j in gap)
        linked = not apart and (joints in _EITHER or (linked and joints == (",",)))
        same = wider.get(left.finding, left.finding) == right.finding or wider.get(right.finding) == left.finding
        if linked and not same:
            found.update((i - 1, i))
    return found


def backward(structure: Structure, hits: Sequence[Hit]) -> tuple[dict[int, Cue], dict[int, Cue], set[int]]:
    """The phrases behind (or between) findings that reach them, by the hit's number, and hits whose denial they end.

    A clause of its own takes a denial back: "no pneumothorax, although a small one cannot be excluded".
    """
    after: dict[int, Cue] = {}
    between: dict[int, Cue] = {}
    taken_back: set[int] = set()
    position = 0
    for start, end, cue in structure.cues:
        while position < len(hits) and hits[position].end <= start:
            position += 1
        if cue.after is None and cue.between is None and not cue.ignore_after:
            continue
        if cue.after is not None and (cue.before or cue.ignore) and _names_next(structure, hits, position, end):
            continue
        nearest = position - 1
        if nearest < 0 or not _reaches(structure, hits[nearest], start, cue):
            continue
        if cue.after != "present" and _portion_only(structure, hits[nearest]):
            continue
        target = between if cue.between and not cue.after else after
        over = structure.clause[hits[nearest].end - 1] != structure.clause[start]
        if over and cue.after == "uncertain" and any(word in cue.phrase for word in _REOPENS):
            taken_back.add(nearest)
        for number in [nearest] if over else _coordinated(structure, hits, nearest, start):
            if over or number not in target or _outdoes(cue, target[number]):
                target[number] = cue
    return after, between, taken_back


def _names_next(structure: Structure, hits: Sequence[Hit], position: int, end: int) -> bool:
    """Whether a finding follows in the same part of the list, so that the phrase belongs to that one."""
    if position >= len(hits) or end > hits[position].start:
        return False
    return end < len(structure.words) and structure.part[hits[position].start] == structure.part[end - 1]


def _outdoes(cue: Cue, known: Cue) -> bool:
    """Whether a phrase counts more than one closer to the finding: "has decreased and is no longer seen"."""
    return known.after == "present" and cue.after == "absent" and any(word in cue.phrase for word in _GONE)


def _reaches(structure: Structure, hit: Hit, start: int, cue: Cue) -> bool:
    """Whether nothing but a joint, or a "which", stands between the finding and a phrase behind it."""
    clause, part, words = structure.clause, structure.part, structure.words
    last = hit.end - 1
    if cue.phrase in _BARE:
        return hit.end == start
    if words[start] in ("not", "never") and tuple(words[max(start - 2, 0) : start]) in _BACK_THEN:
        return False
    if clause[last] != clause[start]:
        return clause[last] + 1 == clause[start] and _speaks_on(structure, start)
    if part[last] == part[start]:
        return True
    first = start
    while first > 0 and part[first - 1] == part[start] and _carries_on(structure, first - 1):
        first -= 1
    opening = _joint(part, start)
    commas = words[opening - 1] == "," and part[opening - 1] > part[last]  # ", or" opens two parts
    if part[start] - part[last] == 1 + commas:
        joint = words[opening]
        if joint in ("or", "nor") or (joint == "and" and (words[start] in _PLURAL or words[start] in _LABEL)):
            return True
    opens = words[first] in JOINING or words[first - 1] in JOINING
    return opens and part[start] - part[last] <= 2 and cue.after != "present"


def _carries_on(structure: Structure, at: int) -> bool:
    """Whether a word may stand between a joint and a phrase whose subject is before the joint: "and is not seen"."""
    return structure.words[at] in structure.fillers or at in structure.verbs


def _portion_only(structure: Structure, hit: Hit) -> bool:
    """Whether the sentence speaks of a portion of what is named: "the tip of the tube", "the tube tip"."""
    if hit.end < len(structure.words) and structure.words[hit.end] in structure.portions:
        return True
    for i in range(hit.start - 1, max(hit.start - 1 - MAX_GAP, 0), -1):
        if structure.words[i] == "of":
            return structure.words[i - 1] in structure.portions
        if structure.words[i] in JOINING or i in structure.verbs:
            return False
    return False


def _speaks_on(structure: Structure, start: int) -> bool:
    """Whether the phrase's clause has no subject of its own: "…, which has resolved", "… but is unlikely".

    Behind a "which" a verb of the phrase may also go on from before it: "the effusion, which was large, has resolved".
    """
    words, clause = structure.words, structure.clause
    first = start
    while first > 0 and clause[first - 1] == clause[start]:
        first -= 1
    if words[first] == "which" and not structure.verbs.isdisjoint((start - 1, start)):
        return True
    if words[first] == ";" and words[first + 1] in _PRONOUNS:
        first += 1
    opener = words[first:start]
    return len(opener) <= MAX_OPENER and all(word in _OPENERS or word in structure.fillers for word in opener)


def _joint(part: list[int], at: int) -> int:
    """The word that opens the list part of word `at`."""
    first = at
    while first > 0 and part[first - 1] == part[at]:
        first -= 1
    return first


def _coordinated(structure: Structure, hits: Sequence[Hit], nearest: int, at: int) -> list[int]:
    """The hit and those joined to it in a list that the phrase `at` ends: "A, B and C are not seen", "A, B: none"."""
    if nearest == 0:
        return [0]
    found, number = [nearest], nearest
    busy = {start for start, _, cue in structure.cues if cue.before or cue.after or cue.ends}
    behind = structure.words[hits[nearest].end : min(at, hits[nearest].end + MAX_GAP)]
    chained = not ALTERNATIVE.isdisjoint(behind)  # "A, B, or something else may be considered"
    chained = chained or (structure.words[at] in _LABEL and _bare_list(structure, hits, nearest))
    while number > 0:
        left, right = hits[number - 1], hits[number]
        if left.start == right.start:
            number -= 1
            found.append(number)
            continue
        gap = range(left.end, right.start)
        if any(i in busy or i in structure.verbs for i in gap):
            break
        joints = [structure.words[i] for i in gap if structure.words[i] in JOINING]
        chained = chained or any(j in ALTERNATIVE or j in ("and", "&") for j in joints)
        if not joints or not chained or any(j in ("with", "(") for j in joints):
            break
        number -= 1
        found.append(number)
    return found


def _bare_list(structure: Structure, hits: Sequence[Hit], last: int) -> bool:
    """Whether the sentence begins with findings up to this one and has no other word: "Effusion, edema: none"."""
    while last > 0 and all(structure.words[i] in JOINING for i in range(hits[last - 1].end, hits[last].start)):
        last -= 1
    return hits[last].start == 0
