"""What does not fit in a mixed report beyond the findings by name, and what is left dangling by a cut."""

from __future__ import annotations

import pytest

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.plans.compose import compose
from medcutmix_pipeline.stages.plans.donors import diagnostic_sentences
from medcutmix_pipeline.stages.sentences import ReportReader

READER = ReportReader(SentencesConfig())


def mixed(host: str, donor: str, disease: str) -> str:
    """The mixed text, or the reason why there is none."""
    sentence = diagnostic_sentences(READER.read(donor)).get(disease)
    assert sentence is not None, donor
    result = compose(READER.read(host), sentence, disease, READER)
    return result if isinstance(result, str) else result.text


OPPOSED = {
    "a large heart in a normal silhouette": (
        "The heart is enlarged. Cardio mediastinal silhouette is unremarkable.",
        "Moderate cardiomegaly.",
        "Cardiomegaly",
    ),
    "low volumes in well-expanded lungs": (
        "Bandlike opacity. Well-expanded lungs.",
        "Low lung volumes with streaky basilar opacity.",
        "Lung Opacity",
    ),
    "nothing acute, but consolidation": (
        "Scar-like opacity. No acute cardiopulmonary abnormality.",
        "Dense airspace opacity at the left base.",
        "Lung Opacity",
    ),
    "nothing acute, but a fracture of no known age": (
        "Old rib fractures. No acute abnormality of the chest.",
        "Several rib fractures, some of which are old.",
        "Fracture",
    ),
    "clear lungs": ("Linear opacity. Heart normal. Clear lungs.", "Hazy opacity at the left base.", "Lung Opacity"),
    "a clear side": ("Left pneumothorax. The right lung is clear.", "Large right pneumothorax.", "Pneumothorax"),
    "a normal side": ("Left atelectasis. The right lung is normal.", "Right basilar atelectasis.", "Atelectasis"),
    "an unremarkable side, and both bases": (
        "Left basilar atelectasis. The right hemithorax is unremarkable.",
        "Bibasilar atelectasis.",
        "Atelectasis",
    ),
    "a side by its name alone": ("Left effusion only. The right is clear.", "Right effusion.", "Pleural Effusion"),
    "nothing on the other side": ("Small left effusion. None on the right.", "Right effusion.", "Pleural Effusion"),
    "a clear side, and both lobes": (
        "Right opacity. Clear left lung.",
        "Opacities in the lower lobes.",
        "Lung Opacity",
    ),
    "otherwise clear, but everywhere": (
        "Left opacity. The lungs are otherwise clear.",
        "Diffuse hazy opacities.",
        "Lung Opacity",
    ),
    "clear lungs in the donor's sentence": (
        "Mild cardiomegaly. Right basilar opacity.",
        "Severe cardiomegaly with clear lungs.",
        "Cardiomegaly",
    ),
    "nothing to compare with": (
        "Mild cardiomegaly. No prior study is available for comparison.",
        "Stable severe cardiomegaly.",
        "Cardiomegaly",
    ),
    "nothing has changed, but it is new": (
        "Small effusion. Heart normal. Stable appearance of the chest.",
        "New large left effusion.",
        "Pleural Effusion",
    ),
    "little air and too much": (
        "Left basilar atelectasis. The lungs are hyperinflated.",
        "Low lung volumes with bibasilar atelectasis.",
        "Atelectasis",
    ),
    "an expanded lung that has collapsed": (
        "Right chest tube. Small right pneumothorax. Left lung is fully expanded.",
        "Tension pneumothorax on the left with complete collapse of the left lung.",
        "Pneumothorax",
    ),
    "an expanded lung beside much air": (
        "Small left pneumothorax. The right lung is well expanded.",
        "Large right pneumothorax.",
        "Pneumothorax",
    ),
    "a clear angle and fluid on its side": (
        "Large right pleural effusion. The left costophrenic angle is sharp.",
        "Moderate left pleural effusion.",
        "Pleural Effusion",
    ),
    "a clear pleural space and fluid on both sides": (
        "Small right effusion. Left pleural space is clear.",
        "Bilateral pleural effusions, right greater than left.",
        "Pleural Effusion",
    ),
    "whole ribs and broken ones on their side": (
        "Old right rib fractures. The left ribs are intact.",
        "Acute fracture of the left sixth rib.",
        "Fracture",
    ),
    "whole collar bones and a broken one": (
        "Old right rib fractures. The clavicles are intact.",
        "Fracture of the left clavicle.",
        "Fracture",
    ),
    "a trachea in its place and pushed aside": (
        "Small right pneumothorax. The trachea is midline.",
        "Large left pneumothorax with rightward deviation of the trachea.",
        "Pneumothorax",
    ),
    "no shift and a shift": (
        "Small right pneumothorax. No significant mediastinal shift.",
        "Large left pneumothorax with mediastinal shift to the right.",
        "Pneumothorax",
    ),
    "no tension and tension": (
        "Small right pneumothorax. No evidence of tension.",
        "Left tension pneumothorax.",
        "Pneumothorax",
    ),
    "no cavity and a cavity": (
        "Right upper lobe mass. No cavitation.",
        "Cavitary mass in the left upper lobe.",
        "Lung Lesion",
    ),
    "normal vessels and congestion": (
        "Mild cardiomegaly. There is vascular congestion.",
        "Severe cardiomegaly, pulmonary vascularity normal.",
        "Cardiomegaly",
    ),
    "a straight and a tortuous aorta": (
        "Mild cardiomegaly. The aorta is normal.",
        "Severe cardiomegaly and tortuous aorta.",
        "Cardiomegaly",
    ),
}


