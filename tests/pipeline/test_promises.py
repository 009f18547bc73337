"""Whatever a source holds, a build keeps the promises of the format, or says why it cannot and leaves no dataset."""

import json
import shutil
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources import open_source
from medcutmix_pipeline.stages.identities import Identities
from tests.builds import run_build
from tests.pipeline import fitted_once, manifests

KEY = bytes(range(32))
CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 8, "image_size": 32},
    "ingest": {"studies_per_part": 5},
    "engine": {"max_reject_rate": 1.0},
}


@pytest.fixture
def encoder(built, monkeypatch):
    """An encoder that was really fitted, once for all of these builds."""
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))


def test_every_promise_holds_over_random_manifests(encoder):
    made, tempted = 0, 0

    @given(manifests.manifests())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # a build takes too long for shrinking
    )
    def check(entries):
        nonlocal made, tempted
        done = holds(entries)
        made, tempted = made + done, tempted + (done and could_leak(entries))

    check()
    assert tempted >= 5, "hardly a patient stood in two splits, or a report in two patients' studies"
    assert made >= 8, "most of the manifests could not be mixed, so that hardly anything was checked"


def holds(entries):
    """Build a dataset of the entries and check it; False where there is rightly none."""
    folder = Path(tempfile.mkdtemp(prefix="prömise "))
    root, out = folder / "Quelle", folder / "Ausgabe"
    try:
        manifests.write_manifest(entries, root)
        try:
            run_build(root, out, **CHANGES)
        except DataError:
            assert not (out / "dataset.json").exists()
            return False
        assert could_be_mixed(entries), "plans came out of studies that nothing connects"
        assert validate(Dataset(out)) == []
        partners_belong_together(out)
        no_patient_is_in_two_splits(out)
        mixed_texts_are_the_edits_of_their_hosts(out)
        every_image_stands_in_one_shard(out)
        nothing_vanished(root, out)
        nothing_of_the_source_shows(entries, root, out)
        return True
    finally:
        shutil.rmtree(folder)


def could_be_mixed(entries):
    """Whether two patients' studies assert one finding at all, by the plain meaning of their sentences."""
    told = {}
    for entry in entries:
        if entry.patient is not None and any(p.kind == "good" for p in entry.pictures):
            for sentence, finding in manifests.SENTENCES.items():
                if finding and sentence in entry.report:
                    told.setdefault(finding, set()).add(entry.patient)
    return any(len(patients) > 1 for patients in told.values())


def rows(out, kind):
    return [row for path in sorted((out / kind).iterdir()) for row in pq.read_table(path).to_pylist()]


def partners_belong_together(out):
    """Read from the tables alone: one finding, one view, one split, one shard, two patients."""
    samples = {row["sample_id"]: row for row in rows(out, "samples")}
    plans = rows(out, "plans")
    assert plans
    for plan in plans:
        host, donor = samples[plan["host_id"]], samples[plan["donor_id"]]
        assert host["patient_id"] != donor["patient_id"]
        for column in ("split", "view", "shard"):
            assert host[column] == donor[column] == plan[column]
        assert dict(host["labels"])[plan["disease"]] == dict(donor["labels"])[plan["disease"]] == "present"


def no_patient_is_in_two_splits(out):
    """Read from the tables alone."""
    splits = {}
    for row in rows(out, "samples"):
        splits.setdefault(row["patient_id"], set()).add(row["split"])
    assert all(len(own) == 1 for own in splits.values())


def could_leak(entries):
    """Whether the source puts a patient into two splits, and gives two patients the very same report."""
    splits, told = {}, {}
    for entry in entries:
        splits.setdefault(entry.patient, set()).add(entry.split)
        told.setdefault(entry.report, set()).add(entry.patient)
    return any(len(own) > 1 for own in splits.values()) or any(len(own) > 1 for own in told.values())


def mixed_texts_are_the_edits_of_their_hosts(out):
    texts = {row["sample_id"]: row["text"] for row in rows(out, "samples")}
    for plan in rows(out, "plans"):
        text = texts[plan["host_id"]]
        for edit in reversed(plan["edits"]):
            text = text[: edit["start"]] + edit["text"] + text[edit["end"] :]
        assert text == plan["mixed_text"]
        assert plan["donor_sentence"] in text


def every_image_stands_in_one_shard(out):
    keys, pictures = Counter(), Counter()
    for shard in sorted((out / "shards").iterdir()):
        with tarfile.open(shard) as tar:
            for name in tar.getnames():
                key, _, suffix = name.partition(".")
                keys[key] += suffix == "json"
                pictures[key] += suffix == "jpg"
    assert set(keys.values()) == {1}
    assert keys == pictures == Counter(row["sample_id"] for row in rows(out, "samples"))


def nothing_vanished(root, out):
    """Each image and study that the source lists comes out once, as a sample or as a reject of the same name."""
    names = Identities(KEY, public_ids=False)
    listed = list(open_source(SourceConfig(kind="manifest", root=str(root))).studies())
    rejects = rows(out, "rejects")
    images = Counter(row["sample_id"] for row in rows(out, "samples"))
    images.update(row["input"] for row in rejects if row["kind"] == "image")
    assert images == Counter(names.image(s.study_id, i.image_id) for s in listed for i in s.images)
    studies = Counter({row["study_id"] for row in rows(out, "samples")})
    studies.update(row["input"] for row in rejects if row["kind"] == "study")
    assert studies == Counter(names.study(s.study_id) for s in listed)


def nothing_of_the_source_shows(entries, root, out):
    """No identifier, no file's name and no folder of the source, in any file, `.build` included."""
    secrets = {manifests.study_name(e) for e in entries} | {manifests.patient_name(e) for e in entries} - {""}
    secrets |= {root.name, "studies.csv", "Bild ", "画像-"}
    for path in out.rglob("*"):
        if path.is_file():
            for content in (path.read_bytes(), plain(path).encode("utf-8", "surrogatepass")):
                for secret in secrets:
                    assert secret.encode() not in content, path
                    assert json.dumps(secret)[1:-1].encode() not in content, path


def plain(path):
    """What a compressed table holds, as text."""
    if path.suffix != ".parquet":
        return path.name
    table = pq.read_table(path)
    return f"{table.schema.metadata} {table.to_pylist()}"
