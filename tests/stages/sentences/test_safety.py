"""Any text is safe: nothing crashes, hangs, or reaches a log."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Report

READER = ReportReader(SentencesConfig())
PIECES = st.sampled_from(
    [
        "FINDINGS:", "IMPRESSION:", "Indication:", "COMPARISON: None.", "CHEST, AP:", "WET READ:", "NARRATIVE:", "1.",
        "2.", "3)", "- ", "\n", "\n\n", "\r\n", "\t", ".", "?", "!", ":", ";", ",", "(", ")", "/", "no ", "not",
        "effusion", "Pneumothorax", "may represent", "versus", "or", "and", "but", "is unchanged", "has resolved",
        "The heart is enlarged", "Dr. Miller", "by telephone", "3/4/2012", "5:30 p.m.", "at", "since", "compared to",
        "vs.", "PTX.No", "no evid.", "on the rt.", "L.", "3 CM.", "Indication -", "HISTORY Cough", "Findings\n",
        "Exam: limited.", "Technique: supine.", "Age:", "IMPRESSION #1:", "5 May", "14-Mar-2013", "5/12",
        "(discussed with Dr. Miller)", ", as noted by Dr. Miller.", "___", "XXXX", "[**2012**]", "<br>",
        "<b", "\x00", "\ud800", "\u202e", "é", "肺", "😀", "a" * 300,
    ]
)  # fmt: skip
REPORTS = st.one_of(
    st.text(max_size=200), st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES, max_size=30).map("".join)
)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_spans(text: str, report: Report) -> None:
    assert report.text == text
    end = 0
    for sentence in report.sentences:
        assert end <= sentence.start < sentence.end <= len(text)
        assert sentence.text == text[sentence.start : sentence.end]
        end = sentence.end
        for mention in sentence.mentions:
            assert sentence.start <= mention.start < mention.end <= sentence.end


@MANY
@given(REPORTS)
def test_any_text_is_read_and_every_span_cuts_out_its_own_text(text: str) -> None:
    check_spans(text, READER.read(text))


@MANY
@given(REPORTS)
def test_any_text_is_cleaned_once_and_for_all(text: str) -> None:
    cleaned = READER.clean(text)
    assert READER.clean(cleaned) == cleaned
    check_spans(cleaned, READER.read(cleaned))


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REPORTS)
def test_ten_thousand_texts_are_safe(text: str) -> None:
    cleaned = READER.clean(text)
    assert READER.clean(cleaned) == cleaned
    check_spans(text, READER.read(text))


@MANY
@given(st.lists(REPORTS, max_size=6))
def test_reading_many_is_reading_each(texts: list[str]) -> None:
    assert READER.read_many(texts) == [READER.read(text) for text in texts]


MONSTERS = [
    "a",
    "a ",
    "no effusion, ",
    "(",
    ". ",
    "1. ",
    "on the rt. ",
    "Exam: limited. ",
    "Technique: a\n",
    "Findings\n",
    "HISTORY Cough\n",
    "5 May ",
    "ribs 1-2-3-",
    "XXXX ",
    ":",
    "A: ",
    "\n",
    "FINDINGS:\n",
    "3/4/2012 ",
    "<a",
    "effusion or ",
    " ",
]


def calls_to_read(text: str) -> int:
    """How many function calls cleaning and reading take: a measure of time that no other process disturbs."""
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        READER.read(text)
        READER.clean(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", MONSTERS, ids=repr)
def test_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    short, long = (unit * (length // len(unit)) for length in (10_000, 100_000))
    assert calls_to_read(long) < 12 * calls_to_read(short) + 2000


def test_megabytes_without_a_full_stop_are_read() -> None:
    text = "there is no effusion and " * 40_000
    report = READER.read(text)
    assert len(report.sentences) == 1
    assert report.labels["Pleural Effusion"] == "absent"


def test_nothing_of_a_report_reaches_a_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG):
        reader = ReportReader(SentencesConfig())
        reader.read_many([reader.clean("FINDINGS: Zebrawood effusion. Dr. Zebrawood was called.")])
    out = capfd.readouterr()
    assert "ebrawood" not in caplog.text + out.out + out.err
