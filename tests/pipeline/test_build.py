"""A build keeps its promises, gives the same bytes however it is run, and goes on where it was cut off."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError, UsageError
from tests.builds import SETTINGS, digests, run_build


def test_a_build_of_generated_studies_is_valid_and_has_plans(built):
    dataset = Dataset(built)
    assert validate(dataset) == []
    assert dataset.manifest.counts.plans > 50
    assert len(dataset.manifest.counts.plans_by_disease) >= 4
    assert len(dataset.manifest.shards) > 3


def test_partners_share_finding_view_and_split_and_never_the_patient(built):
    dataset = Dataset(built)
    samples = {row["sample_id"]: row for row in dataset.table("samples").to_table().to_pylist()}
    plans = dataset.table("plans").to_table().to_pylist()
    for plan in plans:
        host, donor = samples[plan["host_id"]], samples[plan["donor_id"]]
        assert host["patient_id"] != donor["patient_id"]
        assert (host["view"], host["split"], host["shard"]) == (donor["view"], donor["split"], donor["shard"])
        assert dict(host["labels"])[plan["disease"]] == dict(donor["labels"])[plan["disease"]] == "present"
        assert dict(plan["mixed_labels"])[plan["disease"]] == "present"


@pytest.mark.parametrize(
    "workers", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_ray_gives_the_bytes_of_one_process(studies, built, tmp_path, workers):
    run_build(studies, tmp_path / "out", engine={"kind": "ray", "workers": workers})
    assert digests(tmp_path / "out") == digests(built)


def test_a_second_run_does_nothing_and_changes_nothing(studies, built, tmp_path):
    run_build(studies, tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "shards").iterdir()}
    _, told = run_build(studies, tmp_path / "out")
    assert "read: 90 studies, 90 already done" in told
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "shards").iterdir()}
    assert digests(tmp_path / "out") == digests(built)


def test_a_changed_setting_redoes_what_it_touches_and_gives_what_a_fresh_build_gives(studies, built, tmp_path):
    run_build(studies, tmp_path / "out")
    _, told = run_build(studies, tmp_path / "out", shards={"samples_per_shard": 64})
    assert "90 already done" in told  # the reports did not have to be read again
    run_build(studies, tmp_path / "fresh", shards={"samples_per_shard": 64})
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")
    assert validate(Dataset(tmp_path / "out")) == []


def test_parts_of_another_size_cost_no_fit_and_no_shard(studies, built, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    _, told = run_build(studies, out, ingest={"studies_per_part": 60})
    assert re.search(r"fit: (\d+) steps, \1 already done", told)
    assert re.search(r"shards: (\d+) samples, \1 already done", told)
    run_build(studies, tmp_path / "fresh", ingest={"studies_per_part": 60})
    assert digests(out) == digests(tmp_path / "fresh")


def test_parts_larger_than_the_corpus_are_the_same_part_at_any_size(studies, tmp_path):
    run_build(studies, tmp_path / "out", ingest={"studies_per_part": 100})
    _, told = run_build(studies, tmp_path / "out", ingest={"studies_per_part": 200})
    assert "read: 90 studies, 90 already done" in told


@pytest.mark.slow  # each try costs a new worker; the halving itself is tried in test_recovery.py
def test_a_sample_that_kills_its_decoder_is_found_and_costs_nothing_else(studies, tmp_path, monkeypatch):
    # Ray's workers import this module when they start; it makes one image deadly, as a decoder with a bug would.
    victim = sorted((studies / "images").iterdir())[17]
    (tmp_path / "sitecustomize.py").write_text(f"""
import os, signal
from medcutmix_pipeline.stages.ingest import samples

stored_square = samples.stored_square

