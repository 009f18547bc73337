"""Where a sentence names a finding: by a term of the lexicon, or by what a structure looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.measures import MeasureMatcher
from medcutmix_pipeline.stages.sentences.phrases import PhraseTree, each_spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.clauses import Structure
    from medcutmix_pipeline.stages.sentences.lexicon import Layers


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding named by words `start` to `end`.

    `anchor` is the word before which a denial would stand: the look of a measure, else `start`. `look` is what the
    words themselves assert: of a measure present or absent, of a hint uncertain, of a plain term nothing.
    """

    finding: str
    start: int
    end: int
    anchor: int
    look: Assertion | None = None
    rule: str = "named"


_Names = tuple[tuple[str, bool], ...]
"""Findings that a phrase names, each with whether it only hints at it."""


class FindingMatcher:
    """Finds the lexicon's findings in the words of a sentence."""

    def __init__(self, layers: Layers) -> None:
        self._terms = _terms(layers)
        self._measures = MeasureMatcher((f.name, m) for layer in layers for f in layer.findings for m in f.measures)
        self._openers = self._terms.openers() | self._measures.openers()

    def names_any(self, words: Sequence[str]) -> bool:
        """Whether any word could begin a finding or a structure; cheap, and most often the last question to ask."""
        return not self._openers.isdisjoint(words)

    def find(self, words: Sequence[str], clauses: Callable[[], Structure]) -> list[Hit]:
        """All hits in reading order; a term counts before a measure on the same words.

        `clauses` gives those of the words; it is asked only where a measure may be told.
        """
        hits = [hit for start, end, names in self._terms.find(words) for hit in _named(start, end, names)]
        taken = {(hit.finding, i) for hit in hits for i in range(hit.start, hit.end)}
        for found in self._measures.find(words, clauses):
            if not any((found.finding, i) in taken for i in range(found.start, found.end)):
                rule = f"{found.look.assertion} look: {found.look.phrase}"
                hits.append(Hit(found.finding, found.start, found.end, found.anchor, found.look.assertion, rule))
        return sorted(hits, key=_in_reading_order)


def _in_reading_order(hit: Hit) -> tuple[int, int, str]:
    return hit.start, hit.end, hit.finding


def _named(start: int, end: int, names: _Names) -> Iterable[Hit]:
    for name, hint in names:
        yield Hit(name, start, end, start, "uncertain" if hint else None, "hint" if hint else "named")


def _terms(layers: Layers) -> PhraseTree[_Names]:
    tree: PhraseTree[_Names] = PhraseTree()
    for layer in layers:
        names: dict[str, dict[str, bool]] = {}
        for finding in layer.findings:
            for spelling in each_spelling(finding.terms):
                names.setdefault(spelling, {})[finding.name] = False
            for spelling in each_spelling(finding.hints):
                names.setdefault(spelling, {}).setdefault(finding.name, True)
        for finding in layer.findings:
            for spelling in each_spelling(finding.exclude):
                tree.add(spelling, ())
        for spelling, found in names.items():
            tree.add(spelling, tuple(found.items()))
    return tree
