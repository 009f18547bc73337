"""What the components know of a Doc so far: kept in `doc.user_data`, so that each can be used without the others."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from spacy.tokens import Span

from medcutmix_pipeline.stages.sentences.phrases import split_words
from medcutmix_pipeline.stages.sentences.tokens import TEXT

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    from medcutmix_pipeline.stages.sentences.assertion import Verdict
    from medcutmix_pipeline.stages.sentences.findings import Hit
    from medcutmix_pipeline.stages.sentences.sections import SectionSpan

KEY = "medcutmix"
CACHED_TOKENS = 1 << 17
CACHED_SENTENCES = 1 << 16
LONG = 200
"""Sentences of so many tokens are not remembered."""

Words = tuple[str, ...]


@dataclass(slots=True)
class Parsed:
    """A sentence between components: characters `[start, end)`, tokens `[first, last)`.

    `places` gives for each word its token, counted from `first`, and its offsets in the token.
    """

    section: str
    start: int
    end: int
    first: int
    last: int
    words: Words = ()
    places: tuple[tuple[int, int, int], ...] = ()
    hits: tuple[Hit, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(slots=True)
class Reading:
    """A Doc's text, the offsets of its tokens, and what has been found in it."""

    text: str
    orths: list[int]
    offsets: list[int]
    sections: tuple[SectionSpan, ...] = ()
    sentences: list[Parsed] | None = None
    verdicts: dict[tuple[int, int, int], Verdict] = field(default_factory=dict)

    def parsed(self, section: str, start: int, end: int) -> Parsed:
        """The sentence at these characters; tokens that reach over its ends belong to it too."""
        first = max(0, bisect_right(self.offsets, start) - 1)
        return Parsed(section, start, end, first, bisect_left(self.offsets, end))

    def sticks_out(self, sentence: Parsed) -> bool:
        """Whether a token reaches over an end of the sentence ("shadow]).No")."""
        if sentence.last <= sentence.first:
            return False
        last = sentence.last - 1
        end = self.offsets[last + 1] if last + 1 < len(self.offsets) else len(self.text)
        return self.offsets[sentence.first] < sentence.start or (
            end > sentence.end and bool(self.text[sentence.end : end].strip())
        )

    def characters(self, sentence: Parsed, hit: Hit) -> tuple[int, int]:
        """Start and end of a hit in the text."""
        token, start, _ = sentence.places[hit.start]
        last, _, end = sentence.places[hit.end - 1]
        return self.offsets[sentence.first + token] + start, self.offsets[sentence.first + last] + end

    def span(self, doc: Doc, sentence: Parsed, hit: Hit) -> Span:
        """The tokens that a hit is in."""
        first, last = sentence.places[hit.start][0], sentence.places[hit.end - 1][0]
        return Span(doc, sentence.first + first, sentence.first + last + 1, label=hit.finding)


def reading_of(doc: Doc) -> Reading:
    """What is known of the Doc; made on first use."""
    known = doc.user_data.get(KEY)
    if isinstance(known, Reading):
        return known
    columns = doc.to_array(["ORTH", "LENGTH", "SPACY"])
    offsets: list[int] = [0, *(columns[:, 1] + columns[:, 2]).cumsum().tolist()]
    offsets.pop()
    text = doc.user_data.get(TEXT)
    reading = Reading(doc.text if text is None else text, columns[:, 0].tolist(), offsets)
    doc.user_data[KEY] = reading
    return reading


class WordReader:
    """The words of sentences, lower case and without hyphens. One for each vocabulary."""

    def __init__(self, vocab: Vocab) -> None:
        self._strings = vocab.strings
        self._pieces = lru_cache(maxsize=CACHED_TOKENS)(self._split)
        self._known = lru_cache(maxsize=CACHED_SENTENCES)(self._words)

    def fill(self, reading: Reading, sentence: Parsed) -> None:
        """Set the sentence's words and places."""
        orths = tuple(reading.orths[sentence.first : sentence.last])
        sentence.words, sentence.places = self._known(orths) if len(orths) < LONG else self._words(orths)
        if reading.sticks_out(sentence):
            offsets = reading.offsets[sentence.first : sentence.last]
            inside = [
                i
                for i, (token, start, end) in enumerate(sentence.places)
                if sentence.start <= offsets[token] + start and offsets[token] + end <= sentence.end
            ]
            sentence.words = tuple(sentence.words[i] for i in inside)
            sentence.places = tuple(sentence.places[i] for i in inside)

    def forget(self) -> None:
        """Empty the memory of sentences."""
        self._known.cache_clear()

    def _split(self, orth: int) -> tuple[tuple[str, int, int], ...]:
        return split_words(self._strings[orth])

    def _words(self, orths: tuple[int, ...]) -> tuple[Words, tuple[tuple[int, int, int], ...]]:
        words: list[str] = []
        places: list[tuple[int, int, int]] = []
        for token, orth in enumerate(orths):
            for word, start, end in self._pieces(orth):
                words.append(word)
                places.append((token, start, end))
        return tuple(words), tuple(places)
