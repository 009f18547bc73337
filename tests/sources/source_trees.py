"""Small data sets in exactly the layouts that their publishers document, made of nothing of theirs."""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

CHEXPERT_COLUMNS = [
    *("path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "deid_patient_id", "patient_report_date_order"),
    *("report", "section_narrative", "section_clinical_history", "section_history", "section_comparison"),
    *("section_technique", "section_procedure_comments", "section_findings", "section_impression"),
    *("section_end_of_impression", "section_summary", "section_accession_number", "age", "sex", "race", "ethnicity"),
    *("interpreter_needed", "insurance_type", "recent_bmi", "deceased", "split"),
]

MIMIC_METADATA = [
    *("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"),
    *("StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning"),
    "PatientOrientationCodeSequence_CodeMeaning",
]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def picture(shade: int = 0, kind: str = "PNG") -> bytes:
    pixels = (np.add.outer(np.arange(24), np.arange(20)) * 4 + shade).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def table(columns: list[str] | tuple[str, ...], rows: list[dict[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def openi_xml(
    study: str, images: dict[str, str], findings: str = "Clear lungs.", impression: str = "Normal chest."
) -> str:
    """A report with its images and their captions."""
    parents = "".join(
        f'<parentImage id="{i}"><figureId>F1</figureId><caption>{c}</caption><panel type="single"/></parentImage>'
        for i, c in images.items()
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><eCitation><meta type="rr"/><uId id="{study}"/>'
        '<MedlineCitation><Article><Abstract><AbstractText Label="COMPARISON"/>'
        f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
        f'<AbstractText Label="IMPRESSION">{impression}</AbstractText>'
        f"</Abstract></Article></MedlineCitation>{parents}</eCitation>"
    )


def dicom_name(number: int) -> str:
    """An image's name as MIMIC-CXR writes them: 40 hexadecimal digits in five groups."""
    digits = f"{number * 0x9E3779B97F4A7C15 % (1 << 160):040x}"
    return "-".join(digits[i : i + 8] for i in range(0, 40, 8))


def mimic(root: Path, packed: bool, reports_apart: bool) -> None:
    """Two patients, three studies; views PA, LATERAL, LL, AP, none and an oblique one; two splits."""
    views = {
        (10000032, 50414267): ["PA", "LATERAL"],
        (10000032, 53189527): ["LL", "LAO"],
        (19999987, 58621812): ["AP", ""],
    }
    splits = dict(zip(views, ("train", "train", "test"), strict=True))
    metadata, split_rows, number = [], [], 0
    for (subject, study), positions in views.items():
        place = f"p{str(subject)[:2]}/p{subject}/s{study}"
        base = "mimic-cxr-reports/files" if reports_apart else "files"
        write(root / base / f"{place}.txt", f"FINDINGS: Report of study {study}.\n")
        for position in positions:
            number += 1
            name = dicom_name(number)
            write(root / "files" / place / f"{name}.jpg", picture(number, "JPEG"))
            ids = {"dicom_id": name, "study_id": str(study), "subject_id": str(subject)}
            metadata.append({**ids, "ViewPosition": position, "Rows": "24", "Columns": "20"})
            split_rows.append({**ids, "split": splits[subject, study]})
    # The published tables are not in the order of studies.
    tables = {
        "mimic-cxr-2.0.0-metadata.csv": table(MIMIC_METADATA, metadata[::-1]),
        "mimic-cxr-2.0.0-split.csv": table(["dicom_id", "study_id", "subject_id", "split"], split_rows),
    }
    for name, text in tables.items():
        if packed:
            write(root / f"{name}.gz", gzip.compress(text.encode(), mtime=0))
        else:
            write(root / name, text)


def chexpert(root: Path, images: str = "PNG", suffix: str = "png") -> None:
    """Two train patients, one with two studies, and one valid patient."""
    listed = [
        ("train/patient00001/study1/view1_frontal", "Frontal", "AP", "train"),
        ("train/patient00002/study2/view1_frontal", "Frontal", "PA", "train"),
        ("train/patient00002/study1/view1_frontal", "Frontal", "PA", "train"),
        ("train/patient00002/study2/view2_lateral", "Lateral", "", "train"),
        ("valid/patient64541/study1/view1_frontal", "Frontal", "AP", "valid"),
    ]
    rows = []
    for number, (stem, side, ap_pa, split) in enumerate(listed):
        patient, study = stem.split("/")[1:3]
        write(root / images / f"{stem}.{suffix}", picture(number, {"png": "PNG", "jpg": "JPEG"}.get(suffix, "PNG")))
        rows.append(
            {
                "path_to_image": f"{stem}.jpg",
                "path_to_dcm": f"{stem}.dcm",
                "frontal_lateral": side,
                "ap_pa": ap_pa,
                "deid_patient_id": patient,
                "patient_report_date_order": study[-1],
                "report": f"NARRATIVE: whole report, {patient}, of {study}\nACCESSION NUMBER: 1",
                "section_findings": ""
                if patient == "patient00001"
                else f'Findings of {study}, "quoted",\nin two lines.',
                "section_impression": f"1. Impression of {patient} {study}." if split == "train" else "",
                "split": split,
            }
        )
    write(root / "df_chexpert_plus_240401.csv", table(CHEXPERT_COLUMNS, rows))
