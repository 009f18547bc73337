"""One sentence's words in, its findings with their assertions out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.assertion import Verdict, decide
from medcutmix_pipeline.stages.sentences.clauses import ClauseReader, Structure
from medcutmix_pipeline.stages.sentences.findings import FindingMatcher, Hit
from medcutmix_pipeline.stages.sentences.lexicon import Measure, part_of
from medcutmix_pipeline.stages.sentences.measures import MeasureMatcher
from medcutmix_pipeline.stages.sentences.phrases import each_spelling, split_phrase

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

CACHED_SENTENCES = 1 << 16
CACHED_WORDS = 120
"""Sentences of more words are read anew each time, so that the cache stays small."""

Words = tuple[str, ...]
Hits = tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Denial:
    """A finding that a normal statement rules out, but for sentences with one of the phrases `unless`."""

    finding: str
    unless: frozenset[Words] = frozenset()

    def forbids(self, words: Words) -> bool:
        """Whether a sentence of these words, which asserts the finding, would contradict."""
        return not any(
            words[i : i + len(phrase)] == phrase for phrase in self.unless for i in range(len(words) - len(phrase) + 1)
        )


class SentenceEngine:
    """Reads sentences given as words. Pure: the same words give the same answer; reports repeat many sentences."""

    def __init__(self, layers: Layers, cached: int = CACHED_SENTENCES) -> None:
        self._clauses = ClauseReader(layers)
        self._findings = FindingMatcher(layers)
        self._wider = part_of(layers)
        clears = [clear for layer in layers for clear in layer.clears]
        self._denials = [Denial(c.denies, frozenset(map(split_phrase, each_spelling(c.unless)))) for c in clears]
        self._clears = MeasureMatcher((str(i), Measure(of=c.of, absent=c.looks)) for i, c in enumerate(clears))
        self._structure_of = lru_cache(maxsize=256)(self._clauses.read)
        self._find_cached = lru_cache(maxsize=cached)(self._find)
        self._decide_cached = lru_cache(maxsize=cached)(self._decide)

    def forget(self) -> None:
        """Empty the memory of sentences."""
        for memory in (self._structure_of, self._find_cached, self._decide_cached):
            memory.cache_clear()

    def denied(self, words: Words) -> set[Denial]:
        """What a normal statement rules out, without a mention: "the lungs are clear"."""
        found = self._clears.find(words, lambda: self._structure(words))
        return {self._denials[int(measured.finding)] for measured in found}

    def find(self, words: Words) -> Hits:
        """The findings that the words name."""
        return self._find_cached(words) if len(words) <= CACHED_WORDS else self._find(words)

    def decide(self, words: Words, hits: Hits) -> tuple[Verdict, ...]:
        """One verdict for each hit."""
        if not hits:
            return ()
        return self._decide_cached(words, hits) if len(words) <= CACHED_WORDS else self._decide(words, hits)

    def _structure(self, words: Words) -> Structure:
        return self._structure_of(words) if len(words) <= CACHED_WORDS else self._clauses.read(words)

    def _find(self, words: Words) -> Hits:
        if not self._findings.names_any(words):
            return ()
        return tuple(self._findings.find(words, lambda: self._structure(words)))

    def _decide(self, words: Words, hits: Hits) -> tuple[Verdict, ...]:
        return tuple(decide(self._structure(words), hits, self._wider))


@lru_cache(maxsize=4)
def shared_engine(layers: Layers) -> SentenceEngine:
    """One engine for all components and readers of this process that use the same lexicon."""
    return SentenceEngine(layers)
