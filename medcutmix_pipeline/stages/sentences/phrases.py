"""Phrases as people write them in a lexicon, and the tree that finds them in a sentence in one pass."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")

MAX_SPELLINGS = 4096
MAX_FILLERS = 4
_PART = re.compile(r"\[([^\[\]]*)\](\?)?|([^\s\[\]]+)")
_SUFFIX = re.compile(r"\(([a-z]+)\)$")
_WORD = re.compile(r"_+|[^\W_]+|[^\w\s]")
_NONE: frozenset[str] = frozenset()
_NOT = {"n't", "n’t", "n‘t"}


class PhraseError(ValueError):
    """A phrase that does not follow the notation; the message says why."""


def split_words(text: str) -> tuple[tuple[str, int, int], ...]:
    """The words of a token or a phrase as (lower case, start, end).

    Hyphens inside a token fall away, so that "air-space" reads like "air space"; a slash stays, as a word of its own.
    """
    if text.lower() in _NOT:
        return (("not", 0, len(text)),)
    if text.lower() == "cannot":
        return (("can", 0, 3), ("not", 3, 6))
    found = [(m.group().lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    if len(found) > 1:
        found = [w for w in found if w[0] not in "-–'’"]
    return tuple(found)


def _choices(part: re.Match[str]) -> list[str]:
    inside, optional, word = part.groups()
    if word is not None:
        suffix = _SUFFIX.search(word)
        return [word[: suffix.start()], word[: suffix.start()] + suffix.group(1)] if suffix else [word]
    options = [option.strip() for option in inside.split("|")]
    if not all(options):
        raise PhraseError("an empty choice inside [ ]")
    expanded = [spelling for option in options for spelling in spellings(option)]
    return [*expanded, ""] if optional else expanded


def spellings(phrase: str) -> list[str]:
    """All spellings of a phrase: `[a|b]` is one of, `[a|b]?` may be left out, `word(s)` is with or without the suffix.

    Raises PhraseError for unbalanced brackets, an empty phrase or more than `MAX_SPELLINGS` spellings.
    """
    outside = _PART.sub("", phrase)
    if "[" in outside or "]" in outside:
        raise PhraseError("square brackets that do not match (they cannot be nested)")
    parts = [_choices(part) for part in _PART.finditer(phrase)]
    count = 1
    for part in parts:
        count *= len(part)
    if count > MAX_SPELLINGS:
        raise PhraseError(f"more than {MAX_SPELLINGS} spellings; split it into several phrases")
    written = [" ".join(word for word in choice if word) for choice in product(*parts)]
    if not written or not all(written):
        raise PhraseError("a phrase needs at least one word that cannot be left out")
    return list(dict.fromkeys(written))


class _Node(Generic[T]):
    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.value: T | None = None


class PhraseTree(Generic[T]):
    """A prefix tree over words. `find` takes the longest phrase at each place, from left to right, without overlap."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, phrase: str, value: T) -> None:
        """Add all spellings of `phrase`; a spelling that is there already keeps the value it had."""
        for spelling in spellings(phrase):
            node = self._root
            for word, _, _ in split_words_of(spelling):
                node = node.children.setdefault(word, _Node())
            if node.value is None:
                node.value = value

    def get(self, phrase: str) -> T | None:
        """The value stored for exactly this phrase."""
        node: _Node[T] | None = self._root
        for word, _, _ in split_words_of(phrase):
            node = node.children.get(word) if node is not None else None
        return node.value if node is not None else None

    def openers(self) -> frozenset[str]:
        """The words with which phrases begin."""
        return frozenset(self._root.children)

    def find(self, words: Sequence[str], fillers: frozenset[str] = _NONE) -> list[tuple[int, int, T]]:
        """All phrases in `words` as (first word, one past the last, value); time linear in the words.

        Words of `fillers` may stand inside a phrase: "cannot be excluded" is found in "cannot be entirely excluded".
        """
        openers = self._root.children
        if openers.keys().isdisjoint(words):
            return []
        found: list[tuple[int, int, T]] = []
        end, last = 0, len(words) - 1
        for start in [i for i, word in enumerate(words) if word in openers]:
            if start < end:
                continue
            node = openers[words[start]]
            if node.value is None:  # most often the next word already says that no phrase begins here
                following = words[start + 1] if start < last else ""
                if following not in node.children and following not in fillers:
                    continue
            best = self._longest(words, start, fillers)
            if best is not None:
                found.append(best)
                end = best[1]
        return found

    def opens(self, words: Sequence[str]) -> bool:
        """Whether a phrase stands at the very beginning."""
        return bool(words) and words[0] in self._root.children and self._longest(words, 0, _NONE) is not None

    def _longest(self, words: Sequence[str], start: int, fillers: frozenset[str]) -> tuple[int, int, T] | None:
        best: tuple[int, int, T] | None = None
        count = len(words)
        node, j, skipped = self._root, start, 0
        open_ends: list[tuple[int, _Node[T], int]] = []  # places where a filler could also be read as itself
        while True:
            while j < count:
                word = words[j]
                child = node.children.get(word)
                if skipped < MAX_FILLERS and word in fillers and j > start:
                    if child is None:
                        j, skipped = j + 1, skipped + 1
                        continue
                    open_ends.append((j + 1, node, skipped + 1))
                if child is None:
                    break
                node, j = child, j + 1
                if node.value is not None and (best is None or j > best[1]):
                    best = (start, j, node.value)
            if not open_ends:
                return best
            j, node, skipped = open_ends.pop()


def split_words_of(phrase: str) -> Iterable[tuple[str, int, int]]:
    """The words of a phrase, token by token, as they will be met in a report."""
    for token in phrase.split():
        yield from split_words(token)


def split_phrase(phrase: str) -> tuple[str, ...]:
    """The words of a phrase without their offsets."""
    return tuple(word for word, _, _ in split_words_of(phrase))


def each_spelling(phrases: Iterable[str]) -> Iterator[str]:
    """All spellings of all phrases, in lower case."""
    for phrase in phrases:
        for spelling in spellings(phrase):
            yield spelling.lower()
