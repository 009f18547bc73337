"""What sentences claim about places, and which of them hold of which image."""

from __future__ import annotations

import pytest

from medcutmix_pipeline.stages.attention.relations import FAILS, HOLDS, OPEN, Reading, halves, relate
from medcutmix_pipeline.stages.attention.statements import Statement, one_sided, sides_of, swap_sides, zones_of
from medcutmix_pipeline.stages.attention.vocabulary import UNKNOWN, Vocabulary

EFFUSION = frozenset({"Pleural Effusion"})


@pytest.mark.parametrize(
    ("sentence", "sides", "zones"),
    [
        ("Small left pleural effusion.", {"left"}, set()),
        ("RIGHT upper-lobe nodule.", {"right"}, {"upper"}),
        ("Bibasilar atelectasis.", {"left", "right"}, {"lower"}),
        ("Opacity in the lingula.", {"left"}, {"middle"}),
        ("The heart is enlarged.", set(), set()),
        ("Brightness is normal.", set(), set()),
    ],
)
def test_sides_and_zones_are_read_from_whole_words(sentence, sides, zones):
    assert sides_of(sentence) == sides
    assert zones_of(sentence) == zones


@pytest.mark.parametrize(
    ("sentence", "sides", "zones", "mirrored"),
    [
        ("RLL pneumonia.", {"right"}, {"lower"}, "left lower lobe pneumonia."),
        ("LUL nodule.", {"left"}, {"upper"}, "right upper lobe nodule."),
        ("Small Lt. effusion.", {"left"}, set(), "Small right. effusion."),
        ("Effusions, L>R.", {"left", "right"}, set(), "Effusions, right>left."),
        ("Effusion on the R.", {"right"}, set(), "Effusion on the left."),
        ("Bilat. effusions, b/l atelectasis.", {"left", "right"}, set(), "Bilat. effusions, b/l atelectasis."),
        ("Bi-apical thickening.", {"left", "right"}, {"upper"}, "Bi-apical thickening."),
        ("Lingular opacity.", {"left"}, {"middle"}, "right middle lobe opacity."),
        ("L1 and L 2 fractures, L-spine, 2 L of air, R/O.", set(), set(), None),
        ("Leads in the right atrium, in the right clinical setting.", set(), set(), None),
    ],
)
def test_abbreviated_sides_and_lobes_are_read_and_mirrored_like_those_spelt_out(sentence, sides, zones, mirrored):
    assert sides_of(sentence) == sides
    assert zones_of(sentence) == zones
    assert swap_sides(sentence) == (mirrored or sentence)


def test_an_abbreviated_sentence_asks_like_one_that_is_spelt_out():
    vocabulary = Vocabulary(["left", "lobe", "lower", "opacity", "right"])
    short, full, mirrored = vocabulary.encode(["RLL opacity", "right lower lobe opacity", swap_sides("LLL opacity")])
    assert short.tolist() == full.tolist() == mirrored.tolist()
    assert UNKNOWN not in short
    assert one_sided("RLL opacity")


def test_swapping_sides_twice_gives_the_lower_cased_sides_back_and_leaves_other_words_alone():
    assert swap_sides("Left-sided leftover at the right base.") == "right-sided leftover at the left base."
    assert swap_sides(swap_sides("left base, right apex")) == "left base, right apex"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Left effusion.", True),
        ("Left and right effusions.", False),
        ("Bilateral effusions.", False),
        ("Lingular opacity.", False),
        ("Effusion.", False),
    ],
)
def test_a_sentence_has_an_opposite_only_where_one_side_is_named_by_its_own_word(sentence, expected):
    assert one_sided(sentence) is expected


def reading(sentence: str | None, label: str | None = "present", sided: bool = True) -> Reading:
    labels = {"Pleural Effusion": label} if label else {}
    return Reading(labels, (Statement.of(sentence, EFFUSION),) if sentence else (), sided)


@pytest.mark.parametrize(
    ("asked", "told", "expected"),
    [
        ("Left effusion.", reading("Left effusion."), HOLDS),
        ("Left effusion.", reading("Right effusion."), FAILS),
        ("Left effusion.", reading("Bilateral effusions."), HOLDS),
        ("Bilateral effusions.", reading("Left effusion."), OPEN),
        ("Left effusion.", reading("There is an effusion."), OPEN),
        ("There is an effusion.", reading("Left effusion."), HOLDS),
        ("Left effusion.", reading("Right effusion.", sided=False), HOLDS),
        ("Left basal effusion.", reading("Left apical effusion."), FAILS),
        ("Left effusion.", reading(None, "uncertain"), OPEN),
        ("Left effusion.", reading(None, "absent"), FAILS),
        ("Left effusion.", reading(None, None), FAILS),
    ],
)
def test_a_statement_holds_fails_or_stays_open_as_far_as_the_report_tells(asked, told, expected):
    assert relate([Statement.of(asked, EFFUSION)], [told]).tolist() == [[expected]]


def test_a_statement_of_two_findings_fails_where_either_does():
    both = Statement.of("Left effusion and atelectasis.", EFFUSION | {"Atelectasis"})
    assert relate([both], [reading("Left effusion.")]).tolist() == [[FAILS]]


@pytest.mark.parametrize(
    ("asked", "told", "expected"),
    [
        ("Left effusion.", reading("Left effusion."), 1),
        ("There is an effusion.", reading("Right effusion."), -1),
        ("Left effusion.", reading("Bilateral effusions."), 0),
        ("Left effusion.", reading("There is an effusion."), 0),
        ("Left effusion.", reading("Left effusion.", sided=False), 0),
        ("Left effusion.", reading(None, "absent"), 0),
    ],
)
def test_a_patient_s_left_is_on_the_right_half_of_a_frontal_picture(asked, told, expected):
    assert halves([Statement.of(asked, EFFUSION)], [told]).tolist() == [[expected]]


def test_the_vocabulary_keeps_no_word_of_fewer_than_three_patients_nor_anything_but_letters():
    common = [(patient, "Effusion 2024 at the base, naïve") for patient in "abc"]
    rare = [("a", "Smith has it"), ("a", "Smith again"), ("b", "Smith once more")]
    assert Vocabulary.learn([*common, *rare]).words == ("at", "base", "effusion", "the")


def test_unknown_words_empty_sentences_and_numbers_are_read_as_unknown():
    vocabulary = Vocabulary(["effusion"])
    assert vocabulary.encode(["Effusion zzz", "", "12"]).tolist() == [[2, UNKNOWN], [UNKNOWN, 0], [UNKNOWN, 0]]
