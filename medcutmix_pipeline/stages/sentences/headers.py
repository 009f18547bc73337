"""The headers of a report, as reports write them: with a colon or a dash, or alone on a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.section_names import LONGEST_HEADER, MARKS, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.stages.sentences.section_names import Kind, SectionNames

_SENTENCE_STARTS = ("\n", ". ", "? ", "! ", "; ")
_WORD = re.compile(r"\S+")
_SPACE = re.compile(r"\s+")
_CAPITALS = re.compile(r"[A-Z][A-Z/&()# ]*$")
_DASHED = re.compile(r"(?:^[ \t*#]*|(?<=[.?!;] ))([A-Za-z][A-Za-z/&() ]{1,60}?(?:#\d{1,2})?) ?[-–—](?=\s)", re.M)
_BARE = re.compile(r"[ \t*#]*([A-Z][A-Z/&]+(?:[ ][A-Z/&]{2,}){0,5})(?=[ \t]+[^\s\-–—:])")
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
    """Finds headers, whatever sets them off."""

    def __init__(self, names: SectionNames) -> None:
        self._names = names
        self._longest = names.longest + 2 * len(MARKS)

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
            known = self._names.known.get(text[line:colon].lower())
            if known is not None:
                return line, known
        begin = low
        for mark in _SENTENCE_STARTS:
            at = text.rfind(mark, low, colon)
            if at >= 0:
                begin = max(begin, at + len(mark))
        name = text[begin:colon].lstrip()
        if (begin > low or low == floor) and (kind := self._names.kind_of(name)):
            return colon - len(name), kind
        if text[colon - 1 : colon].isupper():
            capitals = _CAPITALS.search(text, begin, colon)
            return self._suffix(text, capitals.start(), colon) if capitals else None
        return self._suffix(text, begin, colon)

    def _suffix(self, text: str, start: int, colon: int) -> tuple[int, Kind] | None:
        """The longest known name that ends at the colon and begins with a capital: "cough Findings:"."""
        for word in _WORD.finditer(text, start, colon):
            if word.group()[0].isupper():
                kind = self._names.known.get(_SPACE.sub(" ", text[word.start() : colon]).strip().lower())
                if kind is not None:
                    return word.start(), kind
        return None

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
        plain = plain_name(line)
        kind = self._names.known.get(plain)
        if kind is None and line.lstrip(MARKS)[:1].isupper():
            kind = self._names.named(plain)
        return kind or ("report" if capitals and self._names.names_views(plain) else None)

    def _dashed(self, text: str) -> Iterator[Header]:
        """NAME - at the start of a line, or of a sentence and in capitals."""
        for match in _DASHED.finditer(text):
            name = match.group(1)
            begins_line = match.start() == 0 or text[match.start() - 1] == "\n"
            told_apart = name.isupper() or (begins_line and name[0].isupper())
            if told_apart and (kind := self._names.named(plain_name(name))):
                yield Header(match.start(1), match.end(), kind)

    def _bare(self, text: str) -> Iterator[Header]:
        """A name in capitals at the start of a line and set off from what follows by no mark: HISTORY Cough."""
        shouted = text.isupper()
        for match in _at_lines(_BARE, text):
            end = match.end(1)
            while end > match.start(1):
                name = plain_name(text[match.start(1) : end])
                kind = self._names.named(name)
                if kind is not None:
                    if self._is_bare(name, text[end : end + LONGEST_HEADER], shouted):
                        yield Header(match.start(1), end, kind)
                    break
                end = text.rfind(" ", match.start(1), end)

    def _is_bare(self, name: str, behind: str, shouted: bool) -> bool:
        """Whether a name in capitals is a header before the words `behind`; `shouted`: all of the text is capitals."""
        if behind.startswith(("\t", "  ", " \t")):
            return True
        word = behind.split(None, 1)[0]
        if word.isupper() or word.islower():
            return not shouted and name not in self._names.details and word.lower() not in _GOES_ON
        return True


def _at_lines(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches at the beginnings of lines."""
    start = 0
    while True:
        match = pattern.match(text, start)
        if match:
            yield match
        start = text.find("\n", start) + 1
        if not start:
            return


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
