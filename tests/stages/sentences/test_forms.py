"""Every linguistic form of the policy, by name, so that a failing test says which form broke."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from .forms import FORMS

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.stages.sentences import ReportReader


@pytest.mark.parametrize("form", FORMS)
def test_form_is_read_as_the_policy_asks(form: str, reader: ReportReader) -> None:
    wrong = []
    for sentence, finding, expected in FORMS[form]:
        found = reader.read(sentence).labels.get(finding)
        if found != expected:
            wrong.append(f"{sentence!r}: {finding} is {found}, not {expected}")
    assert not wrong, "\n".join([form, *wrong])


def test_development_sentences_are_read_as_the_policy_asks(shared_data: Path, reader: ReportReader) -> None:
    with (shared_data / "language" / "assertion_dev.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    wrong = [
        i for i, row in enumerate(rows) if reader.read(row["sentence"]).labels.get(row["finding"]) != row["assertion"]
    ]
    assert len(rows) > 50
    assert not wrong


@pytest.mark.parametrize("form", FORMS)
def test_form_is_read_alike_after_cleaning(form: str, reader: ReportReader) -> None:
    """Cleaning may tidy a sentence; it must not change what it says."""
    for sentence, finding, expected in FORMS[form]:
        assert reader.read(reader.clean(sentence)).labels.get(finding) == expected, sentence


def test_the_strongest_mention_gives_the_label(reader: ReportReader) -> None:
    report = reader.read("No right effusion. Possible left effusion.")
    assert report.labels["Pleural Effusion"] == "uncertain"
    report = reader.read("Possible right effusion. Small left effusion. No effusion on the lateral view.")
    assert report.labels["Pleural Effusion"] == "present"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lungs are clear. No effusion.", "present"),
        ("Left chest tube without pneumothorax.", "present"),
        ("Possible effusion.", None),
        ("Cardiomegaly.", None),
        ("", None),
    ],
)
def test_no_finding_means_that_nothing_but_devices_is_present_or_uncertain(
    text: str, expected: str | None, reader: ReportReader
) -> None:
    assert reader.read(text).labels.get("No Finding") == expected


def test_a_negation_is_never_lost_in_a_long_list(reader: ReportReader) -> None:
    names = ["pneumothorax", "effusion", "consolidation", "edema", "pneumonia", "atelectasis", "fracture"]
    for count in range(2, len(names) + 1):
        for joint in (" or ", ", or ", " nor ", " and "):
            text = f"There is no {', '.join(names[: count - 1])}{joint}{names[count - 1]}."
            said = {m.assertion for s in reader.read(text).sentences for m in s.mentions}
            assert said == {"absent"}, text
