"""Dates and times go, whatever way they are written; numbers that count or measure stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences import ReportReader

DATES = [
    "3/4/2012", "03/04/12", "4-11-2008", "4-11-08", "2012-03-04", "12.05.2014", "12.05.14", "20140512", "3/2012",
    "March 4, 2012", "March 2012", "Mar. 4th, 2012", "4 March 2012", "14-Mar-2013", "14-Mar-13", "14Mar2013",
    "12-May-2014", "12 May 2014", "4th of May, 2012", "May '12", "May 5th", "March 3", "5 March", "5th of June",
    "SEPT 9",
]  # fmt: skip


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Compared to {}, the effusion is larger.", "Compared to prior, the effusion is larger."),
        ("The effusion is larger since {}.", "The effusion is larger since prior."),
        ("Larger than on {}.", "Larger than on prior."),
        ("Larger than on the radiograph dated {}.", "Larger than on the radiograph."),
        ("The prior film from {} at 5:30 p.m. shows edema.", "The prior film shows edema."),
        ("Edema was there on {}. No effusion.", "Edema was there. No effusion."),
        ("Edema ({}) is new.", "Edema (___) is new."),
        ("There is a nodule that was not seen on {}.", "There is a nodule that was not seen on prior."),
    ],
)
def test_dates_go_with_their_preposition(date: str, said: str, left: str, reader: ReportReader) -> None:
    assert reader.clean(said.format(date)) == left


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Compared to 5/12, the effusion is larger.", "Compared to prior, the effusion is larger."),
        ("Unchanged since 5-12.", "Unchanged since prior."),
        ("Effusion, larger than on 5/12.", "Effusion, larger than on prior."),
        ("Edema is seen on 5/12.", "Edema is seen."),
        ("COMPARED TO 5 MAY THE EFFUSION IS LARGER.", "COMPARED TO prior THE EFFUSION IS LARGER."),
        ("The film at 0530 hours shows edema.", "The film shows edema."),
    ],
)
def test_a_day_without_a_year_goes_where_a_date_is_expected(said: str, left: str, reader: ReportReader) -> None:
    assert reader.clean(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "Fractures of ribs 5-6-10.",
        "Fractures of the left 5-6-10th ribs.",
        "Fractures of ribs 3, 4-5-06 and 7.",
        "Compression fractures at T8-9-10.",
        "Disc disease at L4/5 and T11/12.",
        "Lesion at 3:00 position.",
        "Lesion at 3 o'clock.",
        "Effusion decreased from 2/3 of the hemithorax.",
        "Nodule, enlarged from 3-4 mm to 5-6 mm.",
        "Nodules of 3-4-12 mm.",
        "Opacity is seen on image 5/12.",
        "The nodule in segment 5 may be larger.",
        "THE OPACITY AT RIB 5 MAY REPRESENT A FRACTURE.",
        "Tube tip 4.5 cm above the carina.",
        "Dec 2 cm nodule.",
        "Unchanged since 5-6 days.",
    ],
)
def test_numbers_that_count_or_measure_stay(said: str, reader: ReportReader) -> None:
    assert reader.clean(said) == said


def test_a_month_does_not_put_a_finding_in_doubt(reader: ReportReader) -> None:
    cleaned = reader.clean("Compared with 12-May-2014 the effusion is larger.")
    assert reader.read(cleaned).labels["Pleural Effusion"] == "present"
