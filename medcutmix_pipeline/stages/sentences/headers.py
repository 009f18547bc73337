"""The headers of a report, as reports write them: with a colon or a dash, or alone on a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.stages.sentences.lexicon import Layers

Kind = Literal["findings", "impression", "fallback", "leave_out", "report", "views"]
"""`report`: text under no header that says more; `fallback`: kept where there is nothing else."""

KINDS: tuple[Kind, ...] = ("findings", "impression", "fallback", "leave_out", "report")
LONGEST_HEADER = 80
SPOKEN = ("findings", "impression")
MARKS = " *#=_-\t\r"
"""What may stand around a header: blanks, and what is typed to make it stand out."""

_FILMS = frozenset(("chest", "cxr", "radiograph", "radiographs", "film", "x-ray", "x-rays"))
_WORDS = re.compile(r"[a-z0-9_]+(?:-[a-z]+)?")
_SENTENCE_STARTS = ("\n", ". ", "? ", "! ", "; ")
_WORD = re.compile(r"\S+")
_SPACE = re.compile(r"\s+")
_CAPITALS = re.compile(r"[A-Z][A-Z/&()# ]*$")
_COUNTED = re.compile(r"(?:\s*+\([^()]*+\)|\s*+#?\s*+\d[\d./-]*+|\.)++$")  # ADDENDUM #1, FINDINGS (CHEST), IMP.
_JOINED = re.compile(r"\s*(?:[/&,+]|\band\b)\s*")
_DASHED = re.compile(r"(?:^[ \t*#]*|(?<=[.?!;] ))([A-Za-z][A-Za-z0-9/&#() ]{1,60}?) ?[-–—](?=\s)", re.M)
_BARE = re.compile(r"^[ \t*#]*([A-Z][A-Z/&]+(?:[ ][A-Z/&]{2,}){0,5})(?=[ \t]+[^\s\-–—:])", re.M)
_GOES_ON = frozenset(
    ("is", "are", "was", "were", "has", "have", "of", "to", "with", "from", "for", "on", "in", "and", "or")
)
"""What follows a noun that is no header, although it stands in capitals: "EXAM is limited"."""

NARROW = 50
"""Lines of reports that are wrapped are longer than this; shorter ones are broken on purpose."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header in `[start, end)`, its mark included."""

    start: int
    end: int
    kind: Kind


