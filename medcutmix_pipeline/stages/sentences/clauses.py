"""How far a phrase reaches: the clauses of a sentence, and the parts of the lists in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings
from medcutmix_pipeline.stages.sentences.statements import NEUTRAL, opened_clauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.lexicon import Cues, Layers

ALTERNATIVE = frozenset(("or", "nor", "/"))
JOINING = frozenset((",", "and", "&", "with", "(", "-", "plus")) | ALTERNATIVE
_DENYING = frozenset(("not", "never", "absent"))
ELSEWHERE = 10
"""Words behind a denial in which it may say where: "not seen on the most recent prior film"."""
HIDDEN = "_"
"""What de-identification leaves of a date, as a word; phrases of the lexicon write a year like this, too."""
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(slots=True)
class Cue:
    """What a phrase means where it stands before, after or between findings.

    `ends`: other phrases reach no further; `heads`: it speaks for a whole list.
    """

    phrase: str
    before: Assertion | None = None
    after: Assertion | None = None
    between: Assertion | None = None
    ignore: bool = False
    ignore_after: bool = False
    ends: bool = False
    heads: bool = False

    def fill(self, other: Cue) -> None:
        """Take over the roles that this cue does not have yet."""
        self.before = self.before or (None if self.ignore else other.before)
        self.after = self.after or (None if self.ignore_after else other.after)
        self.ignore_after = self.ignore_after or (other.ignore_after and self.after is None)
        self.between = self.between or other.between
        self.ignore = self.ignore or (other.ignore and self.before is None)
        self.ends = self.ends or other.ends
        self.heads = self.heads or (other.heads and self.before == other.before)


FoundCue = tuple[int, int, Cue]


@dataclass(frozen=True, slots=True)
class Structure:
    """A sentence's words with the clause and the list part of each, and the cues in it."""

    words: Sequence[str]
    cues: list[FoundCue]
    clause: list[int]
    part: list[int]
    verbs: frozenset[int]
    starts: frozenset[int]
    attributes: frozenset[int]
    portions: frozenset[str]
    fillers: frozenset[str]


class ClauseReader:
    """Finds cues and the clauses they are good for."""

    def __init__(self, layers: Layers) -> None:
        self._cues: PhraseTree[Cue] = PhraseTree()
        self._fillers = frozenset(word for layer in layers for word in layer.assertion.fillers)
        self._verbs = frozenset(word for layer in layers for word in layer.assertion.verbs)
        self._portions = frozenset(word for layer in layers for word in layer.assertion.portions)
        self._starts: PhraseTree[bool] = PhraseTree()
        """True for what opens a new statement in any case, False for an attribute."""
        self._elsewhere: PhraseTree[Assertion] = PhraseTree()
        for layer in layers:
            kinds: tuple[tuple[Assertion, Cues], ...] = (
                ("absent", layer.assertion.absent),
                ("uncertain", layer.assertion.uncertain),
                ("present", layer.assertion.present),
            )
            for kind, cues in kinds:
                self._add(cues.heads, partial(Cue, before=kind, heads=True))
                self._add(cues.before, partial(Cue, before=kind))
                self._add(cues.after, partial(Cue, after=kind))
                self._add(cues.between, partial(Cue, between=kind))
            self._add(layer.assertion.ignore.before, partial(Cue, ignore=True))
            self._add(layer.assertion.ignore.after, partial(Cue, ignore_after=True))
            self._add(layer.assertion.ends, partial(Cue, ends=True))
            for _, cues in kinds:
                self._inherit(cues.after)
            for phrase in layer.assertion.starts:
                self._starts.add(phrase, True)
            for phrase in layer.assertion.attributes:
                self._starts.add(phrase, False)
            elsewhere = layer.assertion.elsewhere
            meanings: tuple[tuple[Assertion, Sequence[str]], ...] = (
                ("present", elsewhere.study),
                ("uncertain", elsewhere.view),
                ("absent", elsewhere.nowhere),
            )
            for meaning, phrases in meanings:
                for phrase in phrases:
                    self._elsewhere.add(phrase, meaning)

    def _add(self, phrases: Sequence[str], make: Callable[[str], Cue]) -> None:
        for phrase in phrases:
            for spelling in spellings(phrase):
                cue = make(spelling.lower())
                known = self._cues.get(cue.phrase)
                if known is None:
                    self._cues.add(cue.phrase, cue)
                else:
                    known.fill(cue)

    def _inherit(self, phrases: Iterable[str]) -> None:
        """A phrase behind a finding that ends in one before a finding is both: "is a possible" ends in "possible"."""
        for phrase in phrases:
            for spelling in spellings(phrase):
                cue = self._cues.get(spelling.lower())
                words = spelling.lower().split()
                for first in range(1, len(words)):
                    ending = self._cues.get(" ".join(words[first:]))
                    if cue is not None and ending is not None and cue.before is None and ending.before is not None:
                        cue.before = ending.before

    def read(self, words: Sequence[str]) -> Structure:
        """Clauses and list parts of one sentence. Time linear in the words."""
        cues = self._denied_elsewhere(words, self._cues.find(words, self._fillers))
        verbs = frozenset(i for i, word in enumerate(words) if word in self._verbs)
        opening = self._starts.find(words)
        starts = frozenset(start for start, _, always in opening if always)
        attributes = frozenset(start for start, _, always in opening if not always)
        opened = opened_clauses(words, cues, verbs)
        clause, part = _numbered(words, opened), _parts(words, opened)
        return Structure(words, cues, clause, part, verbs, starts, attributes, self._portions, self._fillers)

    def _denied_elsewhere(self, words: Sequence[str], cues: list[FoundCue]) -> list[FoundCue]:
        """The cues, with those changed that deny a finding on another study or view: "not seen on the prior film"."""
        found = []
        for start, end, cue in cues:
            told = None
            if cue.after and words[start] in _DENYING and (cue.after == "absent" or words[end - 1] in NEUTRAL):
                following = [_plain(word) for word in words[end : end + ELSEWHERE]]
                told = next(iter(self._elsewhere.find(following, self._fillers)), None)
            if told is not None and self._follows(words, end, told[0]):
                meaning = told[2]
                phrase = " ".join((cue.phrase, *words[end : end + told[1]]))
                found.append((start, end + told[1], Cue(phrase, after=meaning)))
            else:
                found.append((start, end, cue))
        return found

    def _follows(self, words: Sequence[str], end: int, gap: int) -> bool:
        return all(word in self._fillers for word in words[end : end + gap])


def _plain(word: str) -> str:
    return HIDDEN if _YEAR.fullmatch(word) else "#" if word.isdecimal() else word


def _numbered(words: Sequence[str], opened: set[int]) -> list[int]:
    numbers, number = [], 0
    for i in range(len(words)):
        number += i in opened
        numbers.append(number)
    return numbers


def _parts(words: Sequence[str], opened: set[int]) -> list[int]:
    """The number of the list part that each word is in; joining words open the part behind them."""
    numbers, number = [], 0
    for i, word in enumerate(words):
        if i in opened or word in JOINING:
            number += 1
        numbers.append(number)
    return numbers
