"""What a sentence says of each finding that it names: present, uncertain or absent.

The reach of a phrase follows the idea of NegEx and ConText (Chapman 2001, Harkema 2009): a phrase speaks for the
findings before or behind it, up to the end of its clause. Lists, changes of statement and radiology's own forms are
added.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.clauses import ALTERNATIVE, JOINING, Cue, Structure
from medcutmix_pipeline.stages.sentences.earlier import told_of_before
from medcutmix_pipeline.stages.sentences.joints import Joints
from medcutmix_pipeline.stages.sentences.lists import alternatives, backward

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.findings import Hit

STATED = "stated"
NOT = ("not", "no longer")
PREFERENCE = "favor"
_NO_CHANGE = ("no ", "not ", "without ", "lack ")
_SECOND_CHOICE = Cue("favored over", before="uncertain")
"""What "over" means behind a preference: "favor atelectasis over pneumonia"."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The assertion of a finding and the rule that decided; `ignored`: it is not said of this image at all."""

    assertion: Assertion
    rule: str
    ignored: bool = False


@dataclass(slots=True)
class _Reach:
    """A phrase that speaks for what comes behind it.

    `direct`: nothing but "or" joins it to the finding; `reached`: it has spoken for a finding already.
    """

    cue: Cue
    part: int
    end: int
    direct: bool = True
    reached: bool = False


def decide(structure: Structure, hits: Sequence[Hit], wider: Mapping[str, str]) -> list[Verdict]:
    """One verdict for each hit, in order; time linear in the words.

    `wider`: finding → the finding that it is part of.
    """
    before = _forward(structure, hits)
    after, between, taken_back = backward(structure, hits)
    verdicts = [
        _verdict(hit, None if i in taken_back else before[i], after.get(i), between.get(i))
        for i, hit in enumerate(hits)
    ]
    for i, hit in enumerate(hits):
        if _turns(structure, before[i], hit):
            verdicts[i] = Verdict("uncertain", f"uncertain look: not {hit.rule.removeprefix('absent look: ')}")
    for i in alternatives(structure, hits, wider):
        doubted = verdicts[i].assertion == "present" and not verdicts[i].ignored and hits[i].look is None
        if doubted and not _both(before[i]):
            verdicts[i] = Verdict("uncertain", "uncertain between: or")
    for i in told_of_before(structure, hits):
        if i not in after:
            verdicts[i] = Verdict("absent", "ignored: prior study", ignored=True)
    return verdicts


def _both(reach: _Reach | None) -> bool:
    """Whether an "or" joins two findings that are there: "no change in A or B"."""
    return reach is not None and reach.cue.before == "present" and reach.cue.phrase.startswith(_NO_CHANGE)


def _turns(structure: Structure, reach: _Reach | None, hit: Hit) -> bool:
    """Whether a "not" denies that a structure looks normal: "heart size is not normal"."""
    if hit.look != "absent" or reach is None or reach.end > hit.anchor or reach.cue.phrase not in NOT:
        return False
    return all(word in structure.fillers for word in structure.words[reach.end : hit.anchor])


def _verdict(hit: Hit, reach: _Reach | None, after: Cue | None, between: Cue | None) -> Verdict:
    """What phrases before, behind and between say together; a hit's own look counts where they leave it."""
    cue = reach.cue if reach is not None else None
    ignored = cue if cue is not None and cue.ignore else after if after is not None and after.ignore_after else None
    if ignored is not None:
        return Verdict("absent", f"ignored: {ignored.phrase}", ignored=True)
    before = _speaks(cue) if cue is not None else None
    behind = after.after if after is not None else None
    if hit.look == "absent" or (hit.look == "uncertain" and "absent" not in (before, behind)):
        return Verdict(hit.look, hit.rule)
    if reach is not None and before == "absent" and (behind is None or (reach.direct and behind != "absent")):
        return Verdict("absent", f"absent before: {reach.cue.phrase}")
    return _weighed(hit, cue, after, between)


def _weighed(hit: Hit, cue: Cue | None, after: Cue | None, between: Cue | None) -> Verdict:
    """The rest, by rank: a doubt or denial behind, a doubt between, a doubt before, then what asserts."""
    before = _speaks(cue) if cue is not None else None
    if after is not None and after.after in ("absent", "uncertain"):
        return Verdict(after.after, f"{after.after} after: {after.phrase}")
    if between is not None:
        return Verdict("uncertain", f"uncertain between: {between.phrase}")
    if cue is not None and before == "uncertain":
        return Verdict("uncertain", f"uncertain before: {cue.phrase}")
    if after is not None:
        return Verdict("present", f"present after: {after.phrase}")
    if cue is not None and before == "present":
        return Verdict("present", f"present before: {cue.phrase}")
    return Verdict("present", hit.rule if hit.look else STATED)


