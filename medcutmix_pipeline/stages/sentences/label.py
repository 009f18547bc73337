"""Labels of raw reports, and the reasons for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medcutmix_pipeline.schemas.records import Assertion, Labels
    from medcutmix_pipeline.stages.sentences.reader import ReportReader


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a report has a label: the words `mention` in `sentence`, and the rule that decided on them."""

    sentence: str
    mention: str
    finding: str
    assertion: Assertion
    rule: str


def label_texts(texts: Iterable[str], reader: ReportReader) -> Iterator[Labels]:
    """The labels of each raw report, in order; {} for one in which nothing is left to read."""
    for report in reader.read_many(reader.clean(text) for text in texts):
        yield report.labels


def explain(text: str, reader: ReportReader) -> list[Reason]:
    """One reason for each mention of a finding in a raw report, in reading order."""
    report = reader.read(reader.clean(text))
    return [
        Reason(sentence.text, report.text[m.start : m.end], m.disease, m.assertion, m.rule)
        for sentence in report.sentences
        for m in sentence.mentions
    ]
