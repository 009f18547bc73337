"""`mimic-cxr-jpg`: MIMIC-CXR-JPG with the reports of MIMIC-CXR, in PhysioNet's layout.

Johnson et al., MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs, arXiv 1901.07042.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.records import ImageRef, Study
from medcutmix_pipeline.sources.base import SourceDescription, split_of, view_of
from medcutmix_pipeline.sources.mimic_tables import Listing, read_listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.sources.trees import Entry, Tree

IMAGES = "files"
REPORT_FOLDERS = ("mimic-cxr-reports/files", IMAGES)

_GROUP = re.compile(r"p\d{2}")
_PATIENT = re.compile(r"p\d{8}")
_STUDY = re.compile(r"(s\d{8})(?:\.txt|/.*)")
_IMAGES = (".jpg", ".jpeg", ".png", ".dcm")

DESCRIPTION = SourceDescription(
    kind="mimic-cxr-jpg",
    title="MIMIC-CXR-JPG 2 with the reports of MIMIC-CXR (227,835 studies, 377,110 images)",
    layout="""ROOT/
├── files/p10/p10000032/s50414267/…-….jpg          the images
├── files/p10/p10000032/s50414267.txt              the reports, here
├── mimic-cxr-reports/files/p10/…/s50414267.txt    or here, as mimic-cxr-reports.zip unpacks
├── mimic-cxr-2.0.0-metadata.csv[.gz]              optional: the views
└── mimic-cxr-2.0.0-split.csv[.gz]                 optional: the split""",
    licence="PhysioNet Credentialed Health Data License 1.5.0; all identifiers are pseudonymised in the output",
    example="medcutmix-pipeline build --source mimic-cxr-jpg --root mimic-cxr-jpg/2.1.0 --out out/mimic",
)


@dataclass
class _Found:
    """The files of one study."""

    report: Entry | None = None
    images: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class MimicSource:
    """The studies of a copy of MIMIC-CXR-JPG, patient by patient.

    A study is there when a file of it is, report or image. Of a study that is there, every image that the metadata
    lists and every image in its folder is told; those that only the metadata knows are missing.
    """

    tree: Tree
    kind: str = "mimic-cxr-jpg"
    public_ids: bool = False

    def studies(self) -> Iterator[Study]:
        """Every study in the order of patients and studies."""
        listing = read_listing(self.tree)
        for patient, folders in _patients(self.tree):
            found: dict[str, _Found] = {}
            self.tree.outside = False  # a link in one patient's folders hides no other's images
            for folder in folders:
                for entry in self.tree.files(folder):
                    _take(entry, entry.path[len(folder) + 1 :], found)
            missing = "path-outside-root" if self.tree.outside else "image-missing"
            for study in sorted(found):
                yield _study(patient, study, found[study], listing, missing)


def _patients(tree: Tree) -> Iterator[tuple[str, list[str]]]:
    """Patients in order, with their folders of reports and of images."""
    bases = [base for base in REPORT_FOLDERS if _groups(tree, base)]
    for group in sorted(set(itertools.chain.from_iterable(_groups(tree, base) for base in bases))):
        where: dict[str, list[str]] = {}
        for base in bases:
            _refuse_links(tree, posixpath.join(base, group), _PATIENT)
            for name in tree.folders(posixpath.join(base, group)):
                if _PATIENT.fullmatch(name):
                    where.setdefault(name, []).append(posixpath.join(base, group, name))
        yield from sorted(where.items())


def _refuse_links(tree: Tree, folder: str, pattern: re.Pattern[str]) -> None:
    """Raise UsageError where a folder of patients is a link that leads out: else they would go without a word."""
    if any(pattern.fullmatch(name) for name in tree.links_out(folder)):
        raise UsageError(
            f"{folder} has links to folders outside of the root, which are not followed: make {IMAGES} a link itself, "
            "or copy what the links lead to"
        )


def _groups(tree: Tree, base: str) -> list[str]:
    return [name for name in tree.folders(base) if _GROUP.fullmatch(name)]


def _take(entry: Entry, below: str, found: dict[str, _Found]) -> None:
    """Put a file of a patient's folder where it belongs; the first of two reports counts."""
    match = _STUDY.fullmatch(below)
    if match is None:
        return
    study = found.setdefault(match[1], _Found())
    if below.endswith(".txt") and "/" not in below:
        study.report = study.report or entry
    elif posixpath.splitext(below)[1].lower() in _IMAGES:
        study.images.append(entry)


def _study(patient: str, name: str, found: _Found, listing: Listing, missing: str) -> Study:
    """`missing`: the problem of an image that is listed and not found."""
    number = int(name[1:])
    files = {posixpath.splitext(posixpath.basename(e.path))[0]: e for e in found.images}
    listed = listing.images(number)
    images = []
    for image_id in sorted({*files, *listed}):
        entry, view = files.get(image_id), view_of(listed.get(image_id))
        if entry is None:
            images.append(ImageRef(image_id, "", view, problem=missing))
        else:
            images.append(ImageRef(image_id, entry.uri, view, entry.fingerprint, entry.problem))
    split, problem = split_of(listing.split(number))
    report = found.report
    if report is None:
        problem = "report-missing"
    elif report.problem:
        problem = report.problem.replace("image-", "report-")
    return Study(
        study_id=name,
        patient_id=patient,
        images=tuple(images),
        report_uri=report.uri if report and not report.problem else None,
        report_fingerprint=report.fingerprint if report else "",
        split=split,
        problem=problem,
    )


class MimicAdapter:
    """Opens a copy of MIMIC-CXR-JPG."""

    description = DESCRIPTION

    def recognises(self, tree: Tree) -> bool:
        """Whether there are folders like files/p10."""
        return any(_groups(tree, base) for base in REPORT_FOLDERS)

    def open(self, tree: Tree, root: str) -> MimicSource:
        """The studies of the copy."""
        for base in REPORT_FOLDERS:
            _refuse_links(tree, base, _GROUP)
        if not self.recognises(tree):
            hint = "" if IMAGES not in tree.folders() else " (files is there, but no p10 to p19 in it)"
            raise UsageError(
                f"{root} does not look like mimic-cxr-jpg: folders files/p10 to files/p19 are expected{hint}"
            )
        if next(_patients(tree), None) is None:
            raise DataError(f"{root} has no studies: no patient's folder in files/p10 to files/p19")
        return MimicSource(tree)
