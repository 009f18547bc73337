"""`shards.pixel` adds plain image–text shards of mixes to a dataset, and changes nothing else of it."""

import hashlib
import io
import json
import shutil
import signal
import tarfile

import numpy as np
import pytest
import webdataset
import yaml
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.stages.shards.tar import read_tar, write_tar
from tests.builds import SETTINGS, digests, merged, run_build
from tests.pipeline.test_ending import build_with_signal

PIXEL = {"shards": {"pixel": True}}


@pytest.fixture(scope="module")
def baked(studies, built, tmp_path_factory):
    """The dataset `built` with pixel mixes, which a second run added. Not to be changed."""
    out = tmp_path_factory.mktemp("baked") / "dataset"
    shutil.copytree(built, out)
    _, told = run_build(studies, out, **PIXEL)
    assert "shards: 128 samples, 128 already done" in told
    return out


def plan_rows(out):
    return {row["plan_id"]: row for row in Dataset(out).table("plans").to_table().to_pylist()}


def mixes(out):
    return {key: files for path in sorted((out / "pixel").iterdir()) for key, files in read_tar(path)}


def test_a_dataset_without_pixel_mixes_has_no_trace_of_them(built):
    assert not (built / "pixel").exists()
    told = json.loads((built / "dataset.json").read_text())
    assert not any("pixel" in part for part in (told["config"]["shards"], *told["shards"]))
    assert "pixel" not in (built / "README.md").read_text()


def test_pixel_mixes_are_added_and_nothing_else_changes(built, baked):
    before, after = digests(built), digests(baked)
    added = set(after) - set(before)
    assert added
    assert all(name.startswith("pixel/") for name in added)
    assert {name for name in before if after[name] != before[name]} == {"dataset.json", "README.md"}
    assert validate(Dataset(baked)) == []


def test_every_plan_has_a_mix_with_its_mixed_report_and_labels(baked):
    rows, made = plan_rows(baked), mixes(baked)
    assert set(made) == {f"mix-{plan_id}" for plan_id in rows}
    for key, files in made.items():
        row, record = rows[key.removeprefix("mix-")], json.loads(files["json"])
        assert files["txt"].decode() == row["mixed_text"]
        assert record["labels"] == dict(row["mixed_labels"])
        assert np.float32(record["lambda"]) == np.float32(row["lambda"])
        for name in ("plan_id", "host_id", "donor_id", "disease", "view", "split"):
            assert record[name] == row[name]
    told = Dataset(baked).manifest.shards
    assert sum(s.pixel.mixes for s in told if s.pixel) == len(rows)


def test_a_record_names_host_and_patient_as_the_samples_do(baked):
    samples = {row["sample_id"]: row for row in Dataset(baked).table("samples").to_table().to_pylist()}
    for files in mixes(baked).values():
        record = json.loads(files["json"])
        host = samples[record["host_id"]]
        assert (record["study_id"], record["patient_id"]) == (host["study_id"], host["patient_id"])


def test_lossless_mixes_equal_the_formula_on_the_stored_images(studies, built, tmp_path):
    out = tmp_path / "out"
    run_build(studies, out, shards={"pixel": True, "image_format": "png"})
    assert validate(Dataset(out)) == []
    checked = 0
    for path in sorted((out / "pixel").iterdir()):
        stored = dict(read_tar(out / "shards" / path.name))
        for _, files in read_tar(path):
            record = json.loads(files["json"])
            host, donor = stored[record["host_id"]], stored[record["donor_id"]]
            [plan] = [p for p in json.loads(host["json"])["plans"] if p["plan_id"] == record["plan_id"]]
            expected = formula(host["png"], donor["png"], donor["attn.npy"], plan)
            assert np.abs(pixels(files["png"]) - expected).max() <= 1
            checked += 1
    assert checked > 50


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)), np.float64)


