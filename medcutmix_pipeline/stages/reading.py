"""From listed studies to candidates for samples, their sentences, and what did not get in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.schemas.records import ImageRef, Reject, Report, Study
from medcutmix_pipeline.sources import UnusableInputError, read_report
from medcutmix_pipeline.stages.identities import Identities, assign_split
from medcutmix_pipeline.stages.ingest import ImageReject
from medcutmix_pipeline.stages.views import resolve_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.stages.sentences.reader import ReportReader

_STAGE = "reading"
_PROBLEMS = {
    "duplicate-id": "a study or image before it has the same identifier",
    "image-missing": "the image's file is not there",
    "path-outside-root": "the path leads out of the source's root",
    "patient-missing": "the source does not say whose study it is",
    "report-unreadable": "the report cannot be parsed",
    "split-conflict": "an earlier study of the same patient stands in another split",
    "split-unknown": "the source's word for the split is none that is known",
    "study-missing": "the source does not say to which study it belongs",
}


@dataclass
class PartRows:
    """What one part of the corpus gives: rows for the tables CANDIDATES, SENTENCES and REJECTS."""

    candidates: list[dict[str, object]] = field(default_factory=list)
    sentences: list[dict[str, object]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True)
class _Readable:
    """A study with a usable report, and the place of its first image in the part."""

    study: Study
    first_image: int
    text: str
    split: str


@dataclass(frozen=True)
class StudyReader:
    """Cleans and reads the reports of studies, settles their images' views, and names everything for the output."""

    config: Config
    reports: ReportReader
    identities: Identities

    def read(self, studies: Sequence[Study]) -> PartRows:
        """Turn studies with the source's identifiers into rows that have the output's identifiers only.

        Every image is in exactly one of `candidates` and `rejects`; a study without any candidate has a reject of kind
        `study` besides.
        """
        rows = PartRows()
        readable = list(self._usable_reports(studies, rows))
        read = self.reports.read_many([r.text for r in readable])
        for item, report in zip(readable, read, strict=True):
            before = len(rows.candidates)
            for place, image in enumerate(item.study.images):
                self._take_image(item, item.first_image + place, image, report, rows)
            if len(rows.candidates) > before:
                rows.sentences.extend(_sentence_rows(self.identities.study(item.study.study_id), report))
            elif item.study.images:
                rows.rejects.append(self._study_reject(item.study, "study-without-usable-image", "none can be used"))
            else:
                rows.rejects.append(self._study_reject(item.study, "study-without-image", "the study lists no image"))
        return rows

    def reject(self, study: Study, reason: str, detail: str) -> PartRows:
        """A study and all of its images as rejects."""
        images = [self._image_reject(study, image, reason, detail) for image in study.images]
        return PartRows(rejects=[*images, self._study_reject(study, reason, detail)])

    def _usable_reports(self, studies: Iterable[Study], rows: PartRows) -> Iterator[_Readable]:
        first_image = 0
        for study in studies:
            try:
                text = self._clean_report(study)
                split = assign_split(study.split, study.patient_id, self.config.splits, self.config.seed)
                if split is None:
                    raise UnusableInputError("split-unusable", "the source's name for the split is not one word")
                yield _Readable(study, first_image, text, split)
            except UnusableInputError as why:
                rows.rejects.extend(self.reject(study, why.reason, why.detail).rejects)
            first_image += len(study.images)

    def _clean_report(self, study: Study) -> str:
        if study.problem is not None:
            raise UnusableInputError(study.problem, _detail(study))
        text = self.reports.clean(read_report(study))
        if not text:
            raise UnusableInputError("report-empty", "nothing is left but headers, history or place-holders")
        return text

    def _take_image(self, item: _Readable, place: int, image: ImageRef, report: Report, rows: PartRows) -> None:
        study, names = item.study, self.identities
        if image.problem is not None:
            rows.rejects.append(self._image_reject(study, image, image.problem, _detail(image)))
            return
        try:
            view = resolve_view(image, self.config.ingest)
        except ImageReject as why:
            rows.rejects.append(self._image_reject(study, image, why.reason, why.detail))
            return
        sample_id = names.image(study.study_id, image.image_id)
        rows.candidates.append(
            {
                "sample_id": sample_id,
                "study_id": names.study(study.study_id),
                "patient_id": names.patient(study.patient_id),
                "view": view,
                "split": item.split,
                "text": item.text,
                "findings": matchable(report, self.reports.findings, self.config.pairing.exclude),
                "image": place,
                "hash": keyed_hash(self.config.seed, "place", sample_id),
            }
        )

    def _image_reject(self, study: Study, image: ImageRef, reason: str, detail: str) -> Reject:
        name = self.identities.image(study.study_id, image.image_id)
        return Reject("image", name, self.identities.study(study.study_id), _STAGE, reason, detail)

    def _study_reject(self, study: Study, reason: str, detail: str) -> Reject:
        name = self.identities.study(study.study_id)
        return Reject("study", name, name, _STAGE, reason, detail)


def _detail(listed: Study | ImageRef) -> str:
    """What the listing says of why an input cannot be used."""
    return listed.detail or _PROBLEMS.get(listed.problem or "", "the listing shows that it cannot be used")


def matchable(report: Report, findings: Sequence[str], exclude: Sequence[str]) -> list[int]:
    """Places in the lexicon of the findings that a report asserts and on which it may be matched, ascending."""
    return [code for code, name in enumerate(findings) if report.labels.get(name) == "present" and name not in exclude]


def _sentence_rows(study: str, report: Report) -> Iterator[dict[str, object]]:
    for sentence in report.sentences:
        for mention in sentence.mentions:
            yield {
                "study_id": study,
                "section": sentence.section,
                "start": sentence.start,
                "end": sentence.end,
                "sentence": sentence.text,
                "disease": mention.disease,
                "assertion": mention.assertion,
                "mention": report.text[mention.start : mention.end],
                "diagnostic": sentence.diagnostic,
            }
