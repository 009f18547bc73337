"""`validate` notices every broken promise: each is broken here once, with hashes made to fit, and has to be named."""

import hashlib
import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.stages.shards.tar import npy_bytes, write_tar
from tests.commands.calls import call


class Forger:
    """Changes a copy of a dataset and makes its hashes fit, so that only the content can give it away."""

    def __init__(self, built, folder):
        shutil.copytree(built, folder)
        self.folder = folder
        self.manifest = json.loads((folder / "dataset.json").read_text())
        self.shard = next(s for s in self.manifest["shards"] if s["plans"] > 3)
        self.tar = folder / "shards" / f"{self.shard['name']}.tar"

    def members(self):
        samples: dict[str, dict[str, bytes]] = {}
        with tarfile.open(self.tar) as tar:
            for info in tar:
                key, _, suffix = info.name.partition(".")
                samples.setdefault(key, {})[suffix] = tar.extractfile(info).read()
        return samples

    def with_plan(self):
        """(members, key of the first host, its record)."""
        members = self.members()
        key = next(k for k, files in members.items() if json.loads(files["json"])["plans"])
        return members, key, json.loads(members[key]["json"])

    def put(self, members, key=None, record=None):
        if record is not None:
            members[key]["json"] = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        out = io.BytesIO()
        write_tar(out, members.items())
        self.tar.write_bytes(out.getvalue())

    def edit_rows(self, kind, change):
        path = self.folder / kind / f"{self.shard['name']}.parquet"
        table = pq.read_table(path)
        rows = table.to_pylist()
        change(rows)
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)

    def problems(self):
        for kind, path in (
            ("tar", self.tar),
            *((k, self.folder / k / f"{self.shard['name']}.parquet") for k in ("plans", "samples")),
        ):
            self.shard["sha256"][kind] = hashlib.sha256(path.read_bytes()).hexdigest()
        self.shard["bytes"] = self.tar.stat().st_size
        (self.folder / "dataset.json").write_text(json.dumps(self.manifest))
        return [str(p) for p in validate(Dataset(self.folder))]


@pytest.fixture
def forger(built, tmp_path):
    return Forger(built, tmp_path / "dataset")


def expect(problems, words):
    assert any(words in p for p in problems), problems[:5]


def test_an_honest_copy_is_valid(forger):
    forger.put(forger.members())
    assert forger.problems() == []


PLAN_FORGERIES = {
    "donor and donor_id": lambda plan: plan.update(donor=(plan["donor"] + 1) % 5),
    "donor's place is not in the shard": lambda plan: plan.update(donor=10_000),
    "a map that it names is not there": lambda plan: plan.update(donor_map=99),
    "the disease is not present": lambda plan: plan["labels"].pop(plan["disease"]),
    "disagree on the edits": lambda plan: plan["edits"].append([0, 1, ""]),
    "edits are empty, overlap": lambda plan: plan.update(edits=[[5, 3, "x"]]),
    "λ is off": lambda plan: plan.update({"lambda": 1.5}),
    "the plans of the records are not": lambda plan: plan.update(plan_id="0" * 16),
}


@pytest.mark.parametrize("words", PLAN_FORGERIES)
def test_a_forged_plan(forger, words):
    members, key, record = forger.with_plan()
    PLAN_FORGERIES[words](record["plans"][0])
    forger.put(members, key, record)
    expect(forger.problems(), words)


def test_a_donor_of_the_same_patient(forger):
    members, _, record = forger.with_plan()
    donor_key = record["plans"][0]["donor_id"]
    donor = json.loads(members[donor_key]["json"])
    donor["patient_id"] = record["patient_id"]
    forger.put(members, donor_key, donor)

    def same_patient(rows):
        next(r for r in rows if r["sample_id"] == donor_key)["patient_id"] = record["patient_id"]

    forger.edit_rows("samples", same_patient)
    expect(forger.problems(), "host and donor are of one patient")


def test_a_map_that_does_not_peak(forger):
    members, key, _ = forger.with_plan()
    maps = np.load(io.BytesIO(members[key]["attn.npy"]))
    members[key]["attn.npy"] = npy_bytes(maps // 2)
    forger.put(members)
    expect(forger.problems(), "does not peak at 255")


def test_maps_of_objects_are_not_loaded(forger):
    members, key, _ = forger.with_plan()
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    members[key]["attn.npy"] = out.getvalue()
    forger.put(members)
    expect(forger.problems(), "cannot be read without pickle")


def test_an_image_that_cannot_be_decoded(forger):
    members, key, _ = forger.with_plan()
    members[key]["jpg"] = b"\xff\xd8 no picture"
    forger.put(members)
    expect(forger.problems(), "image cannot be decoded")


def test_a_report_that_was_changed(forger):
    members, key, _ = forger.with_plan()
    members[key]["txt"] += b" Amended."
    forger.put(members)
    expect(forger.problems(), "the .txt and the row's text differ")


def test_a_sample_that_vanished(forger):
    name = forger.manifest["source"]
    name["images"] += 1
    expect(forger.problems(), "1 images are neither samples nor rejects")


def test_a_study_that_vanished(forger):
    forger.manifest["source"]["studies"] += 2
    expect(forger.problems(), "2 studies are neither in samples nor in rejects")


def test_a_file_that_nobody_knows(forger):
    shutil.copy(forger.tar, forger.folder / "shards" / "train-999999.tar")
    expect(forger.problems(), "dataset.json does not know this file")


def test_every_damaged_file_of_a_shard_is_named_at_once(forger):
    forger.problems()
    names = [f"{kind}/{forger.shard['name']}{suffix}" for kind, suffix in (("shards", ".tar"), ("plans", ".parquet"))]
    (forger.folder / names[0]).write_bytes(b"cut off")
    (forger.folder / names[1]).unlink()
    problems = [str(p) for p in validate(Dataset(forger.folder))]
    expect(problems, f"{names[0]}: the file has another sha256")
    expect(problems, f"{names[1]}: the file is missing")


def test_the_remedy_for_a_damaged_dataset_is_to_build_on_and_not_from_scratch(capsys, forger):
    forger.problems()
    forger.tar.write_bytes(b"cut off")
    said = call(capsys, "validate", forger.folder)
    assert said.code == 1
    assert f"1 problem in {forger.folder}: run its `build` again" in said.err
    assert "fresh" not in said.err


def test_a_column_of_another_type(forger):
    path = sorted((forger.folder / "rejects").iterdir())[0]
    pq.write_table(pq.read_table(path).drop_columns(["reason"]), path)
    expect(forger.problems(), "column reason is missing")
