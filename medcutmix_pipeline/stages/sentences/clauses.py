"""How far a phrase reaches: the clauses of a sentence, and the parts of the lists in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings
from medcutmix_pipeline.stages.sentences.statements import opened_clauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.lexicon import Cues, Layers

ALTERNATIVE = frozenset(("or", "nor", "/"))
JOINING = frozenset((",", "and", "&", "with", "(", "-", "plus")) | ALTERNATIVE
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
    portions: frozenset[int]
    fillers: frozenset[str]


class ClauseReader:
    """Finds cues and the clauses they are good for."""

    def __init__(self, layers: Layers) -> None:
        self._cues: PhraseTree[Cue] = PhraseTree()
        self._fillers = frozenset(word for layer in layers for word in layer.assertion.fillers)
        self._verbs = frozenset(word for layer in layers for word in layer.assertion.verbs)
        self._starts: PhraseTree[bool] = PhraseTree()
        self._attributes: PhraseTree[bool] = PhraseTree()
        self._portions: PhraseTree[bool] = PhraseTree()
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
                self._attributes.add(phrase, True)
            for phrase in layer.assertion.portions:
                self._portions.add(phrase, True)

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
        cues = self._cues.find([HIDDEN if _YEAR.fullmatch(word) else word for word in words], self._fillers)
        verbs = frozenset(i for i, word in enumerate(words) if word in self._verbs)
        starts = frozenset(start for start, _, _ in self._starts.find(words))
        attributes = frozenset(start for start, _, _ in self._attributes.find(words))
        opened = opened_clauses(words, cues, verbs)
        portions = frozenset(i for start, end, _ in self._portions.find(words) for i in range(start, end))
        clause, part = _numbered(words, opened), _parts(words, opened)
        return Structure(words, cues, clause, part, verbs, starts, attributes, portions, self._fillers)


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
