"""Where a denial ends though the words alone would let it go on.

"No pneumothorax, large left effusion" denies one thing, "no consolidation, large effusion, or pneumothorax" three: an
attribute behind a joint begins a new statement unless the list goes on. Dictated lines without any stop do the same
with no joint at all: "NO EFFUSION HEART IS ENLARGED".
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.clauses import ALTERNATIVE, JOINING
from medcutmix_pipeline.stages.sentences.statements import NEUTRAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.stages.sentences.clauses import Cue, Structure
    from medcutmix_pipeline.stages.sentences.findings import Hit

_CLOSING = frozenset(("or", "nor"))
_GONE = ("resol", "remov", "clearing", "cleared", "disappear", "evacuat")
"""How phrases begin that speak of what was known: "resolution of the left effusion and right pneumothorax"."""

_NEW = frozenset(("new", "newly"))


class Joints:
    """Lists and new statements in one sentence; what is asked takes time linear in the words."""

    def __init__(self, structure: Structure, hits: Sequence[Hit]) -> None:
        self._structure = structure
        self._hits = hits

    @cached_property
    def _last_or(self) -> dict[int, int]:
        clause = self._structure.clause
        return {clause[i]: i for i, word in enumerate(self._structure.words) if word in ALTERNATIVE}

    @cached_property
    def _open(self) -> list[bool]:
        return _still_open(self._structure)

    @cached_property
    def _anchors(self) -> set[int]:
        return {hit.anchor for hit in self._hits}

    @cached_property
    def _ends(self) -> set[int]:
        return {hit.end for hit in self._hits}

    @cached_property
    def _measured(self) -> set[int]:
        return {hit.start for hit in self._hits if hit.look in ("present", "absent")}

    def closed(self, at: int) -> bool:
        """Whether an "or" follows anywhere in the clause: lists that end with it hold together."""
        return self._last_or.get(self._structure.clause[at], -1) > at

    def opens(self, cue: Cue, at: int, following: int) -> bool:
        """Whether an attribute at `following` begins a new statement behind the joint `at` and the denial `cue`."""
        structure = self._structure
        if self._open[at]:
            return False
        if cue.phrase.startswith(_GONE) and following < len(structure.words):
            return structure.words[following] in _NEW or (
                structure.words[at] == "with" and following in structure.attributes
            )
        if following not in structure.attributes:
            return False
        return structure.words[at] != "," or not self._goes_on(following)

    def runs_on(self, at: int) -> bool:
        """Whether a new statement begins at `at`, right behind a finding or what is said of it, without a joint."""
        structure = self._structure
        if at not in self._ends and structure.words[at - 1] not in NEUTRAL:
            return False
        opens = at in structure.starts or at in structure.attributes or at in self._measured
        return opens and not self._open[at]

    def _goes_on(self, at: int) -> bool:
        """Whether the next comma or "and" of the clause brings a finding with no attribute, as in one list."""
        words, clause = self._structure.words, self._structure.clause
        joint = at
        while joint < len(words) and words[joint] not in JOINING:
            joint += 1
        if joint == len(words) or clause[joint] != clause[at] or words[joint] not in (",", "and", "&"):
            return False
        first = joint + 1
        while first < len(words) and words[first] in JOINING:
            first += 1
        if first in self._structure.starts or first in self._structure.attributes:
            return False
        last = first
        while last < len(words) and words[last] not in JOINING and clause[last] == clause[at]:
            if last in self._anchors:
                return True
            last += 1
        return False


def _still_open(structure: Structure) -> list[bool]:
    """For each word whether an "or" follows in its clause before another phrase speaks: the list is still open."""
    speaking = {start for start, _, cue in structure.cues if cue.before or cue.between or cue.ignore}
    inside = {i for start, end, _ in structure.cues for i in range(start, end)}
    found = [False] * len(structure.words)
    ahead = False
    for i in range(len(structure.words) - 1, -1, -1):
        if i + 1 < len(found) and structure.clause[i] != structure.clause[i + 1]:
            ahead = False
        found[i] = ahead
        if i in speaking:
            ahead = False
        elif structure.words[i] in _CLOSING and i not in inside:
            ahead = True
    return found
