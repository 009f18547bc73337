"""CheXpert Plus in the layout of its table."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources import open_source
from tests.sources.source_trees import CHEXPERT_COLUMNS, chexpert, table, write

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Study


def studies(root: Path) -> dict[str, Study]:
    return {s.study_id: s for s in open_source(SourceConfig(kind="chexpert-plus", root=str(root))).studies()}


@pytest.mark.parametrize(
    ("images", "suffix"), [("PNG", "png"), ("PNG/PNG", "png"), ("JPG", "jpg"), ("DICOM", "dcm"), (".", "jpg")]
)
def test_patients_views_and_splits_in_every_download(tmp_path: Path, images: str, suffix: str) -> None:
    chexpert(tmp_path, images, suffix)
    found = studies(tmp_path)
    assert {name: (s.patient_id, s.split, [i.view for i in s.images]) for name, s in found.items()} == {
        "patient00001/study1": ("patient00001", "train", ["frontal"]),
        "patient00002/study1": ("patient00002", "train", ["frontal"]),
        "patient00002/study2": ("patient00002", "train", ["frontal", "lateral"]),
        "patient64541/study1": ("patient64541", "validate", ["frontal"]),
    }
    assert all(Path(i.uri).suffix == f".{suffix}" and not i.problem for s in found.values() for i in s.images)


def test_sections_make_the_report_and_the_whole_report_stands_in_for_them(tmp_path: Path) -> None:
    chexpert(tmp_path)
    found = studies(tmp_path)
    assert found["patient00001/study1"].report == "IMPRESSION: 1. Impression of patient00001 study1."
    assert found["patient00002/study2"].report == (
        'FINDINGS: Findings of study2, "quoted",\nin two lines.\n\nIMPRESSION: 1. Impression of patient00002 study2.'
    )
    rows = [
        {
            "path_to_image": "train/patient00001/study1/view1_frontal.jpg",
            "deid_patient_id": "patient00001",
            "report": "All.",
        }
    ]
    write(tmp_path / "df_chexpert_plus_240401.csv", table(CHEXPERT_COLUMNS, rows))
    assert studies(tmp_path)["patient00001/study1"].report == "All."


def test_the_table_may_be_packed(tmp_path: Path) -> None:
    chexpert(tmp_path)
    before = studies(tmp_path)
    plain = tmp_path / "df_chexpert_plus_240401.csv"
    write(tmp_path / "df_chexpert_plus_240401.csv.gz", gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert studies(tmp_path) == before


def test_a_listed_image_without_a_file_and_a_row_without_a_patient_are_told(tmp_path: Path) -> None:
    chexpert(tmp_path)
    (tmp_path / "PNG/train/patient00002/study2/view2_lateral.png").unlink()
    plain = tmp_path / "df_chexpert_plus_240401.csv"
    write(plain, plain.read_text().replace(",patient64541,", ",,"))
    found = studies(tmp_path)
    assert [i.problem for i in found["patient00002/study2"].images] == [None, "image-missing"]
    assert found["patient64541/study1"].problem == "patient-missing"
    assert len(found["patient64541/study1"].images) == 1


def test_what_is_wrong_with_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"df_chexpert_plus_\*\.csv\* is expected$"):
        open_source(SourceConfig(kind="chexpert-plus", root=str(tmp_path)))
    write(tmp_path / "df_chexpert_plus_240401.csv", "path_to_image,split\n")
    with pytest.raises(DataError, match="lacks the column deid_patient_id, report"):
        open_source(SourceConfig(kind="chexpert-plus", root=str(tmp_path)))
    write(tmp_path / "df_chexpert_plus_240401.csv", "path_to_image,deid_patient_id,report,split,Report,age,age\n")
    with pytest.raises(DataError, match=r"has the column report more than once$"):
        open_source(SourceConfig(kind="chexpert-plus", root=str(tmp_path)))
    write(tmp_path / "df_chexpert_plus_240401.csv", table(CHEXPERT_COLUMNS, []))
    with pytest.raises(DataError, match="a header and no rows"):
        open_source(SourceConfig(kind="chexpert-plus", root=str(tmp_path)))
    write(tmp_path / "df_chexpert_plus_240401.csv", table(CHEXPERT_COLUMNS, [{"path_to_image": "train/p/s/v.jpg"}]))
    with pytest.raises(DataError, match="has no images: no folder train or valid"):
        open_source(SourceConfig(kind="chexpert-plus", root=str(tmp_path)))
