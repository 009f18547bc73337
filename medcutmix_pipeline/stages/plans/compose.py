"""The text side of mixing: the donor's diagnostic sentence goes into the host's report in place of the host's own.

All of the host's sentences that assert the finding are cut, so that no severity or side contradicts another; the
donor's goes in at the first. The mixed text is read again with the same reader, and is kept only if the finding is
present in it, no finding is both present and absent, and nothing that the host denied is said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.schemas.records import Mix, Report, Sentence
from medcutmix_pipeline.stages.plans.coherence import BESIDE_THE_LUNG, OPACITY, clears_the_rest, fits
from medcutmix_pipeline.stages.plans.donors import lendable
from medcutmix_pipeline.stages.plans.edits import apply_edits, swap

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from medcutmix_pipeline.stages.sentences import ReportReader

HOST_LACKS_DISEASE = "host-lacks-disease"
DONOR_POOR = "donor-poor"
DANGLING_REFERENCE = "dangling-reference"
TEXT_UNCHANGED = "text-unchanged"
DISEASE_LOST = "disease-lost"
CONTRADICTION = "contradiction"
DENIED_FINDING = "denied-finding"
SAID_TWICE = "said-twice"
DOES_NOT_FIT = "does-not-fit"

DEVICES = "Support Devices"
_POINTS_BACK = re.compile(r"\b(?:described|noted|discussed|mentioned|detailed|outlined) (?:above|below)\b", re.I)
_REST = re.compile(r"\b(?:otherwise|remainder|remaining|rest of|elsewhere)\b", re.I)
_SPEAKS_ON = re.compile(
    r"(?:not|showing|measuring|seen|located|less|more|greater|worse|other|another|however|nevertheless|nonetheless"
    r"|alternatively|also|additionally|furthermore|in addition|but)\b"
    r"|(?:there (?:is|are) )?(?:associated|adjacent|accompanying|corresponding)\b"
    r"|(?:there (?:is|are) )?(?:raises?|suggests?|concerning|suspicious)\b"
    r"|.*\b(?:is|are) (?:also|less|more|equally) (?:possible|likely|considered|considerations?|in the differential)\b"
    r"|(?:\w+ ){0,3}(?:smaller|larger|better|increased|decreased) (?:than|since|compared|from)\b"
    r"|.*\ban? (?:more|less|larger|smaller|similar) \w+"
    r"|.*\b(?:however|extension|(?:this|that) (?:region|area|location|lesion|finding|opacity|nodule))\b"
    r"|(?:\w+\W+){0,8}?(?:this|these|those|it|they) (?:\w+ )?"
    r"(?:is|are|was|were|may|might|could|can|would|should|does|do|has|have|appears?|represents?|reflects?)\b"
    r"|.*\b(?:the|its|their) (?:\w+ )?(?:appearance|distribution|configuration|location)\b(?! of)",
    re.I,
)
# A label inside a section that names what follows: "Chest 1.", "Right shoulder.".
_LABEL = re.compile(
    r"(?:\w+ ){1,3}1\.|(?:right|left) (?:shoulder|humerus|hand|wrist|elbow|knee|hip|ankle|foot)\b.{0,8}", re.I
)
_CONCLUDES = re.compile(
    r"\bfindings? (?:are|is|were|may|could|would|suggest\w*|consistent|compatible|concerning)\b", re.I
)
_ADVISES = re.compile(
    r"\brecommend\w*|\bfollow ?-?up\b|\bfurther (?:evaluat|charac|assess|imag)\w*|\bcorrelat\w+"
    r"|\b(?:advised?|helpful|indicated|warranted|work ?-?up)\b|\bto document\b|\bpatient\b",
    re.I,
)


def compose(host: Report, donor: Sentence, disease: str, reader: ReportReader) -> Mix | str:
    """The host's report with the donor's sentence, or the stable reason why there is none.

    Edits are `[start, end, text]` on `host.text`, ascending and without overlap; list numbers behind a cut item close
    up, and a section that is left empty goes with its header.
    """
    if not (donor.diagnostic and donor.asserts(disease) and lendable(donor)):
        return DONOR_POOR
    cut = [i for i, sentence in enumerate(host.sentences) if sentence.asserts(disease)]
    if not cut:
        return HOST_LACKS_DISEASE
    meant = {d for d, others in reader.shown_as.items() if disease in others}
    same = reader.shown_as.get(disease, frozenset()) | meant
    told = {m.disease for m in donor.mentions if m.assertion == "present"} | same
    again = {i for i, s in enumerate(host.sentences) if i not in cut and (_asserted(s, told) or _doubts(s, disease))}
    first = min([*cut, *(i for i in again if _asserted(host.sentences[i], same))])
    followers = _followers(host, {*cut, *again}, first, reader)
    if followers is None:
        return DANGLING_REFERENCE
    gone = {*cut, *again, *followers} - {first}
    if _dangles(host, first, gone, disease):
        return DANGLING_REFERENCE
    edits = swap(host, first, gone, donor.text)
    text = apply_edits(host.text, edits)
    if text == host.text:
        return TEXT_UNCHANGED
    mixed = reader.read(text)
    rest = [s for i, s in enumerate(host.sentences) if i != first and i not in gone]
    if disease in reader.part_of.values() and any(s.asserts(name) for s in rest for name in meant):
        return SAID_TWICE
    if OPACITY in (disease, reader.part_of.get(disease)) and clears_the_rest(host, first, gone, reader.part_of):
        return DOES_NOT_FIT
    return _problem(host, rest, mixed, donor, disease, reader) or Mix(edits, text, mixed.labels)


def _asserted(sentence: Sentence, told: AbstractSet[str]) -> bool:
    """Whether the sentence asserts something, and nothing but what the donor's sentence tells, or tells otherwise."""
    own = {m.disease for m in sentence.mentions if m.assertion == "present"}
    return bool(own) and own <= told


