"""Which places a report's sentence tells of which of its findings."""

from __future__ import annotations

import pytest

from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.stages.attention.corpus import Pair, pairs_of
from medcutmix_pipeline.stages.attention.relations import FAILS, HOLDS, OPEN, Reading, halves, relate
from medcutmix_pipeline.stages.attention.statements import Statement
from medcutmix_pipeline.stages.sentences.reader import ReportReader

EFFUSION = "Pleural Effusion"
PNEUMOTHORAX = "Pneumothorax"
ATELECTASIS = "Atelectasis"
CONSOLIDATION = "Consolidation"
OPACITY = "Lung Opacity"
CARDIOMEGALY = "Cardiomegaly"
PNEUMONIA = "Pneumonia"


@pytest.fixture(scope="module")
def reader() -> ReportReader:
    return ReportReader(Config().sentences)


def pair(reader: ReportReader, sentence: str) -> Pair:
    [told] = pairs_of(0, reader.read(sentence), "frontal", "p", frozenset({"Support Devices"}))
    return told


def places(reader: ReportReader, sentence: str) -> dict[str, str]:
    """Finding → sides and zones by their first letters, such as "lr u"."""
    told = pair(reader, sentence).statement.places
    return {f: f"{''.join(sorted(s[0] for s in p.sides))} {''.join(sorted(z[0] for z in p.zones))}" for f, p in told}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Left effusion and right pneumothorax.", {EFFUSION: "l ", PNEUMOTHORAX: "r "}),
        ("Left lower lobe consolidation and bilateral pleural effusions.", {CONSOLIDATION: "l l", EFFUSION: "lr "}),
        (
            "Moderate right effusion with bibasilar atelectasis, left greater than right.",
            {EFFUSION: "r ", ATELECTASIS: "lr l"},
        ),
        ("RLL consolidation with small left effusion.", {CONSOLIDATION: "r l", EFFUSION: "l "}),
        ("There is mild cardiomegaly and a small left pleural effusion.", {CARDIOMEGALY: " ", EFFUSION: "l "}),
        ("Small left pleural effusion and cardiomegaly.", {CARDIOMEGALY: " ", EFFUSION: "l "}),
        ("Right chest tube and small left pneumothorax.", {PNEUMOTHORAX: "l "}),
    ],
)
def test_each_finding_of_a_sentence_has_the_places_of_its_own_part(reader, sentence, expected):
    assert places(reader, sentence) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("There is a small right pleural effusion, no left pleural effusion.", {EFFUSION: "r "}),
        ("Small right pleural effusion without left effusion.", {EFFUSION: "r "}),
        ("No left effusion, but a small right effusion.", {EFFUSION: "r "}),
        ("There is a large pneumothorax on the right; the left lung base is clear.", {PNEUMOTHORAX: "r "}),
        ("Opacity in the right upper lobe, the left lung is clear.", {OPACITY: "r u"}),
        ("The right hemidiaphragm is elevated, with left basal atelectasis.", {ATELECTASIS: "l l"}),
        ("Large right pneumothorax with mediastinal shift to the left.", {PNEUMOTHORAX: "r "}),
        ("Small right apical pneumothorax following left lobectomy.", {PNEUMOTHORAX: "r u"}),
        ("Opacity in the left base may represent atelectasis in the right clinical setting.", {OPACITY: "l l"}),
        ("Left ventricular enlargement with cardiomegaly.", {CARDIOMEGALY: " "}),
    ],
)
def test_what_is_denied_or_told_of_something_else_gives_a_finding_no_place(reader, sentence, expected):
    assert places(reader, sentence) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("On the left, there is a small effusion.", {EFFUSION: "l "}),
        ("Effusions, R > L.", {EFFUSION: "lr "}),
        ("Opacities in the right upper lobe and left base.", {OPACITY: "lr lu"}),
        ("Improved right upper and left lower lobe opacities.", {OPACITY: "lr lu"}),
        ("Consolidation and effusion at the left base.", {CONSOLIDATION: "l l", EFFUSION: "l l"}),
        ("Left pleural effusion with adjacent atelectasis.", {EFFUSION: "l ", ATELECTASIS: "l "}),
        ("RUL consolidation, consistent with pneumonia.", {CONSOLIDATION: "r u", PNEUMONIA: "r u"}),
        (
            "A pleural line is seen at the left apex, consistent with a small apical pneumothorax.",
            {PNEUMOTHORAX: "l u"},
        ),
        ("Left fifth and right sixth rib fractures.", {"Fracture": "lr "}),
    ],
)
def test_a_place_may_stand_in_a_part_of_its_own_or_hold_for_two_findings(reader, sentence, expected):
    assert places(reader, sentence) == expected


def test_the_fit_learns_that_a_denied_side_does_not_hold(reader):
    told = pair(reader, "There is a small right pleural effusion, no left pleural effusion.")
    reading = Reading(told.labels, (told.statement,), sided=True)
    asked = [Statement.of(f"{side} effusion", frozenset({EFFUSION})) for side in ("Right", "Left")]
    assert relate(asked, [reading]).tolist() == [[HOLDS], [FAILS]]
    assert halves(asked[:1], [reading]).tolist() == [[-1]]


def test_a_side_told_of_one_finding_leaves_the_other_s_open(reader):
    told = pair(reader, "Small left pleural effusion and mild atelectasis.")
    reading = Reading(told.labels, (told.statement,), sided=True)
    effusion, atelectasis = (Statement.of("Left", frozenset({finding})) for finding in (EFFUSION, ATELECTASIS))
    assert relate([effusion, atelectasis], [reading]).tolist() == [[HOLDS], [OPEN]]
    assert halves([effusion, told.statement], [reading]).tolist() == [[1], [0]]
