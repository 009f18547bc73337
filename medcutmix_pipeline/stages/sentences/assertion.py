"""What a sentence says of each finding that it names: present, uncertain or absent.

The reach of a phrase follows the idea of NegEx and ConText (Chapman 2001, Harkema 2009): a phrase speaks for the findings
before or behind it, up to the end of its clause. Lists, changes of statement and radiology's own forms are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.clauses import ALTERNATIVE, JOINING, Structure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.clauses import Cue
    from medcutmix_pipeline.stages.sentences.findings import Hit

STATED = "stated"
_EITHER = {("or",), (",", "or"), ("and", "/", "or"), (",", "and", "/", "or")}
MAX_OPENER = 4
_OPENERS = frozenset(
    ("which", "that", "but", "although", "though", "however", "yet", "it", "they", "this", ",", "these", "while")
)
_PLURAL = frozenset(("are", "were", "have", "may", "might", "could", "can", "would"))
"""Verbs that may speak for all of "A and B", though B may be no finding of the lexicon."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The assertion of a finding and the rule that decided; `ignored`: it is not said of this image at all."""

    assertion: Assertion
    rule: str
    ignored: bool = False


@dataclass(slots=True)
class _Reach:
    """A phrase that speaks for what comes behind it. `direct`: nothing but "or" joins it to the finding."""

    cue: Cue
    part: int
    direct: bool = True


def decide(structure: Structure, hits: Sequence[Hit], wider: Mapping[str, str]) -> list[Verdict]:
    """One verdict for each hit, in order. `wider`: finding → the finding that it is part of. Time linear in the words."""
    before = _forward(structure, hits)
    after, between = _backward(structure, hits)
    verdicts = [_verdict(hit, before[i], after.get(i), between.get(i)) for i, hit in enumerate(hits)]
    for i in _alternatives(structure, hits, wider):
        if verdicts[i].assertion == "present" and not verdicts[i].ignored and hits[i].look is None:
            verdicts[i] = Verdict("uncertain", "uncertain between: or")
    return verdicts


def _alternatives(structure: Structure, hits: Sequence[Hit], wider: Mapping[str, str]) -> set[int]:
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
        apart = len(gap) > MAX_OPENER or any(j in busy or j in structure.verbs for j in gap)
        linked = not apart and (joints in _EITHER or (linked and joints == (",",)))
        same = wider.get(left.finding, left.finding) == right.finding or wider.get(right.finding) == left.finding
        if linked and not same:
            found.update((i - 1, i))
    return found


def _verdict(hit: Hit, reach: _Reach | None, after: Cue | None, between: Cue | None) -> Verdict:
    if reach is not None and reach.cue.ignore:
        return Verdict("absent", f"ignored: {reach.cue.phrase}", ignored=True)
    if after is not None and after.ignore_after:
        return Verdict("absent", f"ignored: {after.phrase}", ignored=True)
    before = _speaks(reach.cue) if reach is not None else None
    if hit.look == "absent":
        return Verdict("absent", hit.rule)
    if hit.look == "uncertain" and (after is None or after.after != "absent") and before != "absent":
        return Verdict("uncertain", hit.rule)
    denied = before == "absent" and reach is not None
    if denied and reach is not None and (after is None or (reach.direct and after.after != "absent")):
        return Verdict("absent", f"absent before: {reach.cue.phrase}")
    if after is not None and after.after != "present":
        return Verdict(after.after or "present", f"{after.after} after: {after.phrase}")
    if between is not None:
        return Verdict("uncertain", f"uncertain between: {between.phrase}")
    if before == "uncertain" and reach is not None:
        return Verdict("uncertain", f"uncertain before: {reach.cue.phrase}")
    if after is not None:
        return Verdict("present", f"present after: {after.phrase}")
    if reach is not None and before == "present":
        return Verdict("present", f"present before: {reach.cue.phrase}")
    return Verdict("present", hit.rule if hit.look else STATED)


def _speaks(cue: Cue) -> Assertion | None:
    """What a phrase says of the findings behind it."""
    return cue.before or cue.between


def _forward(structure: Structure, hits: Sequence[Hit]) -> list[_Reach | None]:
    """For each hit the phrase before it that reaches it."""
    cues = {start: cue for start, _, cue in structure.cues}
    inside = _inside(structure)
    last_or = _last_alternative(structure)
    anchors: dict[int, list[int]] = {}
    for number, hit in enumerate(hits):
        anchors.setdefault(hit.anchor, []).append(number)
    found: list[_Reach | None] = [None] * len(hits)
    reach: _Reach | None = None
    for i, word in enumerate(structure.words):
        if i and structure.clause[i] != structure.clause[i - 1]:
            reach = None
        if reach is not None and word in JOINING and i not in inside:
            reach = _past_joint(reach, structure, i, last_or)
        cue = cues.get(i)
        if cue is not None and (cue.before or cue.ignore or cue.between):
            reach = _replaced(reach, cue, structure, i)
        for number in anchors.get(i, ()):
            found[number] = _Reach(reach.cue, reach.part, reach.direct) if reach else None
    return found