def _doubts(sentence: Sentence, disease: str) -> bool:
    """Whether the sentence only wonders about the finding: "probable mild cardiomegaly", when the donor's is severe."""
    said = {m.disease: m.assertion for m in sentence.mentions}
    return said.get(disease) == "uncertain" and "present" not in said.values()


def _followers(host: Report, cut: set[int], first: int, reader: ReportReader) -> set[int] | None:
    """Sentences that only speak on about one that is cut ("This is unchanged."); None where one says more than that.

    Advice behind a sentence that goes without a replacement goes with it.
    """
    found: set[int] = set()
    for i, sentence in enumerate(host.sentences):
        before = i - 1 in cut or i - 1 in found
        if i in cut or not before or sentence.section != host.sentences[i - 1].section:
            continue
        asserts = any(m.assertion == "present" for m in sentence.mentions)
        if reader.refers_back(sentence.text) or _SPEAKS_ON.match(sentence.text):
            if asserts:
                return None
            found.add(i)
        elif i - 1 != first and not asserts and _ADVISES.search(sentence.text):
            found.add(i)
    return found


def _dangles(host: Report, first: int, gone: set[int], disease: str) -> bool:
    """Whether a sentence that stays points to what is gone: "as described above", or an "otherwise" after nothing."""
    opened: set[str] = set()
    for i, sentence in enumerate(host.sentences):
        if i in gone:
            continue
        if i != first and _POINTS_BACK.search(sentence.text):
            return True
        if _LABEL.fullmatch(sentence.text) and (i + 1 == first or i + 1 in gone):
            return True
        if i > first and disease not in BESIDE_THE_LUNG and _CONCLUDES.search(sentence.text):
            return True
        if sentence.section not in opened and i != first and i - 1 in gone and _REST.search(sentence.text):
            return True
        opened.add(sentence.section)
    return False


def _problem(
    host: Report, rest: list[Sentence], mixed: Report, donor: Sentence, disease: str, reader: ReportReader
) -> str | None:
    if mixed.labels.get(disease) != "present":
        return DISEASE_LOST
    if _conflicts(mixed, "present") or _conflicts(mixed, "uncertain") - _conflicts(host, "uncertain"):
        return CONTRADICTION
    denied_still = {m.disease for sentence in rest for m in sentence.mentions if m.assertion == "absent"}
    if _said_against(donor, denied_still, reader):
        return CONTRADICTION
    said = {name for name, assertion in mixed.labels.items() if assertion != "absent"}
    if any(host.labels.get(name) == "absent" for name in said):
        return DENIED_FINDING
    if reader.contradicts(host, donor):
        return DENIED_FINDING
    denied = {name for name, assertion in host.labels.items() if assertion == "absent"}
    if not fits(donor, rest, denied, reader.part_of):
        return DOES_NOT_FIT
    told = {m.disease for m in donor.mentions if m.assertion == "present"} - set(reader.part_of.values()) - {DEVICES}
    for name in told:
        if sum(sentence.asserts(name) for sentence in mixed.sentences) > 1:
            return SAID_TWICE
    return None


def _said_against(donor: Sentence, denied: set[str], reader: ReportReader) -> bool:
    """Whether the donor's sentence raises what the host's other sentences deny, or tells by name what they deny whole.

    A pneumonia is no sight but what one means ("no infiltrate" denies it too); an atelectasis can be without opacity.
    """
    raised = {m.disease for m in donor.mentions if m.assertion != "absent"}
    meant = {reader.part_of[name] for name in raised if name in reader.shown_as and name in reader.part_of}
    return not denied.isdisjoint(raised | meant)


def _conflicts(report: Report, other: str) -> set[str]:
    """The findings that the report both denies and calls `other`."""
    found: dict[str, set[str]] = {}
    for sentence in report.sentences:
        for mention in sentence.mentions:
            found.setdefault(mention.disease, set()).add(mention.assertion)
    return {name for name, assertions in found.items() if {"absent", other} <= assertions}
