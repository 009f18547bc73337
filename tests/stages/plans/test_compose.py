"""Mixed reports: what is cut, what goes in, what is left, and which mixes are dropped and why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.schemas.records import Mix
from medcutmix_pipeline.stages.plans.compose import compose
from medcutmix_pipeline.stages.plans.donors import diagnostic_sentences
from medcutmix_pipeline.stages.plans.edits import apply_edits
from medcutmix_pipeline.stages.sentences import ReportReader

READER = ReportReader(SentencesConfig())


def mixed(host: str, donor: str, disease: str) -> str:
    """The mixed text, or the reason."""
    sentence = diagnostic_sentences(READER.read(donor)).get(disease)
    assert sentence is not None, donor
    result = compose(READER.read(host), sentence, disease, READER)
    if isinstance(result, str):
        return result
    assert apply_edits(READER.read(host).text, result.edits) == result.text
    assert READER.read(result.text).labels == result.labels
    return result.text


CUTS = {
    "in place": (
        "The heart is normal. Small left effusion. No pneumothorax.",
        "The heart is normal. Large right effusion. No pneumothorax.",
    ),
    "at the first, and cut in the impression": (
        "FINDINGS: Small left effusion. No pneumothorax.\n\nIMPRESSION: Small effusion. No edema.",
        "FINDINGS: Large right effusion. No pneumothorax.\n\nIMPRESSION: No edema.",
    ),
    "an impression left empty goes with its header": (
        "FINDINGS: Small left effusion. No edema.\n\nIMPRESSION: Small effusion.",
        "FINDINGS: Large right effusion. No edema.",
    ),
    "last of a section": (
        "FINDINGS: No edema. Small left effusion.\n\nIMPRESSION: No edema. Effusion.",
        "FINDINGS: No edema. Large right effusion.\n\nIMPRESSION: No edema.",
    ),
    "list numbers close up": (
        "FINDINGS: Small effusion.\n\nIMPRESSION: 1. Effusion. 2. No edema. 3. No nodule.",
        "FINDINGS: Large right effusion.\n\nIMPRESSION: 1. No edema. 2. No nodule.",
    ),
    "a list item in place keeps its number": (
        "IMPRESSION: 1. No edema. 2. Small effusion. 3. No nodule.",
        "IMPRESSION: 1. No edema. 2. Large right effusion. 3. No nodule.",
    ),
    "an item with another sentence keeps its number": (
        "FINDINGS: Small effusion.\n\nIMPRESSION: 1. Effusion. No edema. 2. No nodule.",
        "FINDINGS: Large right effusion.\n\nIMPRESSION: 1. No edema. 2. No nodule.",
    ),
    "the last list item": (
        "FINDINGS: Small effusion.\n\nIMPRESSION: 1. No edema. 2. Effusion.",
        "FINDINGS: Large right effusion.\n\nIMPRESSION: 1. No edema.",
    ),
    "what only speaks on about it goes too": (
        "Small left effusion. This is unchanged. No edema.",
        "Large right effusion. No edema.",
    ),
    "and so does a fragment that was its end": (
        "Small left effusion. Likely due to overload. No edema.",
        "Large right effusion. No edema.",
    ),
    "and a mere comparison": (
        "IMPRESSION: 1. Small effusion. Decreased from the prior study. 2. No edema.",
        "IMPRESSION: 1. Large right effusion. 2. No edema.",
    ),
    "doubt about it goes too": (
        "Small left effusion. Possible right effusion. No edema.",
        "Large right effusion. No edema.",
    ),
    "doubt stays where more is said": (
        "Small left effusion. Cardiomegaly, possible right effusion. No edema.",
        "Large right effusion. Cardiomegaly, possible right effusion. No edema.",
    ),
    "the host's label stays": (
        "LUNGS: No edema. PLEURA: Small effusion. No pneumothorax. HEART: Normal.",
        "LUNGS: No edema. PLEURA: Large right effusion. No pneumothorax. HEART: Normal.",
    ),
    "a label stays for what was written under it": (
        "FINDINGS: Small effusion.\n\nIMPRESSION: LUNGS: Normal. PLEURA: Effusion. No pneumothorax.",
        "FINDINGS: Large right effusion.\n\nIMPRESSION: LUNGS: Normal. PLEURA: No pneumothorax.",
    ),
    "a label with nothing under it goes": (
        "FINDINGS: Small effusion.\n\nIMPRESSION: 1. PLEURA: Effusion. 2. HEART: Normal.",
        "FINDINGS: Large right effusion.\n\nIMPRESSION: 1. HEART: Normal.",
    ),
    "a label that names a side goes with its sentence": (
        "Left pleura: Small effusion. No edema.",
        "Large right effusion. No edema.",
    ),
}


@pytest.mark.parametrize("case", CUTS)
def test_the_hosts_sentences_are_cut_and_the_donors_goes_in(case: str) -> None:
    host, expected = CUTS[case]
    assert mixed(host, "Large right effusion.", "Pleural Effusion") == expected


DROPS = {
    "contradiction": ("Small effusion. Cardiomegaly.", "Effusion without cardiomegaly.", "Pleural Effusion"),
    "denied-finding": ("Small effusion. No cardiomegaly.", "Cardiomegaly with effusion.", "Pleural Effusion"),
    "text-unchanged": ("Small effusion. No edema.", "Small effusion.", "Pleural Effusion"),
    "host-lacks-disease": ("Possible effusion.", "Small effusion.", "Pleural Effusion"),
    "dangling-reference": ("Small effusion. This is new, with edema.", "Large effusion.", "Pleural Effusion"),
    "said-twice": (
        "Small effusion. Mild cardiomegaly and edema.",
        "Severe cardiomegaly with effusion.",
        "Pleural Effusion",
    ),
}


@pytest.mark.parametrize("reason", DROPS)
def test_a_mix_that_does_not_hold_is_dropped_for_a_stable_reason(reason: str) -> None:
    host, donor, disease = DROPS[reason]
    first = mixed(host, donor, disease)
    assert first == ("contradiction" if reason == "denied-finding" else reason)


@pytest.mark.parametrize(
    ("host", "donor", "disease", "text"),
    [
        (
            "Small effusion.",
            "LUNGS/PLEURA: There is a right effusion.",
            "Pleural Effusion",
            "There is a right effusion.",
        ),
        ("PICC in place.", "Lines and tubes: Left chest tube.", "Support Devices", "Left chest tube."),
        ("Mild cardiomegaly.", "Heart: Enlarged.", "Cardiomegaly", "Heart: Enlarged."),
        ("Heart: Enlarged. No edema.", "Severe cardiomegaly.", "Cardiomegaly", "Heart: Severe cardiomegaly. No edema."),
        ("Heart: Large.", "Heart: Enlarged.", "Cardiomegaly", "Heart: Enlarged."),
    ],
)
def test_a_label_is_lent_only_where_the_sentence_needs_it(host: str, donor: str, disease: str, text: str) -> None:
    assert mixed(host, donor, disease) == text


def test_a_finding_that_the_host_denied_in_the_cut_sentence_is_not_asserted() -> None:
    assert mixed("Small effusion without edema.", "Edema with effusion.", "Pleural Effusion") == "denied-finding"


@pytest.mark.parametrize(
    ("host", "donor", "disease"),
    [
        ("The lungs are clear. Small effusion.", "Small effusion and atelectasis.", "Pleural Effusion"),
        ("The bony thorax is intact. Small effusion.", "Small effusion with rib fracture.", "Pleural Effusion"),
        ("Old rib fracture. No acute bony abnormality.", "Displaced right rib fracture.", "Fracture"),
    ],
)
def test_a_normal_statement_denies_too(host: str, donor: str, disease: str) -> None:
    assert mixed(host, donor, disease) == "denied-finding"


def test_no_acute_fracture_allows_an_old_one() -> None:
    host = "Healed left rib fracture. No acute bony abnormality."
    assert mixed(host, "Old right rib fracture.", "Fracture") == "Old right rib fracture. No acute bony abnormality."


@pytest.mark.parametrize(
    "donor",
    [
        "The effusion is unchanged.",
        "This is a small effusion.",
        "XXXX effusion at the left base.",
        "No effusion.",
        "Possible effusion.",
        "small effusion",
    ],
)
def test_a_sentence_that_does_not_stand_alone_is_no_donor(donor: str) -> None:
    report = READER.read(donor)
    assert diagnostic_sentences(report).get("Pleural Effusion") is None
    host = READER.read("Small effusion.")
    assert compose(host, report.sentences[0], "Pleural Effusion", READER) == "donor-poor"


def test_the_best_sentence_is_the_plain_one() -> None:
    report = READER.read(
        "Stable effusion at the left base. Cardiomegaly with effusion. Small left effusion. Right effusion."
    )
    best = diagnostic_sentences(report).get("Pleural Effusion")
    assert best is not None
    assert best.text == "Small left effusion."


SENTENCES = st.sampled_from(
    [
        "Small left effusion.", "Large right effusion.", "No effusion.", "Possible effusion.", "Cardiomegaly.",
        "Cardiomegaly with effusion.", "Cardiomegaly without effusion.", "The heart is normal.", "No edema.",
        "Mild edema.", "This is unchanged.", "Effusion and edema.", "The lungs are clear.", "Likely due to overload.",
        "Degenerative changes.", "No change in the effusion.", "These findings are new.",
    ]
)  # fmt: skip


@st.composite
def reports(draw: st.DrawFn) -> str:
    """Sections of sentences, some of them numbered."""
    parts = []
    for header in draw(st.sampled_from([("",), ("FINDINGS: ",), ("FINDINGS: ", "IMPRESSION: ")])):
        sentences = draw(st.lists(SENTENCES, min_size=1, max_size=6))
        if draw(st.booleans()):
            sentences = [f"{i}. {sentence}" for i, sentence in enumerate(sentences, 1)]
        parts.append(header + " ".join(sentences))
    return READER.clean("\n\n".join(parts))


@settings(max_examples=200, deadline=None)
@given(reports(), reports(), st.sampled_from(["Pleural Effusion", "Cardiomegaly", "Edema"]))
def test_every_mix_keeps_what_the_design_promises(host_text: str, donor_text: str, disease: str) -> None:
    host = READER.read(host_text)
    donor = diagnostic_sentences(READER.read(donor_text)).get(disease)
    if donor is None:
        return
    mix = compose(host, donor, disease, READER)
    if not isinstance(mix, Mix):
        assert mix.replace("-", "").isalpha()
        return
    read = READER.read(mix.text)
    assert mix.labels == read.labels
    assert mix.labels[disease] == "present"
    assert donor.text in mix.text
    said: dict[str, set[str]] = {}
    for mention in (m for s in read.sentences for m in s.mentions):
        said.setdefault(mention.disease, set()).add(mention.assertion)
    assert not any({"present", "absent"} <= assertions for assertions in said.values())
    assert not any(host.labels.get(name) == "absent" and label != "absent" for name, label in mix.labels.items())
    assert sum(s.asserts(disease) for s in read.sentences) == 1
    ends = [0, *(edit.end for edit in mix.edits)]
    assert all(end <= edit.start <= edit.end for end, edit in zip(ends, mix.edits, strict=False))
    assert "  " not in mix.text
    assert mix.text == mix.text.strip()
    assert READER.clean(mix.text) == mix.text


@pytest.mark.parametrize(
    "host",
    [
        "FINDINGS: Moderate cardiomegaly. No effusion.\n\nIMPRESSION: Changes of the heart as described above.",
        "FINDINGS: Moderate cardiomegaly. No effusion.\n\nIMPRESSION: Cardiomegaly. Otherwise, clear.",
    ],
)
def test_nothing_that_stays_points_to_what_is_gone(host):
    assert mixed(host, "The heart is mildly enlarged.", "Cardiomegaly") == "dangling-reference"


def test_an_otherwise_that_still_follows_something_may_stay():
    host = "FINDINGS: Moderate cardiomegaly. Otherwise, the chest is unremarkable."
    told = "FINDINGS: The heart is mildly enlarged. Otherwise, the chest is unremarkable."
    assert mixed(host, "The heart is mildly enlarged.", "Cardiomegaly") == told


def test_a_sentence_that_goes_on_from_another_is_not_lent():
    report = READER.read("FINDINGS: The heart is also enlarged.")
    assert report.labels["Cardiomegaly"] == "present"
    assert diagnostic_sentences(report).get("Cardiomegaly") is None
