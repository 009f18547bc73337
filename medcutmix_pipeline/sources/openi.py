"""`openi`: the Indiana University chest radiographs as the U.S. National Library of Medicine distributes them.

Demner-Fushman et al., Preparing a collection of radiology examinations for distribution and retrieval,
JAMIA 2016;23(2):304-310.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.records import ImageRef, Study
from medcutmix_pipeline.sources.base import SourceDescription, unreadable_row, view_of
from medcutmix_pipeline.sources.headers import check_once
from medcutmix_pipeline.sources.openi_xml import OpeniReport, UnreadableReportError, parse
from medcutmix_pipeline.sources.reading import UnusableInputError, read_bytes
from medcutmix_pipeline.sources.tables import Row, columns, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.sources.trees import Entry, Tree

REPORTS = "ecgen-radiology"
VIEWS = "images.csv"
_COLUMNS = ("image_id", "study", "view")

_PREFERENCE = (".dcm", ".png", ".jpg", ".jpeg")
"""Which file stands for an image that is there in several formats: the one closest to the original."""

_REPORT_LIMIT = 1 << 22

DESCRIPTION = SourceDescription(
    kind="openi",
    title="Open-I, the Indiana University chest radiographs (3,955 reports, 7,470 images)",
    layout="""ROOT/
├── ecgen-radiology/       1.xml, 2.xml, …: the reports
├── images.csv             optional: image_id,view
└── any folders/           CXR1_1_IM-0001-3001.png, .dcm, .jpg or .jpeg: the images, by their ids""",
    licence="CC BY-NC-ND 4.0 (openi.nlm.nih.gov); its identifiers are public and stay as they are",
    example="medcutmix-pipeline build --source openi --root openi --out out/openi",
)


@dataclass
class _Table:
    """What the table of images says: image → view, study → images, images without a study, and rows beyond reading."""

    views: dict[str, str | None] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    without_study: list[str] = field(default_factory=list)
    damaged: list[Row] = field(default_factory=list)

    def take(self, row: Row) -> None:
        """Put a row where it belongs."""
        if row.cells is None or "image_id" not in row.cells:
            self.damaged.append(row)
            return
        image_id = row.cells["image_id"].strip()
        self.views[image_id] = view_of(row.cells.get("view"))
        if "study" in row.cells:
            self.listed[row.cells["study"].strip()].append(image_id)
        else:
            self.without_study.append(image_id)


@dataclass(frozen=True)
class OpeniSource:
    """The studies of a copy of Open-I. A study is taken as one patient, since the collection does not tell patients."""

    tree: Tree
    kind: str = "openi"
    public_ids: bool = True

    def studies(self) -> Iterator[Study]:
        """Every report in the order of the files' names, then what only the table of images knows."""
        files = self._images()
        table = self._table()
        views, listed = table.views, table.listed
        unnamed = dict.fromkeys(table.without_study)
        for entry in self.tree.files(REPORTS):
            if entry.path.lower().endswith(".xml"):
                study = self._study(entry, files, views, listed)
                listed.pop(study.study_id, None)
                for image in study.images:
                    unnamed.pop(image.image_id, None)
                yield study
        for study_id in sorted(listed):
            images = tuple(self._image(i, files, views.get(i)) for i in listed[study_id])
            yield Study(study_id, study_id, images, problem="report-missing")
        for image_id in unnamed:
            yield Study(image_id, "", (self._image(image_id, files, views[image_id]),), problem="study-missing")
        for row in table.damaged:
            yield unreadable_row(row, VIEWS)

    def _study(
        self, entry: Entry, files: dict[str, Entry], views: dict[str, str | None], listed: dict[str, list[str]]
    ) -> Study:
        report, problem = _parsed(entry)
        study_id = report.study_id or "CXR" + posixpath.basename(entry.path)[: -len(".xml")]
        named = [*report.images, *listed.get(study_id, ())]
        if problem:
            # Nobody can say any more which images the report named; those called after the study are the ones.
            named += sorted(i for i in files if i.startswith((f"{study_id}_", f"{study_id}-")))
        ids = list(dict.fromkeys(named))
        caption = caption_view(report.images.get(ids[0], "")) if len(ids) == 1 else None
        images = tuple(self._image(i, files, views.get(i) or caption) for i in ids)
        return Study(
            study_id, study_id, images, report=report.text, report_fingerprint=entry.fingerprint, problem=problem
        )

    def _image(self, image_id: str, files: dict[str, Entry], view: str | None) -> ImageRef:
        entry = files.get(image_id)
        if entry is None:
            return ImageRef(image_id, "", view, problem="path-outside-root" if self.tree.outside else "image-missing")
        return ImageRef(image_id, entry.uri, view, entry.fingerprint, entry.problem)

    def _images(self) -> dict[str, Entry]:
        """Every image file below the root by its id, which is its name."""
        found: dict[str, Entry] = {}
        rank: dict[str, int] = {}
        for entry in self.tree.files():
            stem, suffix = posixpath.splitext(posixpath.basename(entry.path))
            if suffix.lower() in _PREFERENCE:
                place = _PREFERENCE.index(suffix.lower())
                if place < rank.get(stem, len(_PREFERENCE)):
                    found[stem], rank[stem] = entry, place
        return found

    def _table(self) -> _Table:
        """The table of images, where it is there."""
        table = _Table()
        if VIEWS not in self.tree.names():
            return table
        with self.tree.open(VIEWS) as file:
            found = columns(file, VIEWS)
        if "image_id" not in found:
            raise DataError(f"{VIEWS} lacks the column image_id")
        check_once(found, _COLUMNS, VIEWS)
        with self.tree.open(VIEWS) as file:
            for row in rows(file, VIEWS, _COLUMNS):
                table.take(row)
        return table