@pytest.mark.parametrize("case", OPPOSED)
def test_what_the_rest_of_the_report_speaks_against_does_not_fit(case: str) -> None:
    assert mixed(*OPPOSED[case]) == "does-not-fit"


def test_doubt_about_what_the_host_denies_is_a_contradiction() -> None:
    host = "Hazy right opacity. No pneumonia."
    assert mixed(host, "Left opacity that may represent pneumonia.", "Lung Opacity") == "contradiction"


@pytest.mark.parametrize(
    ("host", "donor", "disease"),
    [
        ("Scar. Streaky right opacity. No acute disease.", "Linear left opacity, likely scar.", "Lung Opacity"),
        ("Left effusion. Right lung is clear.", "Large left effusion.", "Pleural Effusion"),
        ("Left effusion. None on the right.", "Large left effusion.", "Pleural Effusion"),
        ("Left atelectasis. Right lung volume is normal.", "Right basilar atelectasis.", "Atelectasis"),
        ("Small right effusion. The left heart border is normal.", "Small left effusion.", "Pleural Effusion"),
        ("Small left pneumothorax. Right lung is fully expanded.", "Large left pneumothorax.", "Pneumothorax"),
        ("Mild cardiomegaly. Lungs are clear.", "Severe cardiomegaly.", "Cardiomegaly"),
        ("Left effusion. The right costophrenic angle is sharp.", "Large left pleural effusion.", "Pleural Effusion"),
        ("Right effusion. Left costophrenic angle is sharp.", "Large right pleural effusion.", "Pleural Effusion"),
        ("Old left rib fractures. The right ribs are intact.", "Healed left sixth rib fracture.", "Fracture"),
        ("Left atelectasis. Costophrenic angles are clear.", "Basilar atelectasis without effusion.", "Atelectasis"),
        (
            "Small right pneumothorax. The trachea is midline.",
            "Left pneumothorax without mediastinal shift.",
            "Pneumothorax",
        ),
        ("Right opacity. Otherwise clear lungs.", "Left basilar opacity.", "Lung Opacity"),
        ("Right basilar atelectasis. Low lung volumes.", "Low volumes with left atelectasis.", "Atelectasis"),
    ],
)
def test_what_the_rest_of_the_report_allows_is_mixed(host: str, donor: str, disease: str) -> None:
    assert donor in mixed(host, donor, disease)


LEFT_OVER = {
    "an inference from what is cut": (
        "Right opacity. Uncertain whether this is a vessel. No effusion.",
        "Left basilar opacity. No effusion.",
    ),
    "a contrast to what is cut": (
        "Right opacity. However, a vessel is possible. No effusion.",
        "Left basilar opacity. No effusion.",
    ),
    "a fragment": ("Right opacity. Less so than on the left. No effusion.", "Left basilar opacity. No effusion."),
    "advice on what is cut without replacement": (
        "FINDINGS: Right opacity. No effusion.\n\nIMPRESSION: 1. Right opacity. Follow-up is recommended. 2. No edema.",
        "FINDINGS: Left basilar opacity. No effusion.\n\nIMPRESSION: 1. No edema.",
    ),
    "the diagnosis of an opacity that is cut": (
        "FINDINGS: Right opacity. No effusion.\n\nIMPRESSION: Right lower lobe pneumonia.",
        "FINDINGS: Left basilar opacity. No effusion.",
    ),
}


@pytest.mark.parametrize("case", LEFT_OVER)
def test_what_speaks_on_about_a_cut_sentence_goes_with_it(case: str) -> None:
    host, expected = LEFT_OVER[case]
    assert mixed(host, "Left basilar opacity.", "Lung Opacity") == expected


def test_a_finding_told_as_its_appearance_is_replaced_where_it_is_told_first() -> None:
    host = "FINDINGS: Right lower lobe opacity. The remaining lungs are clear.\n\nIMPRESSION: Right pneumonia."
    expected = "FINDINGS: Left pneumonia. The remaining lungs are clear."
    assert mixed(host, "Left pneumonia.", "Pneumonia") == expected


@pytest.mark.parametrize(
    "host",
    [
        "FINDINGS: No edema. Right opacity.\n\nIMPRESSION: Right opacity. The lungs are otherwise clear.",
        "Right opacity. No effusion. The findings are suggestive of edema.",
        "Abdomen normal. Chest 1. Right opacity.",
    ],
)
def test_a_mix_is_dropped_where_a_sentence_that_stays_would_dangle(host: str) -> None:
    assert mixed(host, "Left basilar opacity.", "Lung Opacity") == "dangling-reference"
