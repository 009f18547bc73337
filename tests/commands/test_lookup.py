"""`lookup` tells the key's owner which file or row a name stands for, and tells it nowhere else."""

from __future__ import annotations

import csv
import io
import shutil
import stat

import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.errors import DataError
from tests.builds import digests, run_build
from tests.commands.calls import call, refused


@pytest.fixture(scope="module")
def root(studies, tmp_path_factory):
    """The studies as a manifest, whose names are not public; two of its images are no images, one row is no row."""
    root = tmp_path_factory.mktemp("lookup") / "studies"
    shutil.copytree(studies, root)
    (root / "truth.csv").unlink()
    for image in sorted((root / "images").iterdir())[3:5]:
        image.write_bytes(b"no image at all")
    with (root / "studies.csv").open("a") as table:
        table.write("too,few\n")
    return root


@pytest.fixture(scope="module")
def dataset(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("looked up") / "dataset"
    run_build(root, out, source={"kind": "manifest"})
    return out


def asked(root, *more):
    return ("lookup", "--source", "manifest", "--root", root, *more)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_reject_of_a_dataset_is_found_with_its_file_or_row_and_its_reason(capsys, root, dataset, tmp_path):
    said = call(capsys, *asked(root, "--rejects", dataset, "--out", tmp_path / "found.csv"))
    assert (said.code, said.out) == (0, "")
    found = rows((tmp_path / "found.csv").read_text())
    rejects = pq.read_table(dataset / "rejects").to_pylist()
    assert {(r["name"], r["kind"], r["reason"]) for r in found} >= {
        (r["input"], r["kind"], r["reason"]) for r in rejects
    }
    images = [r["file"] for r in found if r["reason"] == "image-undecodable"]
    assert sorted(images) == [str(image.resolve()) for image in sorted((root / "images").iterdir())[3:5]]
    lines = len((root / "studies.csv").read_text().splitlines())
    assert [r["study_id"] for r in found if r["reason"] == "row-malformed"] == [f"row-{lines}"]


def test_a_sample_is_found_by_its_name(capsys, root, dataset):
    sample = pq.read_table(dataset / "samples").to_pylist()[7]
    names = ["--name", sample["sample_id"], "--name", sample["study_id"], "--name", "i-0"]
    said = call(capsys, *asked(root, *names, "--out", "-"))
    image, study = sorted(rows(said.out), key=lambda row: row["kind"])
    [told] = [r for r in rows((root / "studies.csv").read_text()) if r.get("image") == image["image_id"]]
    assert (image["name"], study["name"]) == (sample["sample_id"], sample["study_id"])
    assert image["study_id"] == study["study_id"] == told["study_id"]
    assert image["file"] == str((root / told["image"]).resolve())
    assert "2 of 3 names found" in said.err


def test_the_result_is_said_to_be_confidential_and_is_for_its_owner_alone(capsys, root, dataset, tmp_path):
    said = call(capsys, *asked(root, "--rejects", dataset, "--out", tmp_path / "found.csv"))
    assert said.err.count("\n") == 1
    assert "Confidential" in said.err
    assert stat.S_IMODE((tmp_path / "found.csv").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["found.csv"]
    patients = {row["patient_id"] for row in rows((root / "studies.csv").read_text())}
    cells = {cell for row in rows((tmp_path / "found.csv").read_text()) for cell in row.values()}
    assert not patients & cells


@pytest.mark.parametrize("place", ["found.csv", "rejects/found.csv", "new.csv through a link"])
def test_nothing_is_written_into_a_dataset(capsys, root, dataset, tmp_path, place):
    before = digests(dataset)
    out = dataset / place
    if place.endswith("link"):
        (tmp_path / "link").symlink_to(dataset)
        out = tmp_path / "link" / "new.csv"
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", out)), 2, "lies in the dataset", str(dataset))
    assert digests(dataset) == before


def test_nothing_is_written_into_an_unfinished_dataset(capsys, root, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "dataset")
    (tmp_path / "dataset" / "dataset.json").unlink()
    out = tmp_path / "dataset" / "found.csv"
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", out)), 2, "lies in the dataset")


def test_no_file_is_replaced_and_no_url_written_to(capsys, root, dataset, tmp_path):
    (tmp_path / "kept.csv").write_text("mine")
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", tmp_path / "kept.csv")), 2, "exists")
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", "memory://x.csv")), 2, "is a URL")
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", tmp_path / "no" / "x.csv")), 2, "cannot write to")
    assert (tmp_path / "kept.csv").read_text() == "mine"


def test_without_the_key_nothing_is_found_and_no_key_is_made(capsys, root, dataset, tmp_path, monkeypatch):
    out = tmp_path / "found.csv"
    other = tmp_path / "other.key"
    other.write_bytes(b"another key, of thirty-two bytes and more")
    said = call(capsys, *asked(root, "--rejects", dataset, "--set", f"privacy.key_file={other}", "--out", out))
    refused(said, 2, "no such name", str(other))
    monkeypatch.delenv("MEDCUTMIX_KEY_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    refused(call(capsys, *asked(root, "--rejects", dataset, "--out", out)), 2, "there is no key at")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other.key"]


def test_names_are_asked_for_one_by_one_or_as_rejects_and_never_patients(capsys, root, tmp_path):
    refused(call(capsys, *asked(root, "--out", tmp_path / "x.csv")), 2, "--name NAME or --rejects OUT")
    patient = call(capsys, *asked(root, "--name", "p-a39d50c8c6bd342902af", "--out", "-"))
    refused(patient, 2, "patients")


def test_rejects_are_shown_with_the_way_to_their_files(capsys, dataset):
    assert "medcutmix-pipeline lookup" in call(capsys, "inspect", dataset, "--rejects", 3).out


def test_the_rejects_of_a_build_that_stopped_are_found_as_well(capsys, root, tmp_path):
    with pytest.raises(DataError, match="max_reject_rate"):
        run_build(root, tmp_path / "out", source={"kind": "manifest"}, engine={"max_reject_rate": 0.012})
    said = call(capsys, *asked(root, "--rejects", tmp_path / "out", "--out", "-"))
    assert {row["reason"] for row in rows(said.out)} >= {"row-malformed"}