def formula(host, donor, maps, plan):
    """host + (1 − λ) A (donor − host) in float64, with Pillow's resizing."""
    host, donor = pixels(host), Image.open(io.BytesIO(donor))
    size = host.shape[::-1]
    if donor.size != size:
        donor = donor.resize(size, Image.Resampling.LANCZOS)
    stored = np.load(io.BytesIO(maps))[plan["donor_map"]].astype(np.float32)
    raised = np.asarray(Image.fromarray(stored, mode="F").resize(size, Image.Resampling.BILINEAR), np.float64)
    return host + (1 - plan["lambda"]) * raised / raised.max() * (np.asarray(donor, np.float64) - host)


@pytest.mark.parametrize("engine", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_bake_killed_in_the_middle_goes_on_to_the_same_bytes_on_any_engine(studies, built, baked, tmp_path, engine):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    settings = merged(SETTINGS, engine={"kind": engine, "workers": 2}, **PIXEL)
    assert build_with_signal(studies, out, settings, "pixel", signal.SIGKILL).returncode == -signal.SIGKILL
    assert not (out / "dataset.json").exists()
    assert list((out / "pixel").iterdir())
    _, told = run_build(studies, out, engine=settings["engine"], **PIXEL)
    assert any("already done" in line for line in told.splitlines() if line.startswith("pixel:"))
    assert digests(out) == digests(baked)


def test_switching_off_removes_the_mixes_and_gives_the_dataset_of_before(studies, built, baked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(baked, out)
    run_build(studies, out)
    assert not (out / "pixel").exists()
    assert digests(out) == digests(built)
    assert validate(Dataset(out)) == []


def test_a_mix_that_was_deleted_is_made_again_and_the_others_are_left_alone(studies, baked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(baked, out)
    gone, *others = sorted((out / "pixel").iterdir())
    before = [path.stat().st_mtime_ns for path in others]
    gone.unlink()
    run_build(studies, out, **PIXEL)
    assert digests(out) == digests(baked)
    assert before == [path.stat().st_mtime_ns for path in others]


def test_a_bound_on_mixes_can_be_changed_without_making_shards_anew(studies, baked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(baked, out)
    _, told = run_build(studies, out, shards={"pixel": True, "pixel_per_host": 1})
    assert "shards: 128 samples, 128 already done" in told
    assert validate(Dataset(out)) == []
    hosts = [row["host_id"] for row in plan_rows(out).values()]
    assert len(mixes(out)) == len(set(hosts)) < len(hosts)


def test_other_plans_give_other_mixes(studies, baked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(baked, out)
    changes = {"plans": {"alpha": 3.0}, **PIXEL}
    run_build(studies, out, **changes)
    assert validate(Dataset(out)) == []
    assert digests(out) != digests(baked)
    run_build(studies, tmp_path / "new", **changes)
    assert digests(out) == digests(tmp_path / "new")


def test_webdataset_reads_clean_and_mixed_pairs_as_one_stream(baked):
    files = [str(path) for kind in ("shards", "pixel") for path in sorted((baked / kind).glob("*.tar"))]
    pairs = webdataset.WebDataset(files, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json", "__key__")
    read = list(pairs)
    counts = Dataset(baked).manifest.counts
    assert len(read) == len({key for *_, key in read}) == counts.samples + counts.plans
    assert all(image.size[0] == image.size[1] and text.strip() for image, text, *_ in read)


def test_the_card_names_mixes_as_a_configuration_of_their_own_beside_the_one_that_there_was(built, baked):
    before, after = (yaml.safe_load((out / "README.md").read_text().split("---")[1]) for out in (built, baked))
    default, pixel = after["configs"]
    assert [default] == before["configs"]
    assert after["dataset_info"][0] == before["dataset_info"]
    assert pixel["config_name"] == after["dataset_info"][1]["config_name"] == "pixel"
    for split in pixel["data_files"]:
        assert list(baked.glob(split["path"])), split
    members = {suffix for files in mixes(baked).values() for suffix in files}
    assert members == {f["name"] for f in after["dataset_info"][1]["features"] if not f["name"].startswith("__")}


class Forger:
    """Changes the mixes of a shard and makes the hashes fit."""

    def __init__(self, baked, folder):
        shutil.copytree(baked, folder, ignore=shutil.ignore_patterns(".build"))
        self.folder = folder
        self.manifest = json.loads((folder / "dataset.json").read_text())
        self.facts = self.manifest["shards"][0]["pixel"]
        self.tar = folder / "pixel" / f"{self.manifest['shards'][0]['name']}.tar"
        self.mixes = dict(read_tar(self.tar))
        self.first = next(iter(self.mixes))

    def problems(self):
        out = io.BytesIO()
        write_tar(out, self.mixes.items())
        self.tar.write_bytes(out.getvalue())
        self.facts |= {"bytes": self.tar.stat().st_size, "sha256": hashlib.sha256(out.getvalue()).hexdigest()}
        (self.folder / "dataset.json").write_text(json.dumps(self.manifest))
        return [str(p) for p in validate(Dataset(self.folder))]


def grey(size):
    out = io.BytesIO()
    Image.new("L", size, 90).save(out, "JPEG")
    return out.getvalue()


def host_of(forger):
    """The host's own image in the place of the mix that keeps least of it."""
    mix = min(forger.mixes.values(), key=lambda files: json.loads(files["json"])["lambda"])
    stored = dict(read_tar(forger.folder / "shards" / forger.tar.name))
    mix["jpg"] = stored[json.loads(mix["json"])["host_id"]]["jpg"]


def renamed(forger):
    forger.mixes = {key.replace("mix-", "mux-"): files for key, files in forger.mixes.items()}


FORGERIES = {
    "the .txt is not the mixed report": lambda f: f.mixes[f.first].update(txt=b"No finding."),
    "the record is not that of its plan": lambda f: f.mixes[f.first].update(json=b'{"plan_id": "0"}'),
    "the image cannot be decoded": lambda f: f.mixes[f.first].update(jpg=b"\xff\xd8 no picture"),
    "the image has another size": lambda f: f.mixes[f.first].update(jpg=grey((40, 40))),
    "the image is not the mix of its plan": lambda f: f.mixes[f.first].update(jpg=grey((96, 96))),
    "off by": host_of,
    "must have .jpg, .json, .txt, and nothing else": lambda f: f.mixes[f.first].update({"attn.npy": b""}),
    "is not the mix of the plan whose turn it is": renamed,
    "has no mix of a plan that should have one": lambda f: f.mixes.popitem(),
    "disagree on how much there is": lambda f: f.facts.update(mixes=1),
    "that nobody asked for": lambda f: f.manifest["config"]["shards"].update(pixel=False),
    "and they were asked for": lambda f: f.manifest["shards"][0].pop("pixel"),
}


@pytest.mark.parametrize("words", FORGERIES)
def test_validate_notices_a_forged_mix(baked, tmp_path, words):
    forger = Forger(baked, tmp_path / "dataset")
    FORGERIES[words](forger)
    problems = forger.problems()
    assert any(words in p for p in problems), problems[:5]


def test_mixes_encoded_by_another_release_are_still_valid(baked, tmp_path):
    forger = Forger(baked, tmp_path / "dataset")
    for files in forger.mixes.values():
        out = io.BytesIO()
        with Image.open(io.BytesIO(files["jpg"])) as image:
            image.save(out, "JPEG", quality=100)
        files["jpg"] = out.getvalue()
    assert forger.problems() == []


@pytest.mark.parametrize("damage", ["deleted", "cut off", "unknown", "not plain"])
def test_validate_names_a_damaged_file_of_mixes(baked, tmp_path, damage):
    forger = Forger(baked, tmp_path / "dataset")
    where = f"pixel/{forger.tar.name}"
    if damage == "deleted":
        forger.tar.unlink()
    elif damage == "cut off":
        forger.tar.write_bytes(forger.tar.read_bytes()[:5000])
    elif damage == "unknown":
        where = "pixel/train-999999.tar"
        shutil.copy(forger.tar, forger.folder / where)
    else:
        with tarfile.open(forger.tar, "a") as tar:
            tar.addfile(tarfile.TarInfo("mix-a.txt"))
    assert where in {p.where for p in validate(Dataset(forger.folder))}
