"""Findings that are said by what a structure looks like: "the heart is enlarged", "clear lungs"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, each_spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.clauses import Structure
    from medcutmix_pipeline.stages.sentences.lexicon import Measure


@dataclass(frozen=True, slots=True)
class Look:
    """What a structure looks like, and what that asserts of the finding of measure `measure`."""

    measure: int
    assertion: Assertion
    phrase: str


FoundLook = tuple[int, int, tuple[Look, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A structure with its look: words `start` to `end`, the look itself from `anchor`."""

    finding: str
    start: int
    end: int
    anchor: int
    look: Look


class MeasureMatcher:
    """Joins structures with what is said of them."""

    def __init__(self, pairs: Iterable[tuple[str, Measure]]) -> None:
        """`pairs`: findings and what says them."""
        self._structures: PhraseTree[tuple[int, ...]] = PhraseTree()
        self._looks: PhraseTree[tuple[Look, ...]] = PhraseTree()
        self._findings: list[str] = []
        structures: dict[str, list[int]] = {}
        looks: dict[str, list[Look]] = {}
        for number, (name, measure) in enumerate(pairs):
            self._findings.append(name)
            for spelling in each_spelling(measure.of):
                structures.setdefault(spelling, []).append(number)
            _add_looks(looks, number, measure)
        for spelling, numbers in structures.items():
            self._structures.add(spelling, tuple(numbers))
        for spelling, found in looks.items():
            self._looks.add(spelling, tuple(found) + _inherited(spelling, found, looks))

    def openers(self) -> frozenset[str]:
        """The words with which structures begin."""
        return self._structures.openers()

    def find(self, words: Sequence[str], clauses: Callable[[], Structure]) -> Iterable[Measured]:
        """Each structure of which something is said, in reading order.

        `clauses` gives those of the words; it is asked only where they name a structure and say a look at all.
        """
        structures = self._structures.find(words)
        looks = self._looks.find(words) if structures else []
        if not looks:
            return
        sentence = clauses()
        position = 0
        for index, (start, end, numbers) in enumerate(structures):
            while position < len(looks) and looks[position][0] < end:
                position += 1
            following = structures[index + 1][0] if index + 1 < len(structures) else len(words)
            for number in numbers:
                found = _before(number, start, following, position, looks, sentence)
                found = found or _behind(number, start, end, position, looks, sentence)
                if found is not None:
                    first, last, look = found
                    yield Measured(self._findings[number], min(start, first), max(end, last), first, look)


def _before(
    number: int, start: int, following: int, position: int, looks: Sequence[FoundLook], sentence: Structure
) -> tuple[int, int, Look] | None:
    """A look before its structure, in the same part of a list ("normal heart size"), unless one follows there too."""
    if position == 0:
        return None
    first, last, options = looks[position - 1]
    part = sentence.part
    if last > start or part[first] != part[start]:
        return None
    adjacent = last == start  # "normal heart size …": whatever follows is said of something else
    if (
        not adjacent
        and position < len(looks)
        and part[looks[position][0]] == part[start]
        and looks[position][0] < following
    ):
        return None
    return next(((first, last, look) for look in options if look.measure == number), None)


def _behind(
    number: int, start: int, end: int, position: int, looks: Sequence[FoundLook], sentence: Structure
) -> tuple[int, int, Look] | None:
    """A look behind its structure: in its clause, or in the one that a "which" right behind it opens."""
    clause, words = sentence.clause, sentence.words
    which = next((i for i in range(end, min(end + 2, len(words))) if words[i] in ("which", "that")), None)
    for first, last, options in looks[position : position + 2]:
        if clause[first] != clause[start] and (which is None or clause[first] != clause[which]):
            return None
        for look in options:
            if look.measure == number:
                return first, last, look
    return None


def _add_looks(looks: dict[str, list[Look]], number: int, measure: Measure) -> None:
    sides: tuple[tuple[Assertion, tuple[str, ...]], ...] = (("present", measure.present), ("absent", measure.absent))
    for assertion, phrases in sides:
        for spelling in each_spelling(phrases):
            looks.setdefault(spelling, []).append(Look(number, assertion, spelling))


def _inherited(spelling: str, own: list[Look], looks: dict[str, list[Look]]) -> tuple[Look, ...]:
    """What shorter looks with which this one begins say of other measures: "normal" is in "normal in size"."""
    found = {look.measure: look for look in own}
    words = spelling.split()
    for length in range(len(words) - 1, 0, -1):
        for look in looks.get(" ".join(words[:length]), ()):
            found.setdefault(look.measure, look)
    return tuple(look for look in found.values() if look not in own)
