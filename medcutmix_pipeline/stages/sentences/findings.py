"""Where a sentence names a finding: by a term of the lexicon, or by what a structure looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.lexicon import Layers, Measure

LOOKS_NORMAL = "looks normal"


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding named by words `start` to `end`; `look` is what the words themselves assert (a measure), if they do.

    `anchor` is the word at which a denial would stand: the attribute of a measure, else `start`.
    """

    finding: str
    start: int
    end: int
    anchor: int
    look: Assertion | None = None
    rule: str = "named"


@dataclass(frozen=True, slots=True)
class _Look:
    measure: int
    assertion: Assertion
    phrase: str


class FindingMatcher:
    """Finds the lexicon's findings in the words of a sentence."""

    def __init__(self, layers: Layers) -> None:
        self._terms = _terms(layers)
        self._structures: PhraseTree[tuple[int, ...]] = PhraseTree()
        self._looks: PhraseTree[tuple[_Look, ...]] = PhraseTree()
        self._measured: list[str] = []
        pairs = [(f.name, m) for layer in layers for f in layer.findings for m in f.measures]
        structures: dict[str, list[int]] = {}
        looks: dict[str, list[_Look]] = {}
        for number, (name, measure) in enumerate(pairs):
            self._measured.append(name)
            for spelling in _each(measure.of):
                structures.setdefault(spelling, []).append(number)
            _add_looks(looks, number, measure)
        for spelling, numbers in structures.items():
            self._structures.add(spelling, tuple(numbers))
        for spelling, found in looks.items():
            self._looks.add(spelling, tuple(found))
        self._openers = self._terms.openers() | self._structures.openers()

    def names_any(self, words: Sequence[str]) -> bool:
        """Whether any word could begin a finding or a structure; cheap, and most often the last question to ask."""
        return not (self._openers.isdisjoint(words))

    def find(self, words: Sequence[str], breaks: Sequence[int], joints: Sequence[int]) -> list[Hit]:
        """All hits in reading order.

        `breaks` gives the clause that each word belongs to, `joints` the part of a list within it (see `clauses`).
        """
        hits = [hit for start, end, names in self._terms.find(words) for hit in _named(start, end, names)]
        structures = self._structures.find(words)
        if structures:
            looks = self._looks.find(words)
            taken = {(h.finding, i) for h in hits for i in range(h.start, h.end)}
            for hit in self._measure(structures, looks, breaks, joints):
                if not any((hit.finding, i) in taken for i in range(hit.start, hit.end)):
                    hits.append(hit)
        hits.sort(key=lambda h: (h.start, h.end, h.finding))
        return hits

    def _measure(
        self,
        structures: list[tuple[int, int, tuple[int, ...]]],
        looks: list[tuple[int, int, tuple[_Look, ...]]],
        breaks: Sequence[int],
        joints: Sequence[int],
    ) -> Iterable[Hit]:
        """Join each structure with the look that is said of it: behind it in its clause, else before it in its part."""
        position = 0
        for index, (start, end, numbers) in enumerate(structures):
            while position < len(looks) and looks[position][0] < end:
                position += 1
            following = structures[index + 1][0] if index + 1 < len(structures) else len(breaks)
            for number in numbers:
                look = _look_of(number, start, end, following, position, looks, breaks, joints)
                if look is None:
                    continue
                first, last, said = look
                rule = f"{said.assertion} look: {said.phrase}"
                yield Hit(self._measured[number], min(start, first), max(end, last), first, said.assertion, rule)


def _look_of(
    number: int,
    start: int,
    end: int,
    following: int,
    position: int,
    looks: list[tuple[int, int, tuple[_Look, ...]]],
    breaks: Sequence[int],
    joints: Sequence[int],
) -> tuple[int, int, _Look] | None:
    before = position - 1
    if before >= 0 and looks[before][1] <= start and joints[looks[before][0]] == joints[start]:
        behind = looks[position] if position < len(looks) else None
        near = behind is not None and joints[behind[0]] == joints[start] and behind[0] < following
        for said in looks[before][2]:
            if said.measure == number and not near:
                return looks[before][0], looks[before][1], said
    for first, last, options in looks[position : position + 2]:
        if breaks[first] != breaks[start]:
            return None
        for said in options:
            if said.measure == number:
                return first, last, said
    return None


_Names = tuple[tuple[str, bool], ...]
"""Findings that a phrase names, each with whether it only hints at it."""


def _named(start: int, end: int, names: _Names) -> Iterable[Hit]:
    for name, hint in names:
        yield Hit(name, start, end, start, "uncertain" if hint else None, "hint" if hint else "named")


def _terms(layers: Layers) -> PhraseTree[_Names]:
    tree: PhraseTree[_Names] = PhraseTree()
    for layer in layers:
        names: dict[str, dict[str, bool]] = {}
        for finding in layer.findings:
            for spelling in _each(finding.terms):
                names.setdefault(spelling, {})[finding.name] = False
            for spelling in _each(finding.hints):
                names.setdefault(spelling, {}).setdefault(finding.name, True)
        for finding in layer.findings:
            for spelling in _each(finding.exclude):
                tree.add(spelling, ())
        for spelling, found in names.items():
            tree.add(spelling, tuple(found.items()))
    return tree


def _add_looks(looks: dict[str, list[_Look]], number: int, measure: Measure) -> None:
    sides: tuple[tuple[Assertion, tuple[str, ...]], ...] = (("present", measure.present), ("absent", measure.absent))
    for assertion, phrases in sides:
        for spelling in _each(phrases):
            looks.setdefault(spelling, []).append(_Look(number, assertion, spelling))


def _each(phrases: Iterable[str]) -> Iterable[str]:
    for phrase in phrases:
        for spelling in spellings(phrase):
            yield spelling.lower()
