"""Reports in the styles of the corpora, all written for these tests, and what cleaning makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.stages.sentences.cleaning import LONGEST_WORD

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences import ReportReader

MIMIC = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old man with fever  // eval for pneumonia

 COMPARISON:  ___

 FINDINGS:

 The heart is moderately enlarged.  There is a small left pleural effusion with
 compressive atelectasis.  As compared to ___, the effusion is larger.

 IMPRESSION:

 1.  Small left pleural effusion.
 2.  No pneumothorax.

 NOTIFICATION:  The findings were discussed with ___, M.D. by ___, M.D. on the
 telephone on ___ at 3:45 PM, 5 minutes after discovery.
"""
MIMIC_CLEAN = (
    "FINDINGS: The heart is moderately enlarged. There is a small left pleural effusion with compressive atelectasis. "
    "As compared to prior, the effusion is larger.\n\n"
    "IMPRESSION: 1. Small left pleural effusion. 2. No pneumothorax."
)
CHEXPERT = """NARRATIVE:
RADIOGRAPHIC EXAMINATION OF THE CHEST: 4-11-2008

CLINICAL HISTORY: 55 years of age, Female, pneumonia.

COMPARISON: 4/10/2008

PROCEDURE COMMENTS: Single view of the chest.

FINDINGS:
Left PICC ends in the SVC.  Mild edema.

IMPRESSION:

1. MILD EDEMA
2. NO PNEUMOTHORAX

END OF IMPRESSION

SUMMARY:2-ABNORMAL, PREVIOUSLY REPORTED

I have personally reviewed the images for this examination and agree
with the report transcribed above.
"""
CHEXPERT_CLEAN = "FINDINGS: Left PICC ends in the SVC. Mild edema.\n\nIMPRESSION: 1. MILD EDEMA. 2. NO PNEUMOTHORAX."
CASES = {
    "MIMIC": (MIMIC, MIMIC_CLEAN),
    "CheXpert Plus": (CHEXPERT, CHEXPERT_CLEAN),
    "Open-I": (
        "COMPARISON: None.\n\nINDICATION: Pain\n\nFINDINGS: Mild cardiomegaly. XXXX.\n\nIMPRESSION: Mild cardiomegaly.",
        "FINDINGS: Mild cardiomegaly.\n\nIMPRESSION: Mild cardiomegaly.",
    ),
    "all on one line": (
        "INDICATION: cough FINDINGS: The lungs are clear. No effusion. IMPRESSION: No acute disease.",
        "FINDINGS: The lungs are clear. No effusion.\n\nIMPRESSION: No acute disease.",
    ),
    "no header": ("The heart is enlarged. No effusion.", "The heart is enlarged. No effusion."),
    "neither findings nor impression": (
        " PORTABLE CHEST ___\n\n COMPARISON:  ___ study.\n\n The heart is enlarged.\n\n The lungs are clear.\n",
        "The heart is enlarged. The lungs are clear.",
    ),
    "the views as header": (
        "CHEST, AP:\n Mild edema.\n\nCONCLUSION:  Edema.\n",
        "FINDINGS: Mild edema.\n\nIMPRESSION: Edema.",
    ),
    "a preliminary reading beside the final one": (
        "WET READ: ___ ___ 9:12 PM\n No edema.\n FINAL REPORT\n HISTORY:  Pain.\n\n IMPRESSION:\n\n Mild edema.\n",
        "IMPRESSION: Mild edema.",
    ),
    "nothing but a preliminary reading": ("WET READ: ___ ___ 9:12 PM\n Mild edema.\n", "FINDINGS: Mild edema."),
    "a preliminary reading and its impression": (
        "WET READ: ___\n Mild edema.\n\nIMPRESSION: Edema.",
        "FINDINGS: Mild edema.\n\nIMPRESSION: Edema.",
    ),
    "comparison in front of the impression": (
        "IMPRESSION:  AP chest compared to ___, 5:14 a.m.:\n\n Small pneumothorax is new.",
        "IMPRESSION: Small pneumothorax is new.",
    ),
    "one statement a line": (
        "Heart size normal\nLungs clear\nSmall nodule",
        "Heart size normal. Lungs clear. Small nodule.",
    ),
    "list without full stops": ("IMPRESSION: 1. Edema 2. Small effusion", "IMPRESSION: 1. Edema. 2. Small effusion."),
    "list with wrapped lines": (
        "IMPRESSION:\n1. Effusion, 1.5 cm\n   thick\n2. Edema",
        "IMPRESSION: 1. Effusion, 1.5 cm thick. 2. Edema.",
    ),
    "numbers without a space": (
        "IMPRESSION: 1.Small effusion, 1.5 cm. 2.No edema.",
        "IMPRESSION: 1. Small effusion, 1.5 cm. 2. No edema.",
    ),
    "bullets": ("FINDINGS:\n- Cardiomegaly\n- No effusion", "FINDINGS: Cardiomegaly. No effusion."),
    "organs as labels": (
        "FINDINGS:\nPLEURA: Small effusion.\nHEART: Enlarged.",
        "FINDINGS: PLEURA: Small effusion. HEART: Enlarged.",
    ),
    "carriage returns": (
        "FINDINGS:\r\nSmall effusion.\r\n\r\nIMPRESSION:\r\nEffusion.\r\n",
        "FINDINGS: Small effusion.\n\nIMPRESSION: Effusion.",
    ),
    "markup": ("<b>FINDINGS:</b> Small effusion.<br/>No edema.", "FINDINGS: Small effusion. No edema."),
    "a physician's name": ("Small effusion. Dr. Miller was paged at 5 p.m. No edema.", "Small effusion. No edema."),
    "a telephone call": ("Pneumothorax. Findings were discussed by telephone. No edema.", "Pneumothorax. No edema."),
    "a signature": ("Edema. Electronically signed by A. Miller on 03/04/2012 at 5:33 pm.", "Edema."),
    "a date of comparison": (
        "Edema, unchanged from 3/4/2012. No effusion.",
        "Edema, unchanged from prior. No effusion.",
    ),
    "the date of a study": ("Larger than on the radiograph dated June 4, 2011.", "Larger than on the radiograph."),
    "a hidden date": ("The heart is enlarged compared to XXXX.", "The heart is enlarged compared to prior."),
    "nothing but place-holders": ("FINDINGS: XXXX XXXX. ___. Edema.", "FINDINGS: Edema."),
    "nothing to read": ("INDICATION: pain.\nTECHNIQUE: PA.", ""),
    "blank": (" \n\t ", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_cleaning_keeps_findings_and_impression_and_nothing_else(case: str, reader: ReportReader) -> None:
    raw, expected = CASES[case]
    assert reader.clean(raw) == expected


@pytest.mark.parametrize("case", CASES)
def test_cleaning_twice_is_cleaning_once(case: str, reader: ReportReader) -> None:
    once = reader.clean(CASES[case][0])
    assert reader.clean(once) == once


def test_what_was_asked_is_not_what_was_found(reader: ReportReader) -> None:
    report = reader.read(reader.clean(MIMIC))
    assert "Pneumonia" not in report.labels


def test_sentences_carry_their_section_and_span(reader: ReportReader) -> None:
    text = reader.clean(MIMIC)
    sentences = reader.read(text).sentences
    assert [s.section for s in sentences] == ["findings"] * 3 + ["impression"] * 2
    assert [s.text for s in sentences][-2:] == ["Small left pleural effusion.", "No pneumothorax."]
    for sentence in sentences:
        assert sentence.text == text[sentence.start : sentence.end]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Atelectasis vs. pneumonia. No edema.", ["Atelectasis vs. pneumonia.", "No edema."]),
        ("Opacity at 5 p.m. is stable. No edema.", ["Opacity at 5 p.m. is stable.", "No edema."]),
        ("Left base ? pneumonia. No edema.", ["Left base ? pneumonia.", "No edema."]),
        ("A 1.5 cm nodule. No edema.", ["A 1.5 cm nodule.", "No edema."]),
        ("No PTX.No edema.", ["No PTX.", "No edema."]),
        ("No effusion . . No edema", ["No effusion . .", "No edema"]),
        ("1. Edema. It is new. 2. Effusion", ["Edema.", "It is new.", "Effusion"]),
        ("1. Edema 2. Effusion", ["Edema", "Effusion"]),
        ("Is there edema? Yes.", ["Is there edema?", "Yes."]),
        ("Small rt. effusion. Bilat. nodules.", ["Small rt. effusion.", "Bilat. nodules."]),
        ("Tube 3 cm. above the carina. Edema.", ["Tube 3 cm. above the carina.", "Edema."]),
        ("A nodule of 3 cm. No edema.", ["A nodule of 3 cm.", "No edema."]),
        ("Effusion on the rt. Heart enlarged.", ["Effusion on the rt.", "Heart enlarged."]),
        ("SMALL RT. PLEURAL EFFUSION. NO PTX.", ["SMALL RT. PLEURAL EFFUSION.", "NO PTX."]),
        ("EFFUSION ON THE RT. HEART ENLARGED.", ["EFFUSION ON THE RT.", "HEART ENLARGED."]),
        ("No PTX on the L. Effusion on the R. Edema.", ["No PTX on the L.", "Effusion on the R.", "Edema."]),
        ("R. PICC in place. L. IJ line.", ["R. PICC in place.", "L. IJ line."]),
        ("Seen with L. Miller. Edema.", ["Seen with L. Miller.", "Edema."]),
        ("lungs clear. no effusion.", ["lungs clear.", "no effusion."]),
        ("Stable e.g. the effusion. No edema.", ["Stable e.g. the effusion.", "No edema."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, sentences: list[str], reader: ReportReader) -> None:
    assert [s.text for s in reader.read(text).sentences] == sentences


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("No evid. of pneumonia. No sig. effusion.", "No evid of pneumonia. No sig effusion."),
        ("No rt. PTX. No L. effusion.", "No rt PTX. No L effusion."),
        (
            "NO PNEUMONIA. NO SIG. EFFUSION OR BILAT. ATELECTASIS.",
            "NO PNEUMONIA. NO SIG EFFUSION OR BILAT ATELECTASIS.",
        ),
        ("No consol. or PTX.", "No consol or PTX."),
    ],
)
def test_a_full_stop_behind_an_abbreviation_ends_no_denial(said: str, left: str, reader: ReportReader) -> None:
    assert reader.clean(said) == left
    assert reader.read(left).labels["No Finding"] == "present"


@pytest.mark.parametrize(
    ("sentence", "alone"),
    [
        ("There is a small left effusion.", True),
        ("Stable cardiomegaly.", True),
        ("Moderate left effusion, unchanged from prior.", True),
        ("Cardiomegaly.", True),
        ("No effusion.", False),  # asserts nothing as present
        ("Possible effusion.", False),
        ("The effusion is unchanged.", False),  # nothing but a comparison
        ("No significant change in the effusion.", False),
        ("The pneumothorax has improved since the prior study.", False),
        ("This is consistent with edema.", False),  # leans on another sentence
        ("It represents a nodule.", False),
        ("These findings are compatible with edema.", False),
        ("Edema, as described above.", False),
        ("and a small effusion.", False),  # a fragment
        ("Cardiomegaly and,", False),
        ("XXXX edema at both bases.", False),  # hides what it says
        ("There is ___ effusion.", False),
        ("Otherwise stable cardiomegaly.", False),
        ("The right lower lobe pneumonia.", False),
    ],
)
def test_diagnostic_sentences_assert_a_finding_and_stand_alone(
    sentence: str, alone: bool, reader: ReportReader
) -> None:
    (read,) = reader.read(sentence).sentences
    assert read.diagnostic is alone


def test_comparisons_are_marked_so_that_they_come_last(reader: ReportReader) -> None:
    assert reader.read("Stable cardiomegaly.").sentences[0].comparison
    assert not reader.read("Mild cardiomegaly.").sentences[0].comparison


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Large right pneumothorax, findings communicated to Dr. Miller at 10:15 a.m.", "Large right pneumothorax."),
        ("Small left pneumothorax, as noted by Dr. Miller.", "Small left pneumothorax."),
        ("Large effusion; please contact us with questions.", "Large effusion."),
        ("Worsening pneumonia as discussed with the team.", "Worsening pneumonia."),
        ("There is a pneumothorax which was discussed with Dr. ___.", "There is a pneumothorax."),
        ("There is a pneumothorax at the apex and Dr. ___ was paged.", "There is a pneumothorax at the apex."),
        ("Edema, atelectasis, and effusion were discussed with Dr. ___.", "Edema, atelectasis, and effusion."),
        ("Pneumothorax (called to Dr. Miller) with mediastinal shift.", "Pneumothorax with mediastinal shift."),
        ("No pneumothorax, discussed with Dr. ___.", "No pneumothorax."),
        ("1. Edema - relayed by telephone to Dr. ___. 2. Effusion.", "1. Edema. 2. Effusion."),
        ("PNEUMOTHORAX CALLED TO DR. MILLER AT 5 PM.", "PNEUMOTHORAX."),
        ("Pneumothorax, no longer seen, was discussed with Dr. ___.", "Pneumothorax, no longer seen."),
    ],
)
def test_a_finding_in_front_of_a_note_is_kept(said: str, left: str, reader: ReportReader) -> None:
    assert reader.clean(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "If a pneumothorax is suspected, please page the radiologist.",
        "Findings were discussed with Dr. ___ by telephone.",
        "Pneumothorax was discussed with Dr. ___ but has resolved.",
    ],
)
def test_a_note_that_says_nothing_for_certain_goes_as_a_whole(said: str, reader: ReportReader) -> None:
    assert reader.clean(f"Edema. {said}") == "Edema."


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("I called Dr. ___ to inform her of a large left pneumothorax.", "A large left pneumothorax."),
        ("Dr. Miller was notified of new effusions by telephone.", "New effusions."),
        ("Dr. Miller was informed that there is no pneumothorax.", "No pneumothorax."),
        ("Results were called to Dr. ___: right pneumothorax, ETT too low.", "Right pneumothorax, ETT too low."),
        ("DR. MILLER NOTIFIED OF LARGE PNEUMOTHORAX WITH JANE PRESENT.", "LARGE PNEUMOTHORAX."),
        ("Dr. Miller was told of the pneumothorax.", ""),
        ("Dr. ___ was paged about a pneumothorax of Mr. Brown.", "A pneumothorax of the patient."),
        ("If Dr. ___ is aware of a pneumothorax, no action is needed.", ""),
    ],
)
def test_a_finding_that_somebody_was_told_of_is_kept_unless_it_is_known(
    said: str, left: str, reader: ReportReader
) -> None:
    assert reader.clean(said) == left


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("LUNGS/PLEURA: There is a right effusion.", "There is a right effusion."),
        ("2. Lungs and pleural spaces : small effusion.", "Small effusion."),
        ("Support devices: Left PICC.", "Left PICC."),
        ("Support devices: None.", "Support devices: None."),
        ("Heart: Enlarged.", "Heart: Enlarged."),
        ("Pleural effusion: Small.", "Pleural effusion: Small."),
        ("Right lung: Small effusion.", "Right lung: Small effusion."),
        ("Lungs: Clear without effusion.", "Lungs: Clear without effusion."),
    ],
)
def test_a_label_is_part_of_the_sentence_only_where_it_says_something(
    said: str, text: str, reader: ReportReader
) -> None:
    report = reader.read(reader.clean(said))
    (sentence,) = report.sentences
    assert sentence.text == text
    assert all(sentence.start <= m.start < m.end <= sentence.end for m in sentence.mentions)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Small effusion. Accession 123456.", "Small effusion."),
        ("Small effusion (MRN: 1234567).", "Small effusion."),
        ("Small effusion, medical record number A123-456.", "Small effusion."),
        ("Small effusion. Please page 555-123-4567.", "Small effusion."),
        ("Mr. Example has a large effusion.", "The patient has a large effusion."),
        ("Effusion in Mrs. Example-Sample's left chest.", "Effusion in the patient's left chest."),
        ("Findings are compatible with MS. No effusion.", "Findings are compatible with MS. No effusion."),
        ("MR CHEST is advised. The nodule measures 120 mm.", "MR CHEST is advised. The nodule measures 120 mm."),
        ("Fractures of ribs 3-4-5 and of T 10.", "Fractures of ribs 3-4-5 and of T 10."),
    ],
)
def test_numbers_and_names_that_say_whose_they_are_are_taken_out(said: str, left: str, reader: ReportReader) -> None:
    assert reader.clean(said) == left
    assert reader.clean(left) == left


@pytest.mark.parametrize("before", [0, 1, 57, 99, 100, 143])
def test_what_is_too_long_for_a_word_is_taken_out_wherever_it_stands(before: int, reader: ReportReader) -> None:
    start = "Small left effusion. ".ljust(before + 21, "x") + " " * (before > 0)
    assert "y" not in reader.clean(f"{start}{'y' * LONGEST_WORD} seen.")
    assert "y" * (LONGEST_WORD - 1) in reader.clean(f"{start}{'y' * (LONGEST_WORD - 1)} seen.")


def test_control_characters_part_words_and_end_lines_in_plain_text_as_in_any(reader: ReportReader) -> None:
    said = "FINDINGS:\x07Small\x00left\x1feffusion.\rNo\x7fedema."
    assert reader.clean(said) == "FINDINGS: Small left effusion. No edema."
    assert reader.clean(f"{said} Größe normal.") == "FINDINGS: Small left effusion. No edema. Größe normal."
