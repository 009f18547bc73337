"""MIMIC-CXR-JPG in PhysioNet's layout: patients, reports, views and splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources import open_source, read_report
from tests.sources.source_trees import MIMIC_METADATA, dicom_name, mimic, picture, table, write

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Study


def studies(root: Path) -> list[Study]:
    return list(open_source(SourceConfig(kind="mimic-cxr-jpg", root=str(root))).studies())


@pytest.mark.parametrize("packed", [False, True], ids=["csv", "csv.gz"])
@pytest.mark.parametrize("reports_apart", [False, True], ids=["reports beside", "reports apart"])
def test_every_layout_tells_the_same_studies(tmp_path: Path, packed: bool, reports_apart: bool) -> None:
    mimic(tmp_path, packed, reports_apart)
    found = studies(tmp_path)
    assert [(s.patient_id, s.study_id, s.split, s.problem) for s in found] == [
        ("p10000032", "s50414267", "train", None),
        ("p10000032", "s53189527", "train", None),
        ("p19999987", "s58621812", "test", None),
    ]
    views = {i.image_id: i.view for s in found for i in s.images}
    assert views == dict(
        zip(map(dicom_name, range(1, 7)), ["frontal", "lateral", "lateral", "other", "frontal", None], strict=True)
    )
    assert [read_report(s) for s in found] == [f"FINDINGS: Report of study {s.study_id[1:]}.\n" for s in found]
    assert all(Path(i.uri).read_bytes() for s in found for i in s.images)


def test_the_split_validate_is_kept(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    split = tmp_path / "mimic-cxr-2.0.0-split.csv"
    write(split, split.read_text().replace("test", "validate"))
    assert [s.split for s in studies(tmp_path)] == ["train", "train", "validate"]


def test_it_works_without_the_tables(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    for name in tmp_path.glob("*.csv"):
        name.unlink()
    found = studies(tmp_path)
    assert len(found) == 3
    assert {(s.split, i.view) for s in found for i in s.images} == {(None, None)}


def test_an_image_that_only_the_metadata_knows_is_missing(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    gone = next(tmp_path.glob(f"files/*/*/*/{dicom_name(2)}.jpg"))
    gone.unlink()
    problems = {i.image_id: i.problem for s in studies(tmp_path) for i in s.images}
    assert {i for i, problem in problems.items() if problem} == {dicom_name(2)}
    assert problems[dicom_name(2)] == "image-missing"
    assert len(problems) == 6


def test_a_study_without_a_report_and_one_without_images_are_told(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=True)
    next(tmp_path.glob("mimic-cxr-reports/files/p10/*/s50414267.txt")).unlink()
    write(tmp_path / "mimic-cxr-reports/files/p11/p11000001/s51000001.txt", "FINDINGS: No picture of this.")
    found = {s.study_id: s for s in studies(tmp_path)}
    assert found["s50414267"].problem == "report-missing"
    assert len(found["s50414267"].images) == 2
    assert (found["s51000001"].images, found["s51000001"].problem) == ((), None)


def test_what_is_not_of_the_layout_is_passed_over(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    before = studies(tmp_path)
    for name in (
        "files/index.html",
        "files/p10/p10000032/notes.txt",
        "files/p10/extra/s50414267.txt",
        "files/p9/a.jpg",
    ):
        write(tmp_path / name, picture())
    assert studies(tmp_path) == before


def test_a_link_out_of_the_root_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    mimic(root, packed=False, reports_apart=False)
    image = next(root.glob(f"files/*/*/*/{dicom_name(1)}.jpg"))
    image.rename(tmp_path / "outside.jpg")
    image.symlink_to(tmp_path / "outside.jpg")
    problems = {i.image_id: i.problem for s in studies(root) for i in s.images}
    assert problems[dicom_name(1)] == "path-outside-root"


def test_the_layouts_own_folders_may_be_links_as_where_reports_and_images_stand_apart(tmp_path: Path) -> None:
    mimic(tmp_path / "store", packed=False, reports_apart=True)
    expected = [(s.study_id, len(s.images), s.split) for s in studies(tmp_path / "store")]
    (tmp_path / "root").mkdir()
    for path in (tmp_path / "store").iterdir():
        (tmp_path / "root" / path.name).symlink_to(path)
    assert [(s.study_id, len(s.images), s.split) for s in studies(tmp_path / "root")] == expected


@pytest.mark.parametrize("linked", ["files/p10", "files/p19", "files/p10/p10000032", "files/p19/p19999987"])
@pytest.mark.parametrize("apart", [False, True], ids=["reports beside", "reports apart"])
def test_patients_behind_a_link_that_leads_out_do_not_vanish_without_a_word(
    tmp_path: Path, linked: str, apart: bool
) -> None:
    root = tmp_path / "root"
    mimic(root, packed=False, reports_apart=apart)
    (root / linked).rename(tmp_path / "elsewhere")
    (root / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="has links to folders outside of the root, which are not followed"):
        studies(root)


def test_images_of_a_study_behind_a_link_are_told_as_outside_and_cost_no_other(tmp_path: Path) -> None:
    root = tmp_path / "root"
    mimic(root, packed=False, reports_apart=False)
    (root / "files/p10/p10000032/s50414267").rename(tmp_path / "elsewhere")
    (root / "files/p10/p10000032/s50414267").symlink_to(tmp_path / "elsewhere")
    next(root.glob(f"files/*/*/*/{dicom_name(5)}.jpg")).unlink()
    problems = {i.image_id: i.problem for s in studies(root) for i in s.images}
    outside, missing = "path-outside-root", "image-missing"
    assert [problems[dicom_name(n)] for n in range(1, 7)] == [outside, outside, None, None, missing, None]


def test_a_damaged_or_foreign_table_is_one_clear_line(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    write(tmp_path / "mimic-cxr-2.0.0-metadata.csv", table(MIMIC_METADATA[:3], []))
    with pytest.raises(DataError, match=r"^mimic-cxr-2.0.0-metadata.csv cannot be read: .* ViewPosition$"):
        studies(tmp_path)
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").unlink()
    write(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", b"\x1f\x8bnot really")
    with pytest.raises(DataError, match="damaged"):
        studies(tmp_path)


def test_a_folder_one_level_off_is_explained(tmp_path: Path) -> None:
    mimic(tmp_path, packed=False, reports_apart=False)
    with pytest.raises(UsageError, match="does not look like mimic-cxr-jpg: folders files/p10"):
        open_source(SourceConfig(kind="mimic-cxr-jpg", root=str(tmp_path / "files")))
    (tmp_path / "empty/files/p10").mkdir(parents=True)
    with pytest.raises(DataError, match="has no studies"):
        open_source(SourceConfig(kind="mimic-cxr-jpg", root=str(tmp_path / "empty")))
