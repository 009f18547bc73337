"""Whether a sentence stands alone: what may be moved from one report into another."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.engine import CACHED_SENTENCES, CACHED_WORDS
from medcutmix_pipeline.stages.sentences.phrases import PhraseTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medcutmix_pipeline.stages.sentences.engine import Hits, Words
    from medcutmix_pipeline.stages.sentences.findings import Hit
    from medcutmix_pipeline.stages.sentences.lexicon import Layers, Phrase

_CLOSERS = ".!?)\"'”’"

_Change = list[tuple[int, int, bool]]
"""Where a sentence speaks of a prior study: first word, one past the last."""


class WordingReader:
    """Judges the wording of single sentences."""

    def __init__(self, layers: Layers) -> None:
        self._back = _tree(phrase for layer in layers for phrase in layer.wording.refers_back)
        self._continues = _tree(phrase for layer in layers for phrase in layer.wording.continues)
        self._verbs = frozenset(word for layer in layers for word in layer.assertion.verbs)
        self._leans = _tree(phrase for layer in layers for phrase in layer.wording.leans)
        self._anywhere = _tree(phrase for layer in layers for phrase in layer.wording.refers_anywhere)
        self._change = _tree(phrase for layer in layers for phrase in layer.wording.change)
        self._filler = _tree(phrase for layer in layers for phrase in layer.wording.filler)
        self._judged = lru_cache(maxsize=CACHED_SENTENCES)(self._judge)

    def forget(self) -> None:
        """Empty the memory of sentences."""
        self._judged.cache_clear()

    def judge(self, text: str, words: Words, hits: Hits, skipped: int = 0) -> tuple[bool, bool]:
        """Whether the sentence may be put into another report, and whether it compares with a prior study.

        `text`: the sentence without a list marker; `words`: its words, of which the first `skipped` are the marker.
        """
        if len(words) > CACHED_WORDS:
            return self._judge(text, words, hits, skipped)
        return self._judged(text, words, hits, skipped)

    def _judge(self, text: str, words: Words, hits: Hits, skipped: int) -> tuple[bool, bool]:
        own = words[skipped:]
        change = self._change.find(own)
        alone = (
            self.whole(text, own) and not self._leans_on(own) and not self._compares_only(own, change, hits, skipped)
        )
        return alone, bool(change)

    def refers_back(self, words: Sequence[str]) -> bool:
        """Whether the sentence speaks on about something named before it: "This is unchanged."."""
        if self._back.opens(words) or self._continues.opens(words):
            return True
        return self._compares_only(words, self._change.find(words), ())

    def _leans_on(self, words: Sequence[str]) -> bool:
        return (
            self._back.opens(words)
            or self._continues.opens(words)
            or self._leans.opens(words)
            or bool(self._anywhere.find(words))
        )

    def _compares_only(self, words: Sequence[str], change: _Change, hits: Sequence[Hit], skipped: int = 0) -> bool:
        """Whether nothing is left of the sentence without its findings, its words of change and filler."""
        if not change:
            return False
        left = set(range(len(words)))
        for start, end, _ in (*change, *self._filler.find(words)):
            left.difference_update(range(start, end))
        for hit in hits:
            left.difference_update(range(hit.start - skipped, hit.end - skipped))
        told = any(words[i].isalnum() for i in left)
        return not told and not _adjective(change, hits, skipped)

    def whole(self, text: str, words: Sequence[str]) -> bool:
        """Whether the sentence is written whole: begun with a capital or digit, closed, its brackets matched."""
        if not words or not (text[0].isupper() or text[0].isdigit()) or len(text) > 600:
            return False
        if text.count("(") != text.count(")") or words[-1] in (",", ":", ";", "and", "or", "with", "of", "the", "-"):
            return False
        closed = text.rstrip(_CLOSERS)
        named = words[0] == "the" and self._verbs.isdisjoint(words)  # "The right lower lobe pneumonia."
        return bool(closed) and not named and not hides_word(words)


def hides_word(words: Sequence[str]) -> bool:
    """Whether de-identification left a place-holder in the sentence."""
    return any(
        word == "xxxx" or word[0] == "_" or (word[0] == "x" and set(word) == {"x"} and len(word) > 2) for word in words
    )


def _adjective(change: _Change, hits: Sequence[Hit], skipped: int) -> bool:
    """Whether the first word of change opens the sentence as an attribute of the finding: "Stable cardiomegaly"."""
    return any(start == 0 and hit.start - skipped == end for start, end, _ in change for hit in hits)


def _tree(phrases: Iterable[Phrase]) -> PhraseTree[bool]:
    tree: PhraseTree[bool] = PhraseTree()
    for phrase in phrases:
        tree.add(phrase.lower(), True)
    return tree