class HeaderFinder:
    """Knows names of sections, and names the views: CHEST, AP."""

    def __init__(self, layers: Layers) -> None:
        self._kinds: dict[str, Kind] = {}
        for layer in layers:
            for kind in KINDS:
                for name in getattr(layer.sections, kind):
                    self._kinds.setdefault(name.lower(), kind)
        self._views = frozenset(word.lower() for layer in layers for word in layer.sections.views)
        self._details = frozenset(name.lower() for layer in layers for name in layer.sections.details)
        self._longest = max(map(len, self._kinds), default=0) + 2 * len(MARKS)

    def find(self, text: str) -> list[Header]:
        """All headers in order; none begins inside another. Time linear in the text."""
        found = [*self._before_colons(text), *self._lines(text)]
        if "- " in text or "-\n" in text or "–" in text or "—" in text:
            found += self._dashed(text)
        found += self._bare(text)
        found.sort(key=lambda header: (header.start, -header.end))
        kept: list[Header] = []
        for header in found:
            if not kept or header.start >= kept[-1].end:
                kept.append(header)
        return kept

    def _before_colons(self, text: str) -> Iterator[Header]:
        colon = text.find(":")
        floor = 0
        while colon >= 0:
            clock = text[colon - 1 : colon].isdigit() and text[colon + 1 : colon + 2].isdigit()
            if clock:
                colon = text.find(":", colon + 1)
                continue
            found = self._before_colon(text, floor, colon)
            if found is not None:
                yield Header(found[0], colon + 1, found[1])
            floor = colon + 1
            colon = text.find(":", floor)

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
        if (begin > low or low == floor) and (kind := self.kind_of(name)):
            return colon - len(name), kind
        if text[colon - 1 : colon].isupper():
            capitals = _CAPITALS.search(text, begin, colon)
            return self._suffix(text, capitals.start(), colon) if capitals else None
        return self._suffix(text, begin, colon)

    def _suffix(self, text: str, start: int, colon: int) -> tuple[int, Kind] | None:
        """The longest known name that ends at the colon and begins with a capital: "cough Findings:"."""
        for word in _WORD.finditer(text, start, colon):
            if word.group()[0].isupper():
                kind = self._kinds.get(_SPACE.sub(" ", text[word.start() : colon]).strip().lower())
                if kind is not None:
                    return word.start(), kind
        return None

    def kind_of(self, name: str) -> Kind | None:
        """What a header's words say; None where they are no header."""
        kind = self._kinds.get(name.lower())
        if kind is not None:
            return kind
        plain = _plain(name)
        if not plain:
            return None
        return self._named(plain) or ("views" if self._names_views(plain) else None)

    def _named(self, plain: str) -> Kind | None:
        """The kind of a known name, also with a number or a remark in brackets, or of several: history/indication."""
        kind = self._kinds.get(plain) or self._kinds.get(_COUNTED.sub("", plain))
        if kind is not None or len(plain) > LONGEST_HEADER:
            return kind
        parts = _JOINED.split(plain)
        kinds = [self._kinds.get(part) for part in parts] if len(parts) > 1 else [None]
        if None in kinds:
            return None
        return next((kind for kind in KINDS if kind in kinds), None)

    def _names_views(self, plain: str) -> bool:
        """Whether all words are of views, numbers or place-holders: "chest, ap and lateral, 2 views"."""
        words = _WORDS.findall(plain)
        if _FILMS.isdisjoint(words):
            return False
        return all(word in self._views or word.isdigit() or word[0] == "_" for word in words)

    def _lines(self, text: str) -> Iterator[Header]:
        """Headers alone on a line: a known name, or the views in capitals."""
        if "\n" not in text:
            return
        cased = not text.islower()
        before, start = "", 0
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            line = text[start:end] if end - start <= LONGEST_HEADER else "." * LONGEST_HEADER
            kind = self._line_kind(line)
            if kind and (line.isupper() or _set_apart(text, end, before, line.strip(MARKS), cased)):
                yield Header(start + len(line) - len(line.lstrip(MARKS)), end, kind)
                line = ":"
            before, start = line.rstrip(MARKS), end + 1

    def _line_kind(self, line: str) -> Kind | None:
        capitals = line.isupper()
        if ":" in line or not (capitals or len(line) <= self._longest):
            return None
        plain = _plain(line)
        kind = self._kinds.get(plain) or (self._named(plain) if plain and line.lstrip(MARKS)[0].isupper() else None)
        return kind or ("report" if capitals and self._names_views(plain) else None)

    def _dashed(self, text: str) -> Iterator[Header]:
        """NAME - at the start of a line, or of a sentence and in capitals."""
        for match in _DASHED.finditer(text):
            name = match.group(1)
            begins_line = match.start() == 0 or text[match.start() - 1] == "\n"
            kind = self._named(_plain(name)) if name.isupper() or (begins_line and name[0].isupper()) else None
            if kind is not None:
                yield Header(match.start(1), match.end(), kind)

    def _bare(self, text: str) -> Iterator[Header]:
        """A name in capitals at the start of a line and set off from what follows by no mark: HISTORY Cough."""
        shouted = text.isupper()
        for match in _BARE.finditer(text):
            end = match.end(1)
            while end > match.start(1):
                name = _plain(text[match.start(1) : end])
                kind = self._named(name)
                if kind is not None:
                    if self._is_bare(name, text[end : end + LONGEST_HEADER], shouted):
                        yield Header(match.start(1), end, kind)
                    break
                end = text.rfind(" ", match.start(1), end)

    def _is_bare(self, name: str, behind: str, shouted: bool) -> bool:
        """Whether a name in capitals is a header before the words `behind`; `shouted`: all of the text is capitals."""
        word = behind.split(None, 1)[0]
        if behind.startswith(("\t", "  ")):
            return True
        if word.isupper() or word.islower():
            return not shouted and name not in self._details and word.lower() not in _GOES_ON
        return True


def _plain(name: str) -> str:
    return _SPACE.sub(" ", name).strip(MARKS).lower()


def _set_apart(text: str, end: int, before: str, name: str, cased: bool) -> bool:
    """Whether the lines around a known name show it to be no part of a wrapped sentence.

    `end`: where its line ends; `before`: the line before it; `cased`: whether sentences begin with capitals here.
    """
    behind = text[end + 1 : end + 1 + LONGEST_HEADER].split("\n", 1)[0].strip(MARKS)
    if before in ("", ":"):
        return bool(behind) or name[0].isupper()
    if cased:
        return name[0].isupper() and (len(before) < NARROW or not behind[:1].islower())
    return len(before) < NARROW
