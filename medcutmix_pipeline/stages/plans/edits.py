"""Cutting sentences out of a report and putting one in, so that what is left is still well written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.schemas.records import Edit
from medcutmix_pipeline.stages.sentences.labels import label_end, label_start

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Report

_MARKER = re.compile(r"(\d{1,2})([.)]\s+)$")


def apply_edits(text: str, edits: tuple[Edit, ...]) -> str:
    """The text with ascending edits that do not overlap."""
    parts, at = [], 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def swap(host: Report, replaced: int, dropped: set[int], text: str) -> tuple[Edit, ...]:
    """The edits that put `text` in the place of sentence `replaced` and cut the sentences `dropped`, by number.

    Numbers of list items and labels ("LUNGS:") stay for what stands behind them.
    """
    first = host.sentences[replaced]
    start = first.start if label_end(text, 0, len(text)) else label_end(host.text, first.start, first.end)
    edits = [Edit(start, first.end, text)]
    sections = _sections(host)
    kept_before: int | None = None
    opening: list[Edit] = []
    for number, section in enumerate(sections):
        kept = [i for i in section if i not in dropped]
        if kept:
            edits += _drops(host, section, dropped, kept[-1]) + _renumbered(host, section, dropped)
            kept_before = kept[-1]
        elif kept_before is not None:
            edits.append(Edit(host.sentences[section[0] - 1].end, host.sentences[section[-1]].end, ""))
        elif number + 1 < len(sections):
            opening = [Edit(0, _header_start(host, section[-1]), "")]
    return tuple(sorted([*opening, *edits], key=lambda edit: edit.start))


def _sections(host: Report) -> list[list[int]]:
    """The numbers of the sentences, section by section."""
    sections: list[list[int]] = []
    for i, sentence in enumerate(host.sentences):
        if sections and host.sentences[i - 1].section == sentence.section:
            sections[-1].append(i)
        else:
            sections.append([i])
    return sections


def _header_start(host: Report, last: int) -> int:
    """Where the section behind sentence `last` begins."""
    at = host.sentences[last].end
    while host.text[at].isspace():
        at += 1
    return at


def _drops(host: Report, section: list[int], dropped: set[int], last_kept: int) -> list[Edit]:
    """Cuts inside a section that keeps something. An item's number stays while a sentence of the item does."""
    edits: list[Edit] = []
    i = section[0]
    while i < last_kept:
        if i not in dropped:
            i += 1
            continue
        behind = i + 1
        while behind in dropped and _marker(host, behind) is None:
            behind += 1
        goes_on = _marker(host, behind) is None
        start = _label_start(host, i) if goes_on else _block_start(host, i)
        end = _block_start(host, behind)
        label = _last_label(host, range(i, behind)) if goes_on and end == host.sentences[behind].start else ""
        edits.append(Edit(start, end, label))
        i = behind
    if last_kept < section[-1]:
        edits.append(Edit(host.sentences[last_kept].end, host.sentences[section[-1]].end, ""))
    return edits


def _renumbered(host: Report, section: list[int], dropped: set[int]) -> list[Edit]:
    """New numbers for the list items behind those that are cut whole."""
    edits: list[Edit] = []
    gone = number = 0
    for position, i in enumerate(section):
        marker = _marker(host, i)
        if marker is None:
            continue
        if int(marker.group(1)) <= number:
            gone = 0
        number = int(marker.group(1))
        item = [i]
        for j in section[position + 1 :]:
            if _marker(host, j) is not None:
                break
            item.append(j)
        if dropped.issuperset(item):
            gone += 1
        elif gone:
            edits.append(Edit(marker.start(1), marker.end(1), str(number - gone)))
    return edits


def _marker(host: Report, i: int) -> re.Match[str] | None:
    """The number that stands before sentence `i`."""
    floor, start = _floor(host, i), _label_start(host, i)
    return _MARKER.search(host.text, max(floor, start - 8), start)


def _block_start(host: Report, i: int) -> int:
    marker = _marker(host, i)
    return marker.start() if marker else _label_start(host, i)


def _label_start(host: Report, i: int) -> int:
    """Where sentence `i` begins with the label that stands before it."""
    return label_start(host.text, _floor(host, i), host.sentences[i].start)


def _last_label(host: Report, cut: range) -> str:
    """The label under which what stands behind the sentences `cut` was written; "" where theirs have none."""
    for i in reversed(cut):
        start, end = _label_start(host, i), label_end(host.text, host.sentences[i].start, host.sentences[i].end)
        if start < end:
            return host.text[start:end]
    return ""


def _floor(host: Report, i: int) -> int:
    """Where the sentence before `i` ends."""
    return host.sentences[i - 1].end if i else 0
