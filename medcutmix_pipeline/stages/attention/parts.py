"""The parts of a sentence, such as those of a list, with the findings and the places that each of them names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.attention.statements import names_place, phrase_book, places_in, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medcutmix_pipeline.schemas.records import Mention
    from medcutmix_pipeline.stages.attention.statements import Place

JOINTS, WORDS = phrase_book("joints"), phrase_book("words")
_LIGHT = WORDS["light"] | WORDS["leading"] | WORDS["comparing"]


def _joint() -> re.Pattern[str]:
    every = sorted(frozenset().union(*JOINTS.values()))
    words = "|".join(word for word in every if word.isalpha())
    signs = "".join(re.escape(sign) for sign in every if not sign.isalpha() and sign != "/")
    # "/" as in "b/l" joins nothing, and neither does "consistent with".
    joined = r"(?<!consistent )(?<!compatible )(?<!keeping )"
    return re.compile(rf"[{signs}]|/(?!l\b)|(?<=\s)[-–—](?=\s)|{joined}\b(?:{words})\b", re.IGNORECASE)


_JOINT = _joint()


@dataclass(slots=True)
class Part:
    """A part of a sentence, and the joints between it and the part before.

    `places` are (start, end, place). Offsets, of mentions too, are characters of the sentence.
    """

    start: int
    text: str
    joints: frozenset[str]
    mentions: list[Mention]
    places: list[tuple[int, int, Place]]

    @property
    def asserts(self) -> bool:
        """Whether it names a finding that it does not deny."""
        return any(m.assertion != "absent" for m in self.mentions)

    @property
    def lead(self) -> list[str]:
        """The words before its first finding; all of them where it names none."""
        return words_of(self.text[: min((m.start - self.start for m in self.mentions), default=len(self.text))])

    @property
    def tail(self) -> list[str]:
        """The words behind its last finding; all of them where it names none."""
        return words_of(self.text[max((m.end - self.start for m in self.mentions), default=0) :])

    @property
    def placed_before(self) -> bool:
        """Whether a place stands before a finding or is part of its name: "left effusion"."""
        return any(start < m.end for start, _, _ in self.places for m in self.mentions)

    @property
    def placed_behind(self) -> bool:
        """Whether a place stands behind a finding: "effusion on the left"."""
        return any(start >= m.end for start, _, _ in self.places for m in self.mentions)

    @property
    def only_places(self) -> bool:
        """Whether it names places and nothing else."""
        return self._names_no_more_in(words_of(self.text))

    @property
    def ends_in_places(self) -> bool:
        """Whether it names nothing behind its first place: "patchy right upper lobe", "increase in right"."""
        return self._names_no_more_in(words_of(self.text[min((p[0] for p in self.places), default=0) - self.start :]))

    def _names_no_more_in(self, words: list[str]) -> bool:
        return bool(self.places) and not self.mentions and all(w in _LIGHT or names_place(w) for w in words)

    @property
    def speaks_back(self) -> bool:
        """Whether it tells the places of what was named before: "in the right base", "right more than left"."""
        words = words_of(self.text)
        return words[0] in WORDS["leading"] or not WORDS["comparing"].isdisjoint(words)


def parts_of(sentence: str, mentions: Sequence[Mention]) -> Iterator[Part]:
    """The parts of a sentence in order, such that no mention of a finding is torn."""
    places = list(places_in(sentence))
    joints: set[str] = set()
    start = 0
    for at, behind, joint in [*_joints(sentence, mentions), (len(sentence), len(sentence), "")]:
        text = sentence[start:at]
        if words_of(text):
            own = [m for m in mentions if start <= m.start < at]
            yield Part(start, text, frozenset(joints), own, [p for p in places if start <= p[0] < at])
            joints = set()
        joints.add(joint)
        start = at if joint in JOINTS["aside"] else behind


def _joints(sentence: str, mentions: Sequence[Mention]) -> Iterator[tuple[int, int, str]]:
    """Characters [start, end) of each joint outside mentions, and the joint."""
    for found in _JOINT.finditer(sentence):
        if not any(m.start <= found.start() < m.end for m in mentions):
            yield found.start(), found.end(), found[0].lower()
