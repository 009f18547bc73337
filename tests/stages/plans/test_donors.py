"""Which sentences may be lent, by the linguistic form that keeps one back."""

from __future__ import annotations

import pytest

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.plans.donors import diagnostic_sentences
from medcutmix_pipeline.stages.sentences import ReportReader

READER = ReportReader(SentencesConfig())

KEPT_BACK = {
    "goes on from another sentence": ("A large left effusion is seen as well.", "Pleural Effusion"),
    "a relation without what it relates to": ("There is mild adjacent atelectasis.", "Atelectasis"),
    "a pronoun before any finding": ("In the right context this is compatible with pneumonia.", "Pneumonia"),
    "a definite finding that nobody introduced": ("The hazy opacities may represent atelectasis.", "Lung Opacity"),
    "a definite region that another sentence described": (
        "In the collapsed right lower lobe is a small nodule.",
        "Lung Lesion",
    ),
    "another examination": ("Right basilar nodule as seen on the recent CT.", "Lung Lesion"),
    "the patient's own history": ("Hilar mass in keeping with the patient's lymphoma.", "Lung Lesion"),
    "a finding explained away": ("The heart is enlarged, probably accentuated by technique.", "Cardiomegaly"),
    "a summary of the whole chest": ("Mild cardiomegaly, no acute pulmonary findings.", "Cardiomegaly"),
    "one of a list that began with doubt": ("Crowding may be due to technique, mild edema.", "Edema"),
    "no preposition behind its adjective": ("Hazy opacity compatible pneumonia at the left base.", "Lung Opacity"),
    "no preposition before its place": ("A small effusion is seen left base.", "Pleural Effusion"),
    "no noun before its verb": ("Mild interstitial show pulmonary edema.", "Edema"),
    "a verb without a subject": ("Thick bronchial walls and is patchy opacity.", "Lung Opacity"),
    "two verbs": ("There are several small nodules are noted at the right apex.", "Lung Lesion"),
    "an article with nothing behind it": ("A large left effusion the present.", "Pleural Effusion"),
    "the wrong article": ("There is a enlarged heart and a effusion.", "Pleural Effusion"),
    "the wrong number": ("Findings is consistent with pulmonary edema.", "Edema"),
    "two findings with nothing between": ("Bilateral effusions basilar atelectasis.", "Atelectasis"),
    "a denial without its joint": ("Large left effusion no associated shift.", "Pleural Effusion"),
    "a word twice": ("Large effusion at the the left base.", "Pleural Effusion"),
    "a second sentence's beginning inside": ("Stable left hilar Bilateral large effusions.", "Pleural Effusion"),
}


@pytest.mark.parametrize("form", KEPT_BACK)
def test_a_sentence_is_kept_back_for_its_form(form: str) -> None:
    text, disease = KEPT_BACK[form]
    assert diagnostic_sentences(READER.read(text)).get(disease) is None


@pytest.mark.parametrize(
    ("text", "disease"),
    [
        ("Large right effusion with associated atelectasis.", "Pleural Effusion"),
        ("Hazy opacity at the left base, this may represent atelectasis.", "Lung Opacity"),
        ("The heart is mildly enlarged.", "Cardiomegaly"),
        ("There is no edema, but a large left effusion is present.", "Pleural Effusion"),
        ("Patchy opacities in the left and right mid lung zones, worse on the right.", "Lung Opacity"),
        ("There is an irregular nodule and a small effusion.", "Lung Lesion"),
        ("Stable mild cardiomegaly without edema.", "Cardiomegaly"),
        ("Kerley B lines and interstitial edema are seen.", "Edema"),
        ("Right lower lobe consolidation, consistent with pneumonia.", "Pneumonia"),
        ("Atelectasis of the right upper lobe, the middle lobe and the left lower lobe.", "Atelectasis"),
    ],
)
def test_a_whole_sentence_is_lent(text: str, disease: str) -> None:
    found = diagnostic_sentences(READER.read(text)).get(disease)
    assert found is not None
    assert found.text == text
