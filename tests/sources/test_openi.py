"""Open-I: every report is a study, every image that is listed is told, and its view comes from the surest place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources import open_source
from medcutmix_pipeline.sources.openi import caption_view
from tests.sources.source_trees import openi_xml, picture, write

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Study

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE eCitation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY f SYSTEM "file:///etc/hostname">]><eCitation><uId id="CXR7"/><Abstract><AbstractText>&b;&f;'
    "</AbstractText></Abstract></eCitation>"
)


def studies(root: Path) -> dict[str, Study]:
    return {s.study_id: s for s in open_source(SourceConfig(kind="openi", root=str(root))).studies()}


def test_the_shared_copy_is_told_whole(shared_data: Path) -> None:
    """2,227 reports name 4,309 images, of which seven have neither a file nor a line in the table of images."""
    found = list(open_source(SourceConfig(kind="openi", root=str(shared_data / "openi"))).studies())
    images = [image for study in found for image in study.images]
    assert len(found) == 2227
    assert {study.problem for study in found} == {None}
    assert len({image.image_id for image in images}) == len(images) == 4309
    assert Counter(image.problem for image in images) == {None: 4302, "image-missing": 7}
    assert Counter(image.view for image in images if not image.problem) == {"frontal": 2186, "lateral": 2116}
    assert all(study.report and study.patient_id == study.study_id for study in found)


def test_sections_stand_in_order_as_paragraphs(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {}, "The heart &amp; lungs\n are clear.", "1. Normal."))
    assert studies(tmp_path)["CXR1"].report == "FINDINGS: The heart & lungs\n are clear.\n\nIMPRESSION: 1. Normal."


def test_images_are_found_in_any_folder_and_format(tmp_path: Path) -> None:
    ids = {f"CXR1_IM-000{n}": "" for n in range(1, 6)}
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", ids))
    for number, place in enumerate(("a.png", "deep/er/b.jpg", "dicom/c.dcm", "d.JPEG"), start=1):
        folder, _, suffix = place.rpartition(".")
        write(tmp_path / Path(folder).parent / f"CXR1_IM-000{number}.{suffix}", picture())
    images = studies(tmp_path)["CXR1"].images
    assert [i.problem for i in images] == [None, None, None, None, "image-missing"]
    assert [Path(i.uri).suffix for i in images[:4]] == [".png", ".jpg", ".dcm", ".JPEG"]
    assert all(i.fingerprint.startswith(f"{len(picture())}-") for i in images[:4])


def test_the_original_is_preferred_to_what_was_made_of_it(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": ""}))
    for suffix in ("jpeg", "jpg", "dcm", "png"):
        write(tmp_path / suffix / f"CXR1_a.{suffix}", picture())
    assert Path(studies(tmp_path)["CXR1"].images[0].uri).suffix == ".dcm"


def test_an_image_named_twice_in_a_study_is_one(tmp_path: Path) -> None:
    xml = openi_xml("CXR1", {"CXR1_a": "", "CXR1_b": ""}).replace("CXR1_b", "CXR1_a")
    write(tmp_path / "ecgen-radiology/1.xml", xml)
    write(tmp_path / "CXR1_a.png", picture())
    assert [i.image_id for i in studies(tmp_path)["CXR1"].images] == ["CXR1_a"]


def test_the_table_of_images_outranks_the_caption_and_adds_what_the_reports_do_not_know(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": "PA chest"}))
    write(tmp_path / "images.csv", "image_id,study,view\nCXR1_a,CXR1,lateral\nCXR1_b,CXR1,AP\nCXR9_a,CXR9,oblique\n")
    found = studies(tmp_path)
    assert [(i.image_id, i.view) for i in found["CXR1"].images] == [("CXR1_a", "lateral"), ("CXR1_b", "frontal")]
    assert found["CXR9"].problem == "report-missing"
    assert [(i.image_id, i.view) for i in found["CXR9"].images] == [("CXR9_a", "other")]


def test_a_column_that_is_there_twice_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": ""}))
    write(tmp_path / "images.csv", "image_id,view,view\nCXR1_a,PA,lateral\n")
    with pytest.raises(DataError, match=r"^images\.csv has the column view more than once$"):
        studies(tmp_path)


def test_no_row_of_the_table_of_images_vanishes(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": "", "CXR1_b": ""}))
    rows = ["image_id,study,view", "CXR1_a,,PA", "CXR9_a,,AP", "CXR8_a,CXR8,PA,PA", ",CXR7,PA", "CXR6_a\udce9,CXR6,PA"]
    write(tmp_path / "images.csv", "\n".join(rows).encode("utf-8", "surrogateescape"))
    found = studies(tmp_path)
    assert {name: study.problem for name, study in found.items()} == {
        "CXR1": None,
        "CXR9_a": "study-missing",
        "row-4": "row-malformed",
        "row-5": "row-malformed",
        "row-6": "row-malformed",
    }
    assert [i.view for i in found["CXR1"].images] == ["frontal", None]
    assert [(i.image_id, i.problem) for i in found["CXR9_a"].images] == [("CXR9_a", "image-missing")]


@pytest.mark.parametrize(
    ("caption", "view"),
    [
        ("Portable AP chest", "frontal"),
        ("Frontal chest radiograph (1 view)", "frontal"),
        ("Lateral chest", "lateral"),
        ("PA and lateral chest", None),
        ("Chest XXXX and lateral", None),
        ("Chest, XXXX lateral", None),
        ("2 views of the chest, AP", None),
        ("Left lateral decubitus", None),
        ("Bilateral shoulders", None),
        ("Chest", None),
        ("", None),
    ],
)
def test_a_caption_counts_where_it_names_one_view(caption: str, view: str | None) -> None:
    assert caption_view(caption) == view


def test_a_caption_counts_only_for_a_study_of_one_image(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": "AP portable"}))
    write(tmp_path / "ecgen-radiology/2.xml", openi_xml("CXR2", {"CXR2_a": "AP portable", "CXR2_b": "AP portable"}))
    found = studies(tmp_path)
    assert [i.view for i in found["CXR1"].images] == ["frontal"]
    assert [i.view for i in found["CXR2"].images] == [None, None]


@pytest.mark.parametrize(
    "damaged",
    [
        openi_xml("CXR7", {"CXR7_a": ""})[:-40],
        BOMB,
        "<html><body/></html>",
        "\0\1\2",
        openi_xml("CXR7", {}).replace("Clear", "\xff").encode("latin-1"),
    ],
    ids=["cut", "entities", "another document", "binary", "not UTF-8"],
)
def test_a_report_that_cannot_be_read_keeps_its_images_and_costs_no_other(tmp_path: Path, damaged: str | bytes) -> None:
    write(tmp_path / "ecgen-radiology/7.xml", damaged)
    write(tmp_path / "ecgen-radiology/8.xml", openi_xml("CXR8", {"CXR8_a": ""}))
    for name in ("CXR7_a", "CXR70_a", "CXR8_a"):
        write(tmp_path / f"{name}.png", picture())
    found = studies(tmp_path)
    assert found["CXR7"].problem == "report-unreadable"
    assert found["CXR7"].report is None
    assert [i.image_id for i in found["CXR7"].images] == ["CXR7_a"]
    assert found["CXR8"].problem is None


def test_an_empty_report_file_is_told_as_empty(tmp_path: Path) -> None:
    write(tmp_path / "ecgen-radiology/7.xml", "")
    assert studies(tmp_path)["CXR7"].problem == "report-empty"


def test_images_in_a_folder_linked_from_elsewhere_are_refused_and_said_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": "", "CXR1_b": ""}))
    write(tmp_path / "elsewhere/CXR1_a.png", picture())
    write(root / "CXR1_b.png", picture())
    (root / "images").symlink_to(tmp_path / "elsewhere")
    assert [i.problem for i in studies(root)["CXR1"].images] == ["path-outside-root", None]
