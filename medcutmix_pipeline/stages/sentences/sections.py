"""The sections of a report, by their headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.stages.sentences.lexicon import Layers

Kind = Literal["findings", "impression", "fallback", "leave_out", "report", "views"]
"""`report`: text under no header that says more; `fallback`: kept where there is nothing else."""

LONGEST_HEADER = 80
REMEMBERED_LENGTH = 4000
RECENT = 512
"""Texts whose sections are remembered: cleaning finds them in what it returns, and reading asks for them again."""

SPOKEN = ("findings", "impression")
_FILMS = frozenset(("chest", "cxr", "radiograph", "radiographs", "film"))
_WORDS = re.compile(r"[a-z0-9_]+(?:-[a-z]+)?")
_SENTENCE_STARTS = ("\n", ". ", "? ", "! ", "; ")
_WORD = re.compile(r"\S+")
_SPACE = re.compile(r"\s+")
_CAPITALS = re.compile(r"[A-Z][A-Z/&()# ]*$")


@dataclass(frozen=True, slots=True)
class SectionSpan:
    """A section: its header stands in `[header, start)`, its body in `[start, end)`."""

    kind: Kind
    header: int
    start: int
    end: int


class SectionFinder:
    """Finds headers: known names with a colon or alone on a line, and those that name the views, such as CHEST, AP:."""

    def __init__(self, layers: Layers) -> None:
        self._kinds: dict[str, Kind] = {}
        kinds: tuple[Kind, ...] = ("findings", "impression", "fallback", "leave_out", "report")
        for layer in layers:
            for kind in kinds:
                for name in getattr(layer.sections, kind):
                    self._kinds.setdefault(name.lower(), kind)
        self._recent = lru_cache(maxsize=RECENT)(self._find)
        self._views = frozenset(word.lower() for layer in layers for word in layer.sections.views)

    def find(self, text: str) -> tuple[SectionSpan, ...]:
        """All sections in order; they cover the text. Time linear in the text."""
        return self._recent(text) if len(text) <= REMEMBERED_LENGTH else self._find(text)

    def forget(self) -> None:
        """Empty the memory of recent texts."""
        self._recent.cache_clear()

    def _find(self, text: str) -> tuple[SectionSpan, ...]:
        headers = sorted(self._headers(text))
        spans: list[SectionSpan] = []
        if not headers or headers[0][0] > 0:
            spans.append(SectionSpan("report", 0, 0, headers[0][0] if headers else len(text)))
        for number, (at, body, kind) in enumerate(headers):
            if kind == "views":
                kind = "findings"
                if spans and spans[-1].kind in SPOKEN and not text[spans[-1].start : at].strip():
                    kind, at = spans[-1].kind, spans.pop().header
            end = headers[number + 1][0] if number + 1 < len(headers) else len(text)
            spans.append(SectionSpan(kind, at, min(body, end), end))
        return tuple(spans)

    def _headers(self, text: str) -> Iterator[tuple[int, int, Kind]]:
        colon = text.find(":")
        floor = 0
        while colon >= 0:
            clock = text[colon - 1 : colon].isdigit() and text[colon + 1 : colon + 2].isdigit()
            if clock:
                colon = text.find(":", colon + 1)
                continue
            found = self._before_colon(text, floor, colon)
            if found is not None:
                yield found[0], colon + 1, found[1]
            floor = colon + 1
            colon = text.find(":", floor)
        if "\n" in text:
            yield from self._lines(text)

    def _before_colon(self, text: str, floor: int, colon: int) -> tuple[int, Kind] | None:
        """The header that this colon ends: from the start of a line or sentence, or the capitals just before it."""
        low = max(floor, colon - LONGEST_HEADER)
        line = text.rfind("\n", low, colon) + 1
        if line > low or line == floor:  # by far the most common: a known name alone before its colon
            known = self._kinds.get(text[line:colon].lower())
            if known is not None:
                return line, known
        begin = low
        for mark in _SENTENCE_STARTS:
            at = text.rfind(mark, low, colon)
            if at >= 0:
                begin = max(begin, at + len(mark))
        name = text[begin:colon].lstrip()
        if (begin > low or low == floor) and (kind := self._kind(name)):
            return colon - len(name), kind
        if not text[colon - 1 : colon].isupper():
            return None
        capitals = _CAPITALS.search(text, begin, colon)
        if capitals is None:
            return None
        for word in _WORD.finditer(text, capitals.start(), colon):
            kind = self._kinds.get(_SPACE.sub(" ", text[word.start() : colon]).strip().lower())
            if kind is not None:
                return word.start(), kind
        return None

    def _kind(self, name: str) -> Kind | None:
        """What a header's words say; None where they are no header."""
        kind = self._kinds.get(name.lower())
        if kind is not None:
            return kind
        plain = _SPACE.sub(" ", name).strip(" *#=_-\t").lower()
        if not plain:
            return None
        kind = self._kinds.get(plain)
        if kind is not None:
            return kind
        return "views" if self._names_views(plain) else None

    def _names_views(self, plain: str) -> bool:
        """Whether all words are of views, numbers or place-holders: "chest, ap and lateral, 2 views"."""
        words = _WORDS.findall(plain)
        if _FILMS.isdisjoint(words):
            return False
        return all(word in self._views or word.isdigit() or word[0] == "_" for word in words)

    def _lines(self, text: str) -> Iterator[tuple[int, int, Kind]]:
        """Headers without a colon: a known name or the views, in capitals, alone on a line."""
        start = 0
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            if end - start <= LONGEST_HEADER:
                line = text[start:end]
                if not line.isupper():
                    start = end + 1
                    continue
                name = line.strip(" *#=_-\t\r")
                if ":" not in name and (kind := self._line_kind(_SPACE.sub(" ", name).lower())):
                    yield start + line.index(name), end, kind
            start = end + 1

    def _line_kind(self, plain: str) -> Kind | None:
        return self._kinds.get(plain) or ("report" if self._names_views(plain) else None)


@lru_cache(maxsize=4)
def shared_finder(layers: Layers) -> SectionFinder:
    """One finder for all of this process that uses the same lexicon."""
    return SectionFinder(layers)
