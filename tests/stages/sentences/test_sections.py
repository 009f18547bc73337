"""Headers as reports write them, and what stands under them: what was asked stays out, what was seen stays in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences import ReportReader

CLEAR = "FINDINGS: The lungs are clear.\n\nIMPRESSION: No acute disease."
STYLES = {
    "alone on a line": (
        "Indication\nPneumonia and effusion.\n\nFindings\nThe lungs are clear.\n\nImpression\nNo acute disease."
    ),
    "alone on a line, no blank lines, no full stops": (
        "Clinical history\nPneumonia\nComparison\nEffusion on prior\nFindings\nThe lungs are clear\n"
        "Impression\nNo acute disease"
    ),
    "alone on a line that is made to stand out": (
        "**Indication**\nPneumonia\n\n## Findings\nThe lungs are clear.\n\n## Impression\nNo acute disease."
    ),
    "with a dash": (
        "Indication - pleural effusion.\nFindings - The lungs are clear.\nImpression \u2013 No acute disease."
    ),
    "capitals with a dash, on one line": (
        "INDICATION - pleural effusion. FINDINGS - The lungs are clear. IMPRESSION - No acute disease."
    ),
    "capitals without a mark": (
        "CLINICAL HISTORY Pneumonia.\nREASON FOR EXAM effusion?\nFINDINGS The lungs are clear.\n"
        "IMPRESSION No acute disease."
    ),
    "lines that were joined": (
        "Indication: pneumonia Comparison: None Findings: The lungs are clear Impression: No acute disease"
    ),
    "two names in one": (
        "INDICATION/HISTORY: Pneumonia.\nTECHNIQUE AND FINDINGS: The lungs are clear.\nIMPRESSION: No acute disease."
    ),
    "a number or a remark": (
        "EXAM (PORTABLE): 3/4.\nFINDINGS (CHEST): The lungs are clear.\nIMPRESSION #1: No acute disease."
    ),
    "abbreviated": "HX: pneumonia.\nFINDINGS: The lungs are clear.\nIMP: No acute disease.",
    "what the ward thought": (
        "CLINICAL IMPRESSION: PNEUMONIA.\nFINDINGS: The lungs are clear.\nIMPRESSION: No acute disease."
    ),
    "the hour in the name of the views": (
        "PORTABLE CHEST X-RAY 5:30 AM: The lungs are clear.\n\nIMPRESSION: No acute disease."
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_sections_are_found_however_their_headers_are_written(style: str, reader: ReportReader) -> None:
    assert reader.clean(STYLES[style]) == CLEAR


def test_headers_in_small_letters_are_found_where_all_is_small(reader: ReportReader) -> None:
    raw = "indication\npneumonia\nfindings\nlungs clear\nimpression\nnormal chest"
    assert reader.clean(raw) == "FINDINGS: lungs clear.\n\nIMPRESSION: normal chest."


@pytest.mark.parametrize(
    "raw",
    [
        "The effusion that was described in the previous report and is consistent with those\nfindings\nhas grown.",
        "The heart is larger than on any of the prior studies that are available for the\ncomparison\n1 cm nodule.",
        "COMPARISON is made to the prior. The heart is enlarged.",
        "EXAM is limited by rotation. Small effusion.",
        "HISTORY of pneumonia is noted. Small effusion.",
        "Small effusion - findings unchanged - and mild edema.",
        "X-ray technique is poor. Small effusion.",
    ],
)
def test_words_of_a_sentence_are_no_headers(raw: str, reader: ReportReader) -> None:
    assert reader.clean(raw) == raw.replace("\n", " ")


def test_an_addendum_with_a_number_is_kept(reader: ReportReader) -> None:
    for header in ("ADDENDUM #1:", "ADDENDUM 2:", "Addendum (amended):"):
        raw = f"{header} There is a small pneumothorax.\n\nFINDINGS: Lungs clear.\n\nIMPRESSION: No effusion."
        cleaned = reader.clean(raw)
        assert cleaned == "FINDINGS: There is a small pneumothorax. Lungs clear.\n\nIMPRESSION: No effusion."


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("Exam: limited. Small effusion.", "Exam: limited. Small effusion."),
        ("Edema. Age: indeterminate compression fracture. PTX.", None),
        ("Edema. Technique: The film is rotated. There is a pneumothorax.", "Edema. There is a pneumothorax."),
        ("Nodule. Location: left lower lobe. Size: 5 mm. Effusion.", "Nodule. Size: 5 mm. Effusion."),
        ("Patient: rotated. Small effusion.", "Small effusion."),
        ("Edema. Age: 55 years. Small effusion.", "Edema. Small effusion."),
        ("EXAM: LIMITED. SMALL EFFUSION. FRACTURE AGE: INDETERMINATE.", None),
        ("HEART ENLARGED. TECHNIQUE: AP. SMALL EFFUSION.", "HEART ENLARGED. SMALL EFFUSION."),
        ("\nTechnique: PA\nLungs: clear.\nExam: limited\nEffusion.", "Lungs: Clear. Exam: limited. Effusion."),
    ],
)
def test_a_label_amid_findings_swallows_no_finding(body: str, kept: str | None, reader: ReportReader) -> None:
    assert reader.clean(f"FINDINGS: {body}") == f"FINDINGS: {kept or body}"


@pytest.mark.parametrize(
    "rest",
    [
        "Dictated by: A. Miller, MD. Radiology of Elm Street.",
        "History: Pneumonia last year. Treated with antibiotics.",
        "COMPARISON: Chest of May. Pneumonia was seen.",
        "Exam: CHEST 2V Date: 3/4 PM History: cough.",
        "\n\nComparison: Chest of May.\nPneumonia was seen.",
        "\nSigned by: A. Miller\n12 Elm Street",
        "\nDD: 01/02/2015\nDT: 01/02/2015 10:00",
        "Reviewed by: A. Miller. Job number: 1234.",
    ],
)
def test_a_section_behind_the_findings_is_left_out_to_its_end(rest: str, reader: ReportReader) -> None:
    assert reader.clean(f"FINDINGS: Small effusion. {rest}") == "FINDINGS: Small effusion."


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (
            "Portable chest. The heart is enlarged. Technique: AP portable. Small effusion.",
            "Portable chest. The heart is enlarged. Small effusion.",
        ),
        ("CHEST PA. HISTORY: COUGH. TECHNIQUE: TWO VIEWS. HEART ENLARGED. PTX.", "CHEST PA. HEART ENLARGED. PTX."),
        ("Chest PA. Technique: Two views. Patient rotated. Findings: Edema.", "FINDINGS: Edema."),
        ("Chest PA. Technique: Two views. Rotated. Impression: Edema.", "Chest PA.\n\nIMPRESSION: Edema."),
    ],
)
def test_a_report_under_no_header_goes_on_behind_a_remark(raw: str, kept: str, reader: ReportReader) -> None:
    assert reader.clean(raw) == kept


def test_numbers_behind_a_header_stay_in_the_finding(reader: ReportReader) -> None:
    assert reader.clean("IMPRESSION 13 - 14 mm nodule.") == "IMPRESSION: 13 - 14 mm nodule."
    assert reader.clean("IMPRESSION #2 - 14 mm nodule.") == "IMPRESSION: 14 mm nodule."


def test_sections_cover_the_text_in_order(reader: ReportReader) -> None:
    raw = "FINDINGS: Edema. Technique: rotated. Effusion. Technique: supine.\nIMPRESSION: Edema."
    report = reader.read(raw)
    assert [(s.section, s.text) for s in report.sentences] == [
        ("findings", "Edema."), ("findings", "Effusion."), ("impression", "Edema."),
    ]  # fmt: skip
