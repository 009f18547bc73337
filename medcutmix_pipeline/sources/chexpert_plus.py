"""`chexpert-plus`: CheXpert Plus, the radiographs of CheXpert with their reports, in the layout of Stanford AIMI.

Chambon et al., CheXpert Plus: Augmenting a Large Chest X-ray Dataset with Text Radiology Reports, Patient Demographics
and Additional Image Formats, arXiv 2405.19538.
"""

from __future__ import annotations

import fnmatch
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.records import ImageRef, Study
from medcutmix_pipeline.sources.base import SourceDescription, split_of, unreadable_row, view_of
from medcutmix_pipeline.sources.grouping import check_rows, grouped_rows
from medcutmix_pipeline.sources.headers import check_once
from medcutmix_pipeline.sources.tables import Row, columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.sources.trees import Entry, Tree

TABLE = "df_chexpert_plus_*.csv*"

_REQUIRED = ("path_to_image", "deid_patient_id")
_TEXTS = ("section_findings", "section_impression", "report")
_KNOWN = (*_REQUIRED, "frontal_lateral", "ap_pa", "split", *_TEXTS)

_BASES = ("PNG", "PNG/PNG", "JPG", "JPG/JPG", "DICOM", "DICOM/DICOM", "CheXpert-v1.0", "CheXpert-v1.0-small", "")
"""Folders below the root that hold train/ and valid/, depending on what was downloaded and how it was unpacked."""

_SUFFIXES = (".png", ".jpg", ".dcm", ".jpeg")

DESCRIPTION = SourceDescription(
    kind="chexpert-plus",
    title="CheXpert Plus (187,711 reports, 223,462 images)",
    layout="""ROOT/
├── df_chexpert_plus_240401.csv[.gz]                     paths, views, split and reports
└── PNG/train/patient00001/study1/view1_frontal.png      or below JPG/, DICOM/, CheXpert-v1.0/ or ROOT itself""",
    licence="Stanford University Dataset Research Use Agreement; all identifiers are pseudonymised in the output",
    example="medcutmix-pipeline build --source chexpert-plus --root chexpert-plus --out out/chexpert-plus",
)


@dataclass(frozen=True)
class ChexpertPlusSource:
    """The studies of a copy of CheXpert Plus, as its table lists them."""

    tree: Tree
    table: str
    bases: tuple[str, ...]
    kind: str = "chexpert-plus"
    public_ids: bool = False

    def studies(self) -> Iterator[Study]:
        """Every study, in the order in which the last row of each stands in the table."""
        yield from map(self._study, grouped_rows(self.tree, self.table, _KNOWN, _key))

    def _study(self, group: list[Row]) -> Study:
        cells = group[0].cells
        if cells is None or "path_to_image" not in cells:
            return unreadable_row(group[0], self.table)
        split, problem = split_of(cells.get("split"))
        patient = cells.get("deid_patient_id", "").strip()
        images = {row.cells["path_to_image"]: self._image(row.cells) for row in group if row.cells}
        return Study(
            study_id=_study_id(cells["path_to_image"]),
            patient_id=patient,
            images=tuple(images.values()),
            report=_report(cells),
            split=split,
            problem=problem if patient else "patient-missing",
        )

    def _image(self, cells: dict[str, str]) -> ImageRef:
        stem = posixpath.splitext(cells["path_to_image"].strip())[0]
        view = view_of(cells.get("frontal_lateral")) or view_of(cells.get("ap_pa"))
        entry = self._file(stem)
        return ImageRef(stem, entry.uri, view, entry.fingerprint, entry.problem)

    def _file(self, stem: str) -> Entry:
        """The image in the first folder and format in which it is there; the table's own suffix says nothing."""
        entry = self.tree.find(stem + _SUFFIXES[0])
        for base in self.bases:
            for suffix in _SUFFIXES:
                entry = self.tree.find(posixpath.join(base, stem + suffix))
                if entry.problem != "image-missing":
                    return entry
        return entry


def _study_id(path: str) -> str:
    """`patient00001/study1` of `train/patient00001/study1/view1_frontal.jpg`."""
    return "/".join(path.strip().split("/")[-3:-1])


def _key(row: Row) -> tuple[str, ...]:
    if row.cells is None or "path_to_image" not in row.cells:
        return ("", str(row.place))
    cells = row.cells
    return (_study_id(cells["path_to_image"]), cells.get("deid_patient_id", ""), cells.get("split", ""))


def _report(cells: dict[str, str]) -> str | None:
    """The sections that the table has cut out, else the whole report, with its headers and its signature."""
    sections = [
        (name, cells[f"section_{name}"].strip()) for name in ("findings", "impression") if f"section_{name}" in cells
    ]
    if sections:
        return "\n\n".join(f"{name.upper()}: {text}" for name, text in sections)
    return cells.get("report")


class ChexpertPlusAdapter:
    """Opens a copy of CheXpert Plus."""

    description = DESCRIPTION

    def recognises(self, tree: Tree) -> bool:
        """Whether the table is there."""
        return bool(fnmatch.filter(tree.names(), TABLE))

    def open(self, tree: Tree, root: str) -> ChexpertPlusSource:
        """The studies of the copy."""
        tables = fnmatch.filter(tree.names(), TABLE)
        if not tables:
            raise UsageError(f"{root} does not look like chexpert-plus: {TABLE} is expected")
        if len(tables) > 1:
            raise UsageError(f"{root} has {len(tables)} tables like {TABLE}; leave one")
        with tree.open(tables[0]) as file:
            found = columns(file, tables[0])
        missing = [c for c in _REQUIRED if c not in found] + ([] if set(_TEXTS) & set(found) else ["report"])
        if missing:
            raise DataError(f"{tables[0]} lacks the column {', '.join(missing)}")
        check_once(found, _KNOWN, tables[0])
        check_rows(tree, tables[0], _KNOWN)
        bases = tuple(base for base in _BASES if {"train", "valid"} & set(tree.folders(base)))
        if not bases:
            raise DataError(f"{root} has no images: no folder train or valid in it, PNG, JPG, DICOM or CheXpert-v1.0")
        return ChexpertPlusSource(tree, tables[0], bases)
