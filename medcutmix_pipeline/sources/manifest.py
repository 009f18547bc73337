"""`manifest`: a table of your own, one row per image."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.records import ImageRef, Study
from medcutmix_pipeline.sources.base import SourceDescription, split_of, unreadable_row, view_of
from medcutmix_pipeline.sources.grouping import check_rows, disagreement, grouped_rows, said_once
from medcutmix_pipeline.sources.headers import check_once, misread, nearly, told_columns
from medcutmix_pipeline.sources.reading import protocol
from medcutmix_pipeline.sources.tables import Row, columns, suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.sources.trees import Tree

REQUIRED = ("image", "study_id", "patient_id")
REPORT = ("report", "report_path")
OPTIONAL = ("view", "split", "image_id")
KNOWN = REQUIRED + REPORT + OPTIONAL
_SHARED = ("split", *REPORT)
"""What a study has once: a row may leave it to another row of the study, but not say otherwise."""

ROWS_DISAGREE = "study-rows-disagree"
"""The problem of what stands in a row that says otherwise than the first row of its study that says anything."""

DESCRIPTION = SourceDescription(
    kind="manifest",
    title="a table of your own: CSV, TSV, JSON lines or Parquet, plain or .gz, one row per image",
    layout="""ROOT/                      or the table itself as root
├── studies.csv            image,report,study_id,patient_id[,view,split,image_id]
│                          report_path in place of report where reports are files
└── …                      images and reports, at paths relative to the table, or at URLs (s3://, https://, …)""",
    licence="yours; study and image identifiers are pseudonymised in the output",
    example="medcutmix-pipeline build --source manifest --root studies.csv --out out/studies",
)


def check_columns(found: list[str], name: str, hint: str = "") -> None:
    """Raise DataError that says which column is missing.

    The columns found are named only where some are known: else the first line is likely no header but a patient's.
    `hint` is what else can be said where none is known.
    """
    if not set(found) & set(KNOWN):
        told = hint or "is it what its name says, with a header first?"
        raise DataError(f"{name} has none of the columns {', '.join(KNOWN)}; {told}")
    missing = [c for c in REQUIRED if c not in found]
    if not set(REPORT) & set(found):
        missing.append("report or report_path")
    if missing:
        raise DataError(f"{name} lacks the column {', '.join(missing)}; {told_columns(found)}")
    check_once(found, KNOWN, name)


def fits(tree: Tree, name: str) -> bool:
    """Whether the file is a table with a manifest's columns."""
    if suffix_of(name) is None:
        return False
    with tree.open(name) as file:
        found = columns(file, name)
    return set(REQUIRED) <= set(found) and bool(set(REPORT) & set(found))


def tables_in(tree: Tree) -> list[str]:
    """The names of the manifests in a folder."""
    return [name for name in tree.names() if fits(tree, name)]


@dataclass(frozen=True)
class ManifestSource:
    """The studies of one table in a tree; `public_ids` and the way to name images differ for the phantoms."""

    tree: Tree
    table: str
    kind: str = "manifest"
    public_ids: bool = False

    def studies(self) -> Iterator[Study]:
        """Every study, in the order in which the last row of each stands in the table.

        What the rows of a study say first counts. The image of a row that says otherwise has the problem
        `study-rows-disagree`; a row that says otherwise and has no image is told as a study of its own. Rows that name
        another patient are another study, a duplicate.
        """
        for rows in grouped_rows(self.tree, self.table, KNOWN, _key):
            study, said = self._study(rows), said_once(rows, _SHARED)
            yield study
            for cells in (row.cells or {} for row in rows):
                if "image" not in cells and (detail := disagreement(cells, said)):
                    yield replace(study, images=(), problem=ROWS_DISAGREE, detail=detail)

    def _study(self, group: list[Row]) -> Study:
        if group[0].cells is None:
            return unreadable_row(group[0], self.table)
        cells = group[0].cells | said_once(group, _SHARED)
        split, problem = split_of(cells.get("split"))
        if "study_id" not in cells:
            problem = "study-missing"
        elif "patient_id" not in cells:
            problem = "patient-missing"
        report, report_uri, fingerprint = cells.get("report"), None, ""
        if report is None and "report_path" in cells:
            entry = self.tree.find(cells["report_path"].strip())
            report_uri, fingerprint = entry.uri, entry.fingerprint
            if entry.problem:
                report_uri, problem = None, problem or entry.problem.replace("image-", "report-")
        return Study(
            study_id=cells.get("study_id", f"row-{group[0].place}").strip(),
            patient_id=cells.get("patient_id", "").strip(),
            images=self._images(group),
            report=report,
            report_uri=report_uri,
            report_fingerprint=fingerprint,
            split=split,
            problem=problem,
        )

    def _images(self, group: list[Row]) -> tuple[ImageRef, ...]:
        images: dict[tuple[str, str, str], ImageRef] = {}
        said = said_once(group, _SHARED)
        for row in group:
            if row.cells is None or "image" not in row.cells:
                continue
            path = row.cells["image"].strip()
            name = row.cells.get("image_id", self._name(path)).strip()
            detail = disagreement(row.cells, said)
            if (name, path, detail) not in images:
                entry = self.tree.find(path)
                problem = ROWS_DISAGREE if detail else entry.problem
                if problem == "image-missing" and "\\" in path:
                    detail = "no such file; its path has backslashes, and folders are separated by /"
                view = view_of(row.cells.get("view"))
                images[name, path, detail] = ImageRef(name, entry.uri, view, entry.fingerprint, problem, detail)
        return tuple(images.values())

    def _name(self, path: str) -> str:
        """An image without an identifier is called by its path, or by its file's name where names are public."""
        return Path(path).stem if self.public_ids else path


def _key(row: Row) -> tuple[str, ...]:
    """What the rows of one study share."""
    if row.cells is None or "study_id" not in row.cells:
        return ("", str(row.place))
    return (row.cells["study_id"].strip(), row.cells.get("patient_id", "").strip())


class ManifestAdapter:
    """Opens a table, or the folder with one."""

    description = DESCRIPTION

    def recognises(self, tree: Tree) -> bool:
        """Whether there is a table with a manifest's columns."""
        return bool(tables_in(tree))

    def open(self, tree: Tree, root: str) -> ManifestSource:
        """The only manifest in the folder."""
        found = tables_in(tree)
        if len(found) == 1:
            return self.open_table(tree, found[0])
        if found:
            raise UsageError(f"{root} has {len(found)} manifests ({', '.join(found)}); name the one you mean as root")
        tables = [name for name in tree.names() if suffix_of(name)]
        if len(tables) == 1:
            return self.open_table(tree, tables[0])
        raise UsageError(
            f"{root} has no manifest: no table with the columns {', '.join(REQUIRED)} and report or report_path"
        )

    def open_table(self, tree: Tree, name: str) -> ManifestSource:
        """The manifest of that name."""
        if suffix_of(name) is None:
            raise UsageError(f"{name} is none of .csv, .tsv, .jsonl, .ndjson, .parquet (plain or .gz)")
        with tree.open(name) as file:
            found = columns(file, name)
        with tree.open(name) as file:
            check_columns(found, name, misread(file, name, KNOWN) or nearly(found, KNOWN))
        check_rows(tree, name, KNOWN)
        return ManifestSource(tree, name)


def folder_of(root: str) -> tuple[str, str]:
    """The folder and the name of a table given as root."""
    head, name = posixpath.split(root) if protocol(root) else (str(Path(root).parent), Path(root).name)
    return head, name