def _inside(structure: Structure) -> set[int]:
    return {i for start, end, _ in structure.cues for i in range(start, end)}


def _last_alternative(structure: Structure) -> dict[int, int]:
    """For each clause its last "or": lists that end with it hold together."""
    return {structure.clause[i]: i for i, word in enumerate(structure.words) if word in ALTERNATIVE}


def _past_joint(reach: _Reach, structure: Structure, at: int, last_or: dict[int, int]) -> _Reach | None:
    """What is left of a phrase's reach behind a comma, "and", "with" or "or"."""
    words, kind = structure.words, _speaks(reach.cue)
    if words[at] in ALTERNATIVE:
        reach.direct = True
        return reach
    if reach.cue.ignore:
        return None if words[at] in (",", "with") else reach
    if reach.cue.heads:
        return reach
    closing = last_or.get(structure.clause[at], -1) > at
    following = at + 1
    while following < len(words) and words[following] in JOINING:
        following += 1
    if following < len(words) and following - 1 != at and words[following - 1] in ALTERNATIVE:
        return reach
    if kind == "uncertain" and words[at] in (",", "with", "-") and not closing:
        return None
    if following in structure.starts and not (closing and words[following] in ("a", "an", "the")):
        return None
    reach.direct = False
    return reach


def _replaced(reach: _Reach | None, cue: Cue, structure: Structure, at: int) -> _Reach | None:
    """The phrase that speaks from here on: a new one, unless it stands under a denial that is still open."""
    new = _Reach(cue, structure.part[at])
    if reach is None or reach.cue.ignore or cue.before == "absent":
        return new
    if _speaks(reach.cue) != "absent":
        return new if _speaks(cue) != "present" or _speaks(reach.cue) == "present" else reach
    opens = at == 0 or structure.part[at - 1] != structure.part[at] or structure.words[at - 1] in JOINING
    return new if _speaks(cue) == "uncertain" and opens and reach.part != structure.part[at] else reach


def _backward(structure: Structure, hits: Sequence[Hit]) -> tuple[dict[int, Cue], dict[int, Cue]]:
    """The phrases behind (or between) findings that reach them, by the hit's number."""
    after: dict[int, Cue] = {}
    between: dict[int, Cue] = {}
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
        target = between if cue.between and not cue.after else after
        over = structure.clause[hits[nearest].end - 1] != structure.clause[start]
        for number in [nearest] if over else _coordinated(structure, hits, nearest):
            if over or number not in target:
                target[number] = cue
    return after, between


def _names_next(structure: Structure, hits: Sequence[Hit], position: int, end: int) -> bool:
    """Whether a finding follows in the same part of the list, so that the phrase belongs to that one."""
    if position >= len(hits) or end > hits[position].start:
        return False
    return end < len(structure.words) and structure.part[hits[position].start] == structure.part[end - 1]


def _reaches(structure: Structure, hit: Hit, start: int, cue: Cue) -> bool:
    """Whether nothing but a joint, or a "which", stands between the finding and a phrase behind it."""
    clause, part, words = structure.clause, structure.part, structure.words
    last = hit.end - 1
    if clause[last] != clause[start]:
        return clause[last] + 1 == clause[start] and _speaks_on(structure, start)
    if part[last] == part[start]:
        return True
    first = start
    while first > 0 and part[first - 1] == part[start] and words[first - 1] in structure.fillers:
        first -= 1
    if part[start] - part[last] == 1:
        joint = words[_joint(part, start)]
        if joint in ("or", "nor") or (joint == "and" and words[start] in _PLURAL):
            return True
    opens = words[first] in JOINING or words[first - 1] in JOINING
    return opens and part[start] - part[last] <= 2 and cue.after != "present"


def _speaks_on(structure: Structure, start: int) -> bool:
    """Whether the phrase's clause has no subject of its own: "…, which has resolved", "… but is unlikely"."""
    words, clause = structure.words, structure.clause
    first = start
    while first > 0 and clause[first - 1] == clause[start]:
        first -= 1
    opener = words[first:start]
    return len(opener) <= MAX_OPENER and all(word in _OPENERS or word in structure.fillers for word in opener)


def _joint(part: list[int], at: int) -> int:
    """The word that opens the list part of word `at`."""
    first = at
    while first > 0 and part[first - 1] == part[at]:
        first -= 1
    return first


def _coordinated(structure: Structure, hits: Sequence[Hit], nearest: int) -> list[int]:
    """The hit and those joined to it in a list: "A, B and C are not seen"."""
    busy = {start for start, _, cue in structure.cues if cue.before or cue.after or cue.ends}
    found, chained, number = [nearest], False, nearest
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
