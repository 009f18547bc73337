"""The records that stages take and return. Plain dataclasses: cheap to make, to pickle and to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Assertion = Literal["present", "uncertain", "absent"]
"""What a report says of a finding."""

View = Literal["frontal", "lateral"]
"""The two projections that become samples; PA and AP are both frontal."""

Labels = dict[str, Assertion]
"""Finding → the strongest assertion of its mentions, present > uncertain > absent."""

STRENGTH: dict[Assertion, int] = {"absent": 0, "uncertain": 1, "present": 2}


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image that a source lists.

    `view` is frontal or lateral, any other word for a projection that the pipeline leaves out, or None where the source
    does not say. `fingerprint` changes when the file does (size and modification time). `problem` is the reason code
    where the listing already shows that the image cannot be used (`image-missing`, `path-outside-root`); `detail` says
    more of it, without patient data, where there is more to say.
    """

    image_id: str
    uri: str
    view: str | None = None
    fingerprint: str = ""
    problem: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """One study as its source tells it, with the source's own identifiers.

    The report is given as `report` or, where it is a file of its own, as `report_uri`. `split` is None where the
    source has none. `problem` is the reason code where the study cannot be used at all (`patient-missing`,
    `report-unreadable`), `detail` as for images.
    """

    study_id: str
    patient_id: str
    images: tuple[ImageRef, ...]
    report: str | None = None
    report_uri: str | None = None
    report_fingerprint: str = ""
    split: str | None = None
    problem: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding named in a report: `start` and `end` are character offsets into the report's cleaned text.

    `rule` names what decided the assertion, for people who ask why.
    """

    disease: str
    assertion: Assertion
    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a cleaned report; `text == report.text[start:end]`.

    `diagnostic`: asserts at least one finding as present and stands alone, so that it may be put into another report.
    `comparison`: says little but how things changed since a prior study, so that it is a poor donor.
    """

    section: str
    start: int
    end: int
    text: str
    mentions: tuple[Mention, ...] = ()
    diagnostic: bool = False
    comparison: bool = False

    def asserts(self, disease: str) -> bool:
        """Whether the sentence says that the finding is present."""
        return any(m.disease == disease and m.assertion == "present" for m in self.mentions)


@dataclass(frozen=True, slots=True)
class Report:
    """A cleaned report and what it says."""

    text: str
    sentences: tuple[Sentence, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `text[start:end]` of the host's report by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Mix:
    """A mixed report: the edits in ascending order, the text they give, and that text's own labels."""

    edits: tuple[Edit, ...]
    text: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Reject:
    """An input that did not get in: `input` is pseudonymised like the keys, `detail` has nothing of a patient."""

    kind: Literal["image", "study"]
    input: str
    study: str
    stage: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class PlacedSample:
    """A placed sample. Identifiers are those of the output; `uri` and `fingerprint` are the source's."""

    sample_id: str
    study_id: str
    patient_id: str
    view: View
    split: str
    text: str
    uri: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """What a sample's own image shows of one of its own sentences; the pixels are in the sample's `attn.npy`."""

    disease: str
    sentence: str
    score: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to mix a host with a donor of the same shard."""

    plan_id: str
    disease: str
    host: int
    donor: int
    host_map: int
    donor_map: int
    lam: float
    mix: Mix = field(repr=False)
