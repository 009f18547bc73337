"""From a report as a hospital stores it to the text that may be mixed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.sentences.boundaries import marker_end, split_sentences, without_points
from medcutmix_pipeline.stages.sentences.dates import without_dates
from medcutmix_pipeline.stages.sentences.identifiers import without_identifiers
from medcutmix_pipeline.stages.sentences.labels import label_end
from medcutmix_pipeline.stages.sentences.notes import NoteFilter
from medcutmix_pipeline.stages.sentences.sections import SectionSpan, shared_finder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medcutmix_pipeline.stages.sentences.lexicon import Layers

HEADERS = {"findings": "FINDINGS: ", "impression": "IMPRESSION: "}
_AS = {"fallback": "findings"}
LONGEST_WORD = 200
PASSES = 4
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_ASCII = _CONTROL.sub(" ", "".join(map(chr, range(128))).replace("\r", "\n"))
"""What `translate` makes of each ASCII character."""
_GRADE = re.compile(r"\bSUMMARY: ?\d ?-[^\n]*")  # of CheXpert Plus: the urgency, in a few fixed phrases
_SLOT = re.compile(r"\[\*\*[^\[\]]{0,300}\*\*\]")  # what stands in one may still tell of the patient
_LONG = re.compile(rf"\S{{{LONGEST_WORD},}}")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_MARKER = re.compile(r"\(?\d{1,2}[.)]\s|[-*•·]\s")
_BULLET = re.compile(r"^[-*•·]\s+")
# "1.Small effusion." as it is typed: without the space the item would not be found to have a number.
_GLUED_FIRST = re.compile(r"1\.[A-Z]")  # cheap to look for
_GLUED_MARKER = re.compile(r"(?:^|(?<=[.!?] ))\d{1,2}\.(?=[A-Z][a-z])")
_NAMELESS = re.compile(r"(?:\b[Xx]{3,}\b|_+|[^\w]|\d|\b[aApP]\.?[mM]\b)+")
_LINE_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|table|h[1-6])\b[^<>]{0,80}>", re.I)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>")
_ENDS = (".", "!", "?", ":", ";", ",")
NARROW = 50
"""Lines of reports that are wrapped are longer than this; shorter ones are broken on purpose."""


class ReportCleaner:
    """Keeps findings and impression (or what stands for them), one paragraph each, whole sentences only."""

    def __init__(self, layers: Layers) -> None:
        self._sections = shared_finder(layers)
        self._notes = NoteFilter(layers)

    def clean(self, raw: str) -> str:
        """The cleaned text; "" where nothing is left. Cleaning it again changes nothing.

        Sections other than findings and impression fall away, wrapped lines are joined, list items and lines that are
        broken on purpose become sentences, dates, names and notes are taken out.
        """
        text, settled = _without_control(raw), set[str]()
        for _ in range(PASSES):
            cleaned = self._once(text, settled)
            if cleaned == text:
                break
            text = cleaned
        return text

    def forget(self) -> None:
        """Empty the memory of recent texts."""
        self._sections.forget()

    def _once(self, text: str, settled: set[str]) -> str:
        """One pass. `settled`: bodies known to be tidy."""
        if "SUMMARY:" in text:
            text = _GRADE.sub("", text)
        if "[**" in text:
            text = _SLOT.sub("___", text)
        if "<" in text:
            text = _TAG.sub("", _LINE_TAG.sub("\n", text))
        if _may_have_long_word(text):
            text = _LONG.sub(" ", text)
        parts: list[str] = []
        last = ""
        for kind, body in self._kept(text):
            body = body.strip()
            tidy = body if body in settled else self._tidy(body, text)
            if tidy == body:
                settled.add(tidy)
            if not tidy:
                continue
            if kind == last and parts:
                parts[-1] = f"{parts[-1]} {tidy}"
            else:
                parts.append(HEADERS.get(kind, "") + tidy)
            last = kind
        return "\n\n".join(parts)

    def _kept(self, text: str) -> list[tuple[str, str]]:
        """The sections to keep as (kind, body)."""
        spans = self._sections.find(text)
        kinds = {span.kind for span in spans if text[span.start : span.end].strip()}
        if "findings" not in kinds:
            spans = tuple(part for span in spans for part in _promoted(text, span))
            kinds = {span.kind for span in spans if text[span.start : span.end].strip()}
        wanted = {"findings", "impression"}
        if "findings" not in kinds:
            wanted.add("report" if "report" in kinds or _final(spans) else "fallback")
        if not kinds & wanted:
            wanted = {"fallback"}
        return [(_AS.get(span.kind, span.kind), text[span.start : span.end]) for span in spans if span.kind in wanted]

    def _tidy(self, body: str, text: str) -> str:
        """One paragraph of whole sentences, without notes, dates, identifiers and empty items, of a body in `text`."""
        if "\n" in body:
            body = reflow(body, max(map(len, text.split("\n"))))
        body = without_identifiers(without_dates(" ".join(body.split())))
        if _GLUED_FIRST.search(body):
            body = _GLUED_MARKER.sub(r"\g<0> ", body)
        notes = self._notes.any_note(body)
        kept: list[str] = []
        for start, end in split_sentences(body):
            sentence = body[start:end]
            if notes and self._notes.any_note(sentence):
                sentence = self._notes.without_note(sentence)
            if not sentence or _nameless(body, start, end):
                continue
            sentence = without_points(sentence)
            if ":" in sentence:
                sentence = _opened_behind_label(sentence)
            if sentence.endswith((" .", "..")):
                sentence = sentence.rstrip(" .") + "."
            ended = sentence.endswith(_ENDS[:3]) or sentence[-1] in ")\"'”’]"
            kept.append(sentence if ended else sentence.rstrip(" ,;-(") + ".")
        return " ".join(kept)


def _without_control(raw: str) -> str:
    """The text with a space for each control character, and with plain ends of lines."""
    if "\r" in raw:
        raw = raw.replace("\r\n", "\n")
    if raw.isascii():  # by far the more common case, and translate() by far the faster way
        return raw.translate(_ASCII)
    return _CONTROL.sub(" ", raw.replace("\r", "\n"))


def _may_have_long_word(text: str) -> bool:
    """Whether anything of `LONGEST_WORD` characters could be one word: it would fill half as many without a space."""
    half = LONGEST_WORD // 2
    return any(" " not in text[start : start + half] for start in range(0, len(text) - half + 1, half))


def _final(spans: Iterable[SectionSpan]) -> bool:
    """Whether a header such as FINAL REPORT says that what stands before it is preliminary."""
    return any(span.kind == "report" and span.start > span.header for span in spans)


def _opened_behind_label(sentence: str) -> str:
    """The sentence with a capital behind its label, as where it stands without one: "Lungs: Small effusion."."""
    start = marker_end(sentence, 0, len(sentence))
    behind = label_end(sentence, start, len(sentence))
    return sentence if behind == start else sentence[:behind] + sentence[behind].upper() + sentence[behind + 1 :]


def _nameless(body: str, start: int, end: int) -> bool:
    """Whether the sentence says nothing but place-holders and numbers."""
    if body[start].isalpha() and body[start] not in "XxAaPp":
        return False
    return _NAMELESS.fullmatch(body, marker_end(body, start, end), end) is not None


def reflow(body: str, width: int) -> str:
    """Lines joined where they were wrapped at `width`; others closed as sentences of their own."""
    done: list[str] = []
    for paragraph in _BLANK_LINE.split(body):
        current = ""
        for line in filter(None, map(str.strip, paragraph.split("\n"))):
            if current and _breaks(current, line, width):
                done.append(_closed(current))
                current = ""
            current = f"{current} {_BULLET.sub('', line)}".strip()
        if current:
            done.append(_closed(current))
    return " ".join(done)


def _breaks(current: str, line: str, width: int) -> bool:
    """Whether the line break between the two was meant."""
    if _MARKER.match(line):
        return True
    if current.endswith(_ENDS) or not (line[0].isupper() or line[0].isdigit()):
        return False
    return width < NARROW or len(current) + 1 + len(line.split(None, 1)[0]) <= width - 2


def _closed(text: str) -> str:
    return text if text.endswith(_ENDS) else f"{text}."


def _promoted(text: str, span: SectionSpan) -> list[SectionSpan]:
    """A section that is left out, and the paragraphs behind its first: those are the report's text under no header."""
    if span.kind != "leave_out":
        return [span]
    body = text[span.start : span.end]
    first = len(body) - len(body.lstrip())
    gap = _BLANK_LINE.search(body, first)
    if gap is None:
        return [span]
    cut = span.start + gap.end()
    return [SectionSpan("leave_out", span.header, span.start, cut), SectionSpan("report", cut, cut, span.end)]