def deadly(uri, *rest):
    if uri.endswith({victim.name!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return stored_square(uri, *rest)

samples.stored_square = deadly
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    # The fit of the encoder would meet the image as well, and a published encoder has no fit.
    changes = {
        "attention": {"encoder": "fit", "fit": {**SETTINGS["attention"]["fit"], "max_images": 16}},
        "shards": {"samples_per_shard": 10},  # few to search among: each try costs a new worker
        "engine": {"kind": "ray", "workers": 2},
    }
    manifest, _ = run_build(studies, tmp_path / "out", **changes)
    dataset = Dataset(tmp_path / "out")
    assert validate(dataset) == []
    [reject] = [row for row in dataset.table("rejects").to_table().to_pylist() if row["kind"] == "image"]
    assert (reject["input"], reject["reason"]) == (victim.stem, "decoder-crashed")
    assert manifest.counts.samples == manifest.source.images - 1


def test_two_builds_cannot_write_to_one_output(studies, tmp_path):
    from medcutmix_pipeline.pipeline.lock import exclusive

    with exclusive(tmp_path / "out" / ".build" / "lock"), pytest.raises(UsageError, match=rf"process {os.getpid()}"):
        run_build(studies, tmp_path / "out")


def test_a_disk_that_is_full_at_the_very_start_is_no_mistake_of_the_call(tmp_path, monkeypatch):
    from medcutmix_pipeline.pipeline.lock import exclusive

    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=r"No space left.*again"), exclusive(tmp_path / "out" / ".build" / "lock"):
        pass


def test_a_folder_that_is_not_ours_is_left_alone(studies, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(UsageError, match="not empty"):
            run_build(studies, tmp_path, fresh=fresh)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_broken_images_are_rejects_and_cost_nothing_else(studies, tmp_path):
    root = tmp_path / "studies"
    shutil.copytree(studies, root)
    images = sorted((root / "images").iterdir())
    images[0].write_bytes(b"")
    images[1].write_bytes(images[1].read_bytes()[:200])
    images[2].unlink()
    manifest, _ = run_build(root, tmp_path / "out")
    dataset = Dataset(tmp_path / "out")
    assert validate(dataset) == []
    rejects = [row for row in dataset.table("rejects").to_table().to_pylist() if row["kind"] == "image"]
    assert sorted(row["reason"] for row in rejects) == ["image-empty", "image-missing", "image-truncated"]
    assert manifest.counts.samples == manifest.source.images - 3


def test_too_many_rejects_stop_the_build(studies, tmp_path):
    root = tmp_path / "studies"
    shutil.copytree(studies, root)
    for image in sorted((root / "images").iterdir())[::2]:
        image.write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"rejected, more than engine.max_reject_rate=0\.2 allows: image-undecodable"):
        run_build(root, tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_no_address_of_the_source_is_left_when_a_dataset_is_finished(studies, built):
    for path in built.rglob("*"):
        if path.is_file():
            assert str(studies).encode() not in path.read_bytes(), path
            assert b"studies.csv" not in path.read_bytes(), path


def test_the_same_patients_bear_other_names_under_another_key(studies, built, tmp_path):
    key = tmp_path / "other.key"
    key.write_bytes(b"x" * 32)
    run_build(studies, tmp_path / "out", privacy={"key_file": str(key)})
    names = [
        set(Dataset(out).table("samples").to_table(columns=["patient_id"])["patient_id"].to_pylist())
        for out in (built, tmp_path / "out")
    ]
    assert len(names[0]) == len(names[1]) > 20
    assert not names[0] & names[1]


def test_every_mention_in_the_bank_cuts_out_of_its_report(built):
    dataset = Dataset(built)
    texts = {row["study_id"]: row["text"] for row in dataset.table("samples").to_table().to_pylist()}
    bank = pq.read_table(built / "sentences").to_pylist()
    assert len(bank) > 100
    for row in bank:
        assert texts[row["study_id"]][row["start"] : row["end"]] == row["sentence"]
        assert re.search(re.escape(row["mention"]), row["sentence"])


def test_a_table_that_gives_one_patient_to_all_studies_is_told_why_nothing_can_be_mixed(tmp_path):
    (tmp_path / "images").mkdir()
    rows = ["image,report,study_id,patient_id,view"]
    for number, side in enumerate(("left", "right") * 3):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)).save(
            tmp_path / "images" / f"{number}.png"
        )
        rows.append(f"images/{number}.png,There is a small {side} pleural effusion.,s{number},same,frontal")
    (tmp_path / "studies.csv").write_text("\n".join(rows) + "\n")
    source = {"kind": "manifest", "root": str(tmp_path / "studies.csv")}
    with pytest.raises(DataError, match="no two patients share a finding, a view and a split"):
        run_build(tmp_path, tmp_path / "out", source=source)