def _parsed(entry: Entry) -> tuple[OpeniReport, str | None]:
    """A report's file as it reads, and the reason code where it does not."""
    nothing = OpeniReport(study_id="", text=None, images={})
    if entry.problem:
        return nothing, entry.problem.replace("image-", "report-")
    try:
        return parse(read_bytes(entry.uri, _REPORT_LIMIT, "report")), None
    except UnusableInputError as error:
        return nothing, error.reason
    except UnreadableReportError:
        return nothing, "report-unreadable"


_FRONTAL = re.compile(r"\b(?:pa|ap|frontal|anteroposterior|posteroanterior)\b", re.IGNORECASE)
_LATERAL = re.compile(r"\b(?:lateral|lat)\b", re.IGNORECASE)
_SEVERAL = re.compile(
    r"\b(?:[2-9]|two|three|four)\b|\b[2-9]v\b|\bviews\b|\band\b|/|&|decub|\bX{3,}\s+lat", re.IGNORECASE
)


def caption_view(caption: str) -> str | None:
    """The view that a caption names, where it names one and cannot mean several.

    Ask only for studies of a single image: in studies of two whose caption names one frontal view, the other image is a
    lateral all the same. De-identification also hides words, so a place-holder before "lateral" counts as a view.
    """
    if _SEVERAL.search(caption):
        return None
    frontal, lateral = bool(_FRONTAL.search(caption)), bool(_LATERAL.search(caption))
    if frontal == lateral:
        return None
    return "frontal" if frontal else "lateral"


class OpeniAdapter:
    """Opens a copy of Open-I."""

    description = DESCRIPTION

    def recognises(self, tree: Tree) -> bool:
        """Whether the folder of reports is there."""
        return REPORTS in tree.folders()

    def open(self, tree: Tree, root: str) -> OpeniSource:
        """The studies of the copy."""
        if not self.recognises(tree):
            raise UsageError(f"{root} does not look like openi: the folder {REPORTS} with the reports is expected")
        if not any(name.lower().endswith(".xml") for name in tree.names(REPORTS)):
            raise DataError(f"{root} has no studies: no .xml in {REPORTS}")
        return OpeniSource(tree)
