"""The sections of a report, by their headers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.boundaries import split_sentences
from medcutmix_pipeline.stages.sentences.headers import Header, HeaderFinder
from medcutmix_pipeline.stages.sentences.section_names import (
    LONGEST_HEADER,
    MARKS,
    SPOKEN,
    Kind,
    SectionNames,
    plain_name,
)

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

REMEMBERED_LENGTH = 4000
RECENT = 512
"""Texts whose sections are remembered: cleaning finds them in what it returns, and reading asks for them again."""


@dataclass(frozen=True, slots=True)
class SectionSpan:
    """A section: its header stands in `[header, start)`, its body in `[start, end)`."""

    kind: Kind
    header: int
    start: int
    end: int


class SectionFinder:
    """Cuts a text at its headers."""

    def __init__(self, layers: Layers) -> None:
        self._names = SectionNames(layers)
        self._headers = HeaderFinder(self._names)
        self._recent = lru_cache(maxsize=RECENT)(self._find)

    def find(self, text: str) -> tuple[SectionSpan, ...]:
        """All sections in order; they cover the text. Time linear in the text."""
        return self._recent(text) if len(text) <= REMEMBERED_LENGTH else self._find(text)

    def forget(self) -> None:
        """Empty the memory of recent texts."""
        self._recent.cache_clear()

    def _find(self, text: str) -> tuple[SectionSpan, ...]:
        headers = self._headers.find(text)
        spans: list[SectionSpan] = []
        if not headers or headers[0].start > 0:
            spans.append(SectionSpan("report", 0, 0, headers[0].start if headers else len(text)))
        spoken: SectionSpan | None = None
        headed = any(header.kind in (*SPOKEN, "views") for header in headers)
        for number, header in enumerate(headers):
            kind, at = header.kind, header.start
            if kind == "views":
                kind = "findings"
                if spans and spans[-1].kind in SPOKEN and not text[spans[-1].start : at].strip():
                    kind, at = spans[-1].kind, spans.pop().header
            end = headers[number + 1].start if number + 1 < len(headers) else len(text)
            covered = end
            if kind == "leave_out" and spoken and spans[-1].kind in SPOKEN:
                covered = self._covered(text, spoken, header, end)
            elif kind == "leave_out" and (not headed or self._says(text, spans)):
                covered = self._remark(text, header, end)
            span = SectionSpan(kind, at, min(header.end, covered), covered)
            if covered == header.start:
                span = replace(spans.pop(), end=end)
            elif kind != "leave_out":
                spoken = span
            spans.append(span)
            if header.start < covered < end:
                spans.append(SectionSpan(spoken.kind if spoken else "report", covered, covered, end))
        return tuple(spans)

    def _covered(self, text: str, around: SectionSpan, header: Header, end: int) -> int:
        """How far a header that is left out reaches; its own start where it is no header but part of what is said.

        Amid findings, "Technique: rotated." is a remark of one sentence, and "Age: indeterminate." one on a finding.
        """
        sentences = split_sentences(text, header.end, end)
        below = text[max(around.start, header.start - 2 * LONGEST_HEADER) : header.start]
        opens_line = "\n" in below and not below[below.rindex("\n") :].strip(MARKS + "\n")
        if not sentences or (opens_line and not _inside(text, around, below)):
            return end
        first, last = sentences[0]
        line = text.find("\n", first, end) if opens_line else -1
        if line >= 0 and not text[line:end].lstrip()[:1].islower():
            last = line
        name = text[header.start : header.end].rstrip(":" + MARKS)
        shouted = name.isupper()
        if shouted and any(map(str.islower, below + text[first:last])):
            return end
        if ":" in text[first:last]:  # "Exam: chest Date: 3/4 History: cough": another report's head
            return end
        detail = name.lower() in self._names.details
        if detail and (text[first].islower() or (shouted and text[first].isalpha())):
            return header.start
        if name.lower() in self._names.asides:
            return last
        return last if (detail or text[first].islower()) and not shouted else end

    def _says(self, text: str, spans: list[SectionSpan]) -> bool:
        """Whether a report stands under no header right before, and says more than which views there are."""
        if not spans or spans[-1].kind != "report":
            return False
        said = split_sentences(text, spans[-1].start, spans[-1].end)
        return any(not self._names.names_views(plain_name(text[start:end])) for start, end in said)

    def _remark(self, text: str, header: Header, end: int) -> int:
        """How far a remark on the examination reaches in a line that goes on with what is seen."""
        line = text.rfind("\n", 0, header.start) + 1
        opens_line = line > 0 and not text[line : header.start].strip(MARKS)
        sentences = split_sentences(text, header.end, end)
        name = text[header.start : header.end].rstrip(":" + MARKS).lower()
        return sentences[0][1] if sentences and name in self._names.asides and not opens_line else end


def _inside(text: str, around: SectionSpan, above: str) -> bool:
    """Whether a header on a line of its own is a label inside the section: not in capitals as that one, nor set apart.

    `above`: what stands above it in the section.
    """
    said = above.rstrip(MARKS + "\n")
    apart = bool(said.strip()) and above.count("\n", len(said)) > 1
    return not apart and text[around.header : around.start].isupper()


@lru_cache(maxsize=4)
def shared_finder(layers: Layers) -> SectionFinder:
    """One finder for all of this process that uses the same lexicon."""
    return SectionFinder(layers)