def _speaks(cue: Cue) -> Assertion | None:
    """What a phrase says of the findings behind it."""
    return cue.before or cue.between


def _forward(structure: Structure, hits: Sequence[Hit]) -> list[_Reach | None]:
    """For each hit the phrase before it that reaches it."""
    found: list[_Reach | None] = [None] * len(hits)
    speaking = _speaking(structure)
    first, last = min(speaking, default=len(structure.words)), max((hit.anchor for hit in hits), default=-1)
    if first > last:
        return found
    inside = _inside(structure)
    joints = Joints(structure, hits)
    anchors: dict[int, list[int]] = {}
    for number, hit in enumerate(hits):
        anchors.setdefault(hit.anchor, []).append(number)
    reach: _Reach | None = None
    for i in range(first, last + 1):
        if reach is not None:
            reach = _left(reach, structure, i, joints, inside)
        if i in speaking:
            reach = _replaced(reach, speaking[i], structure, i)
        for number in anchors.get(i, ()):
            found[number] = replace(reach) if reach else None
            if reach is not None:
                reach.reached = True
    return found


def _speaking(structure: Structure) -> dict[int, _Reach]:
    """The phrases that speak for findings behind them, by their first word."""
    return {
        start: _Reach(cue, structure.part[start], end)
        for start, end, cue in structure.cues
        if cue.before or cue.ignore or cue.between
    }


def _left(reach: _Reach, structure: Structure, at: int, joints: Joints, inside: set[int]) -> _Reach | None:
    """What is left of a phrase's reach at a word behind it; `inside`: words that are part of a phrase."""
    if structure.clause[at] != structure.clause[at - 1]:
        return None
    left: _Reach | None = reach
    if structure.words[at] in JOINING and at not in inside:
        left = _past_joint(reach, structure, at, joints)
    elif reach.reached and not reach.cue.heads and joints.runs_on(at):
        return None
    if left is not None and at not in inside and _second_choice(left, structure.words[at]):
        return _Reach(_SECOND_CHOICE, structure.part[at], at + 1)
    return left


def _second_choice(reach: _Reach, word: str) -> bool:
    """Whether what follows is the less likely of two: "favor A over B", "more consistent with A than B"."""
    if word == "over":
        return reach.cue.phrase.startswith(PREFERENCE)
    return word == "than" and reach.reached and _speaks(reach.cue) in ("present", "uncertain")


def _inside(structure: Structure) -> set[int]:
    return {i for start, end, _ in structure.cues for i in range(start, end)}


def _past_joint(reach: _Reach, structure: Structure, at: int, joints: Joints) -> _Reach | None:
    """What is left of a phrase's reach behind a comma, "and", "with" or "or"."""
    words, kind = structure.words, _speaks(reach.cue)
    if words[at] in ALTERNATIVE:
        reach.direct = True
        return reach
    if reach.cue.ignore:
        return None if words[at] in (",", "with") else reach
    if reach.cue.heads:
        return reach
    closing = joints.closed(at)
    following = at + 1
    while following < len(words) and words[following] in JOINING:
        following += 1
    if following < len(words) and following - 1 != at and words[following - 1] in ALTERNATIVE:
        return reach
    if kind == "uncertain" and words[at] in (",", "with", "-") and not closing:
        return None
    if following in structure.starts and not (closing and words[following] in ("a", "an", "the")):
        return None
    if kind == "absent" and joints.opens(reach.cue, at, following):
        return None
    reach.direct = False
    return reach


def _replaced(reach: _Reach | None, new: _Reach, structure: Structure, at: int) -> _Reach | None:
    """The phrase that speaks from here on: a new one, unless it stands under a denial that is still open."""
    cue = new.cue
    if reach is None or reach.cue.ignore or cue.before == "absent":
        return new
    if _speaks(reach.cue) != "absent":
        return new if _speaks(cue) != "present" or _speaks(reach.cue) == "present" else reach
    opens = at == 0 or structure.part[at - 1] != structure.part[at] or structure.words[at - 1] in JOINING
    return new if _speaks(cue) == "uncertain" and opens and reach.part != structure.part[at] else reach
