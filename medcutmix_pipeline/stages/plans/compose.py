"""The text side of mixing: the donor's diagnostic sentence goes into the host's report in place of the host's own.

All of the host's sentences that assert the finding are cut, so that no severity or side contradicts another; the
donor's goes in at the first. The mixed text is read again with the same reader, and is kept only if the finding is
present in it, no finding is both present and absent, and nothing that the host denied is said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medcutmix_pipeline.schemas.records import Mix, Report, Sentence
from medcutmix_pipeline.stages.plans.edits import apply_edits, swap

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences import ReportReader

HOST_LACKS_DISEASE = "host-lacks-disease"
DONOR_POOR = "donor-poor"
DANGLING_REFERENCE = "dangling-reference"
TEXT_UNCHANGED = "text-unchanged"
DISEASE_LOST = "disease-lost"
CONTRADICTION = "contradiction"
DENIED_FINDING = "denied-finding"
SAID_TWICE = "said-twice"

DEVICES = "Support Devices"
_CLEAR = re.compile(r"\b(left|right) (?:lung|hemithorax|lung field)\b[^.;,]{0,40}\bclear\b", re.I)
_SIDE = re.compile(r"\b(left|right)\b", re.I)
_POINTS_BACK = re.compile(r"\b(?:described|noted|discussed|mentioned|detailed|outlined) (?:above|below)\b", re.I)
_REST = re.compile(r"otherwise\b", re.I)
_GOES_ON = re.compile(r"\b(?:also|as well|surrounding)\b", re.I)
_BOTH = re.compile(r"\b(?:bilateral\w*|bibasilar|both|diffuse\w*)\b", re.I)


def diagnostic_sentence(report: Report, disease: str) -> Sentence | None:
    """The sentence of the report that says best that the finding is there; None where none can stand alone.

    Those that compare with a prior study come last, those that name the fewest other findings first; among equals the
    earlier one. One that says "also" or the like goes on from another that would not come along.
    """
    able = [s for s in report.sentences if s.diagnostic and s.asserts(disease) and not _GOES_ON.search(s.text)]
    return min(able, key=lambda s: (s.comparison, len({m.disease for m in s.mentions}), s.start), default=None)


def compose(host: Report, donor: Sentence, disease: str, reader: ReportReader) -> Mix | str:
    """The host's report with the donor's sentence, or the stable reason why there is none.

    Edits are `[start, end, text]` on `host.text`, ascending and without overlap; list numbers behind a cut item close
    up, and a section that is left empty goes with its header.
    """
    if not (donor.diagnostic and donor.asserts(disease)):
        return DONOR_POOR
    cut = [i for i, sentence in enumerate(host.sentences) if sentence.asserts(disease)]
    if not cut:
        return HOST_LACKS_DISEASE
    told = {m.disease for m in donor.mentions if m.assertion == "present"} | reader.shown_as.get(disease, frozenset())
    again = {i for i, s in enumerate(host.sentences) if i not in cut and (_asserted(s, told) or _doubts(s, disease))}
    followers = _followers(host, {*cut, *again}, reader)
    if followers is None:
        return DANGLING_REFERENCE
    gone = {*cut[1:], *again, *followers}
    if _dangles(host, cut[0], gone):
        return DANGLING_REFERENCE
    edits = swap(host, cut[0], gone, donor.text)
    text = apply_edits(host.text, edits)
    if text == host.text:
        return TEXT_UNCHANGED
    mixed = reader.read(text)
    return _problem(host, mixed, donor, disease, reader) or Mix(edits, text, mixed.labels)


def _asserted(sentence: Sentence, told: set[str]) -> bool:
    """Whether the sentence asserts something, and nothing but what the donor's sentence tells, or tells otherwise."""
    own = {m.disease for m in sentence.mentions if m.assertion == "present"}
    return bool(own) and own <= told


def _doubts(sentence: Sentence, disease: str) -> bool:
    """Whether the sentence only wonders about the finding: "probable mild cardiomegaly", when the donor's is severe."""
    said = {m.disease: m.assertion for m in sentence.mentions}
    return said.get(disease) == "uncertain" and "present" not in said.values()


def _followers(host: Report, cut: set[int], reader: ReportReader) -> set[int] | None:
    """Sentences that only speak on about one that is cut ("This is unchanged."); None where one says more than that."""
    found: set[int] = set()
    for i, sentence in enumerate(host.sentences):
        before = i - 1 in cut or i - 1 in found
        if i in cut or not before or sentence.section != host.sentences[i - 1].section:
            continue
        if not reader.refers_back(sentence.text):
            continue
        if any(m.assertion == "present" for m in sentence.mentions):
            return None
        found.add(i)
    return found


def _dangles(host: Report, first: int, gone: set[int]) -> bool:
    """Whether a sentence that stays points to what is gone: "as described above", or an "Otherwise" after nothing."""
    opened: set[str] = set()
    for i, sentence in enumerate(host.sentences):
        if i in gone:
            continue
        if i != first and _POINTS_BACK.search(sentence.text):
            return True
        if sentence.section not in opened and i != first and i - 1 in gone and _REST.match(sentence.text):
            return True
        opened.add(sentence.section)
    return False


def _problem(host: Report, mixed: Report, donor: Sentence, disease: str, reader: ReportReader) -> str | None:
    if mixed.labels.get(disease) != "present":
        return DISEASE_LOST
    if _conflicts(mixed, "present") or _conflicts(mixed, "uncertain") - _conflicts(host, "uncertain"):
        return CONTRADICTION
    said = {name for name, assertion in mixed.labels.items() if assertion != "absent"}
    if any(host.labels.get(name) == "absent" for name in said):
        return DENIED_FINDING
    if reader.contradicts(host, donor) or _clear_side(host, donor):
        return DENIED_FINDING
    told = {m.disease for m in donor.mentions if m.assertion == "present"} - set(reader.part_of.values()) - {DEVICES}
    for name in told:
        if sum(sentence.asserts(name) for sentence in mixed.sentences) > 1:
            return SAID_TWICE
    return None


def _clear_side(host: Report, donor: Sentence) -> bool:
    """Whether the host calls the lung clear on a side of which the donor's sentence speaks."""
    sides = {match.group(1).lower() for match in _CLEAR.finditer(host.text)}
    spoken = {word.lower() for word in _SIDE.findall(donor.text)}
    return bool(sides) and (not sides.isdisjoint(spoken) or bool(_BOTH.search(donor.text)))


def _conflicts(report: Report, other: str) -> set[str]:
    """The findings that the report both denies and calls `other`."""
    found: dict[str, set[str]] = {}
    for sentence in report.sentences:
        for mention in sentence.mentions:
            found.setdefault(mention.disease, set()).add(mention.assertion)
    return {name for name, assertions in found.items() if {"absent", other} <= assertions}
