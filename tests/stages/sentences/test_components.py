"""The components without the rest of the pipeline."""

from __future__ import annotations

import importlib
import warnings

import spacy

from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer

importlib.import_module("medcutmix_pipeline.stages.sentences")  # registers the components

NAMES = ["medcutmix_sections", "medcutmix_sentences", "medcutmix_findings", "medcutmix_assertion"]


def blank(*names: str) -> spacy.language.Language:
    nlp = spacy.blank("en")
    for name in names:
        nlp.add_pipe(name)
    return nlp


def test_all_four_on_a_blank_pipeline() -> None:
    doc = blank(*NAMES)(
        "FINDINGS: No pneumothorax, but there is a small left-sided effusion.\n\nIMPRESSION: 1. Effusion."
    )
    said = [(span.text, span.label_, span._.assertion) for span in doc.spans["findings"]]
    assert said == [
        ("pneumothorax", "Pneumothorax", "absent"),
        ("effusion", "Pleural Effusion", "present"),
        ("Effusion", "Pleural Effusion", "present"),
    ]
    assert doc.spans["findings"][0]._.rule == "absent before: no"
    assert [span.label_ for span in doc.spans["sections"]] == ["findings", "impression"]
    assert "No pneumothorax, but there is a small left-sided effusion." in [s.text.strip() for s in doc.sents]


def test_sections_alone() -> None:
    doc = blank("medcutmix_sections")("INDICATION: cough. FINDINGS: Edema.")
    assert [(span.label_, span.text) for span in doc.spans["sections"]] == [
        ("leave_out", "cough."),
        ("findings", "Edema."),
    ]


def test_sentences_alone_keep_a_marker_with_its_item() -> None:
    doc = blank("medcutmix_sentences")("1. Edema 2. Small effusion. No nodule")
    assert [sent.text for sent in doc.sents] == ["1. Edema", "2. Small effusion.", "No nodule"]


def test_a_report_of_one_sentence_has_its_sentence() -> None:
    doc = blank("medcutmix_sentences")("Small left effusion.")
    assert [sent.text for sent in doc.sents] == ["Small left effusion."]


def test_findings_alone_and_behind_another_splitter() -> None:
    doc = blank("sentencizer", "medcutmix_findings")("Edema. No effusion.")
    assert [(span.label_, span._.assertion) for span in doc.spans["findings"]] == [
        ("Edema", None),
        ("Pleural Effusion", None),
    ]


def test_assertion_behind_another_splitter() -> None:
    doc = blank("sentencizer", "medcutmix_findings", "medcutmix_assertion")("Edema. No effusion.")
    assert [span._.assertion for span in doc.spans["findings"]] == ["present", "absent"]


def test_entities_of_another_recogniser_count_where_they_are_labelled_with_a_finding() -> None:
    nlp = blank("medcutmix_sentences")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "Pleural Effusion", "pattern": "fluid overload of the pleura"}, {"label": "ORG", "pattern": "Edema"}]
    )
    nlp.add_pipe("medcutmix_findings")
    nlp.add_pipe("medcutmix_assertion")
    doc = nlp("There is no fluid overload of the pleura.")
    assert ("Pleural Effusion", "absent") in [(s.label_, s._.assertion) for s in doc.spans["findings"]]


def test_abbreviations_that_a_report_defines_count_where_the_detector_is_in_the_pipeline() -> None:
    importlib.import_module("scispacy.abbreviation")
    nlp = blank("medcutmix_sentences")
    nlp.tokenizer = ReportTokenizer(nlp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the detector's own, about its empty matcher
        nlp.add_pipe("abbreviation_detector")
        nlp.add_pipe("medcutmix_findings")
        nlp.add_pipe("medcutmix_assertion")
        doc = nlp("There is pleural effusion (PE) on the left. The PE is small. No PE on the right.")
    assert [(s.text, s._.assertion) for s in doc.spans["findings"]] == [
        ("pleural effusion", "present"), ("PE", "present"), ("PE", "present"), ("PE", "absent"),
    ]  # fmt: skip


def test_the_tokeniser_is_scispacys_with_two_more_splits() -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer = spacy.registry.tokenizers.get("medcutmix.ReportTokenizer.v1")()(nlp)
    assert [t.text for t in nlp("No PTX.No pneumonia/atelectasis w/o left-sided edema.")] == [
        "No", "PTX", ".", "No", "pneumonia", "/", "atelectasis", "w/o", "left-sided", "edema", ".",
    ]  # fmt: skip
    long = "x" * 5000 + " edema  ok"
    assert nlp(long).text == long
