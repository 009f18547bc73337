"""Whatever happened to an output folder before, building into it gives what a build into a new folder gives."""

import csv
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.pipeline import ray_engine
from tests.builds import digests, merged, run_build
from tests.pipeline import fitted_once, manifests
from tests.pipeline.manifests import Entry, Picture

CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 12, "image_size": 40},
    "ingest": {"studies_per_part": 10},
}
_FIT = {"image_size": 32, "steps": 2, "batch": 8, "width": 16, "networks": 1, "max_images": 16}
FIT = {"encoder": "fit", "fit": _FIT}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A few studies; their folder has a space and a letter beyond ASCII in its name."""
    root = tmp_path_factory.mktemp("corpus with ümlaut") / "studies"
    manifests.write_corpus(root)
    return root


@pytest.fixture(autouse=True)
def encoder(built, monkeypatch):
    """An encoder that was really fitted, once for all of these builds."""
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))


@pytest.fixture(scope="module")
def reference(corpus, built, tmp_path_factory):
    """What a build gives with the settings above. Not to be changed."""
    out = tmp_path_factory.mktemp("reference") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fitted_once.FOLDER, str(built / "encoder"))
        make(corpus, out)
    return out


def make(root, out, fresh=False, **changes):
    manifest, told = run_build(root, out, fresh=fresh, **merged(CHANGES, **changes))
    return manifest, told


class PowerCut(BaseException):
    """Ends a build at once, as far as a process can do that to itself."""


@pytest.fixture
def power_cut(monkeypatch):
    """Let a build die at its n-th flush to the disk: before or after a file gets its name."""
    fsync = os.fsync

    def dies(build, at):
        count = 0

        def flush(handle):
            nonlocal count
            count += 1
            if count == at:
                raise PowerCut
            fsync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", flush)
            try:
                build()
            except PowerCut:
                return True
        return False

    return dies


@pytest.mark.parametrize("first", [1, 2])
def test_a_build_that_dies_at_any_flush_goes_on_to_the_same_bytes(corpus, reference, tmp_path, power_cut, first):
    out, at = tmp_path / "out", first
    while power_cut(lambda: make(corpus, out), at):
        assert not (out / "dataset.json").exists()
        at += 2
    assert digests(out) == digests(reference)


OTHER_SETTINGS = {
    "the chance of λ": {"plans": {"alpha": 3.0}},
    "the shards' size": {"shards": {"samples_per_shard": 6}},
}


@pytest.mark.parametrize("other", OTHER_SETTINGS)
def test_dying_under_other_settings_does_not_taint_a_return_to_the_old(corpus, reference, tmp_path, power_cut, other):
    out, at = tmp_path / "out", 5
    make(corpus, out)
    while power_cut(lambda: make(corpus, out, **OTHER_SETTINGS[other]), at):
        make(corpus, out)
        assert digests(out) == digests(reference)
        at += 8
    assert at > 30, "hardly anything was made anew"


SWITCHES = {
    "a longer list": [{"source": {"kind": "manifest", "limit": 15}}, {}],
    "a shorter list": [{}, {"source": {"kind": "manifest", "limit": 15}}],
    "larger parts": [{}, {"ingest": {"studies_per_part": 20}}],
    "splits": [{}, {"splits": {"train": 0.5, "validate": 0.5}}],
    "findings left out": [{}, {"pairing": {"exclude": ["Cardiomegaly"]}}],
    "wider maps": [{}, {"attention": {"mass": 0.9}}],
    "squares": [{"attention": FIT}, {"attention": FIT, "shards": {"square": "stretch", "image_size": 32}}],
    "another encoder and back": [{"attention": FIT}, {}, {"attention": FIT}],
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_change_of_settings_gives_what_a_new_folder_gives(corpus, reference, tmp_path, switch):
    out, new = tmp_path / "out", tmp_path / "new"
    for changes in SWITCHES[switch]:
        make(corpus, out, **changes)
        if not changes:
            assert digests(out) == digests(reference)
    if changes:
        make(corpus, new, **changes)
        assert digests(out) == digests(new)
    assert validate(Dataset(out)) == []


IDLE = {
    "how a fit would learn, where nothing is fitted": ({}, {"fit": {**_FIT, "steps": 3}}),
    "how many networks of a fit learn at a time": (FIT, {**FIT, "fit": {**_FIT, "threads": 1}}),
    "code of a published model, where none is used": (FIT, {**FIT, "trust_remote_code": True}),
}


@pytest.mark.parametrize("setting", IDLE)
def test_a_setting_that_changes_nothing_redoes_nothing_but_what_tells_the_settings(corpus, tmp_path, setting):
    out, new = tmp_path / "out", tmp_path / "new"
    before, after = IDLE[setting]
    make(corpus, out, attention=before)
    _, told = make(corpus, out, attention=after)
    assert len(re.findall(r"(\d+) \w+, \1 already done", told)) == (3 if before else 2)
    make(corpus, new, attention=after)
    assert digests(out) == digests(new)


def test_an_image_and_a_report_that_were_changed_on_disk_are_read_again(corpus, tmp_path):
    root = tmp_path / "studies"
    shutil.copytree(corpus, root)
    make(root, tmp_path / "out")
    image = sorted(root.glob("*.png"))[0]
    Image.fromarray(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8)).save(image)
    table = root / "studies.csv"
    table.write_text(table.read_text().replace("small left", "minimal left", 1))
    make(root, tmp_path / "out")
    make(root, tmp_path / "new")
    assert digests(tmp_path / "out") == digests(tmp_path / "new")


def test_a_lexicon_that_was_changed_in_place_is_read_again(corpus, tmp_path):
    lexicon = tmp_path / "own words.toml"
    changed = {"sentences": {"lexicon": str(lexicon)}}
    lexicon.write_text('[[findings]]\nname = "Gout"\nterms = ["gout"]\n')
    make(corpus, tmp_path / "out", **changed)
    lexicon.write_text('[[findings]]\nname = "Intact Thorax"\nterms = ["bony thorax"]\n')
    manifest, _ = make(corpus, tmp_path / "out", **changed)
    assert "Intact Thorax" in manifest.diseases
    assert str(tmp_path) not in (tmp_path / "out" / "dataset.json").read_text()


def test_a_finished_dataset_is_not_touched_by_a_run_that_finds_nothing_to_do(corpus, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    before = (out / "dataset.json").stat()
    make(corpus, out)
    after = (out / "dataset.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


ON_RAY = {"engine": {"kind": "ray", "workers": 1}}


@pytest.fixture
def no_ray(monkeypatch):
    """A machine on which no Ray can be started."""

    def fails(*_):
        raise UsageError("no local Ray could be started")

    monkeypatch.setattr(ray_engine, "start_or_join", fails)


@pytest.mark.parametrize("gone", ["README.md", "dataset.json"])
def test_no_ray_is_started_where_there_is_no_work_for_it(corpus, reference, tmp_path, no_ray, gone):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    (out / gone).unlink()
    make(corpus, out, **ON_RAY)
    assert digests(out) == digests(reference)


@pytest.mark.parametrize("gone", ["", "sentences", "shards/train-000000.tar"])
def test_a_ray_that_does_not_start_costs_no_dataset(corpus, reference, tmp_path, no_ray, gone):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    if gone == "sentences":
        shutil.rmtree(out / gone)
    elif gone:
        (out / gone).unlink()
    with pytest.raises(UsageError, match="no local Ray"):
        make(corpus, out, **ON_RAY, **({} if gone else {"attention": FIT}))
    assert (out / "dataset.json").read_bytes() == (reference / "dataset.json").read_bytes()


@pytest.mark.parametrize("gone", ["dataset.json", ".build", "README.md", "sentences", "shards/train-000000.tar"])
def test_what_was_deleted_by_hand_is_made_again(corpus, reference, tmp_path, gone):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    shutil.rmtree(out / gone) if (out / gone).is_dir() else (out / gone).unlink()
    make(corpus, out)
    assert digests(out) == digests(reference)


@pytest.mark.parametrize(
    "what", ["shards/train-000000.tar", "sentences/part-00000.parquet", "encoder/model.safetensors"]
)
def test_a_finished_file_that_is_not_as_it_was_written_is_told_and_made_again(corpus, tmp_path, what):
    out = tmp_path / "out"
    make(corpus, out, attention=FIT)
    before = digests(out)
    content = bytearray((out / what).read_bytes())
    content[len(content) // 2] ^= 1
    (out / what).write_bytes(content)
    _, told = make(corpus, out, attention=FIT)
    assert f"{what} is gone or not as it was written: it is made again" in told
    assert digests(out) == before


def test_strange_files_in_the_folders_of_a_dataset_do_not_stop_a_build(corpus, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    (out / "shards" / "notes").mkdir()
    (out / "shards" / "train-000099.tar").write_bytes(b"of an earlier build")
    (out / "rejects" / "part-00007.parquet").write_bytes(b"of an earlier build")
    (out / ".build" / "done" / "part-00000.json").write_bytes(b"\xff{")
    make(corpus, out)
    assert digests(out) == digests(reference)


def test_leftovers_of_a_killed_build_do_not_outlive_the_next(corpus, tmp_path):
    scrap = tmp_path / "out" / ".build" / "scratch" / "part-00000.parquet.0123"
    scrap.parent.mkdir(parents=True)
    (tmp_path / "out" / ".build" / "lock").write_text("process 4711 on a-node")
    scrap.write_text("the listing of a build that was killed, patients and all")
    make(corpus, tmp_path / "out")
    assert not scrap.exists()
    assert not (tmp_path / "out" / ".build" / "work").exists()


def test_a_mistake_beside_fresh_costs_nothing(corpus, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    mistakes = (
        {"privacy": {"key_file": str(tmp_path / "nowhere.key")}},
        {"sentences": {"lexicon": str(tmp_path / "nowhere.toml")}},
        {"engine": {"kind": "ray", "ray_address": "127.0.0.1:9"}},
        {"attention": {"encoder": str(tmp_path / "nowhere")}},
    )
    for mistake in mistakes:
        with pytest.raises(UsageError):
            make(corpus, out, fresh=True, **mistake)
        assert digests(out) == digests(reference)
    make(corpus, out, fresh=True)
    assert digests(out) == digests(reference)


def no_pairs(root):
    """Studies of which no two share a finding."""
    good = (Picture("good", 32, "frontal", named=True),)
    told = ["There is mild cardiomegaly.", "There is a small left pleural effusion.", "No pneumothorax."]
    manifests.write_manifest([Entry(n, n, "train", f"FINDINGS: {text}", good) for n, text in enumerate(told)], root)


def images_that_are_not_there(root):
    """Studies most of whose images are missing."""
    told = list(manifests.SENTENCES)
    kinds = ["good"] * 3 + ["missing"] * 9
    manifests.write_manifest(
        [
            Entry(n, n, "train", f"FINDINGS: {told[n % 5]}", (Picture(kind, 32, "frontal", named=True),))
            for n, kind in enumerate(kinds)
        ],
        root,
    )


def only_a_test_split(root):
    """Studies of which none may be learned from."""
    told = list(manifests.SENTENCES)
    good = (Picture("good", 32, "frontal", named=True),)
    manifests.write_manifest([Entry(n, n, "test", f"FINDINGS: {told[n % 5]}", good) for n in range(8)], root)


MISTAKES = {
    "no two studies share": (no_pairs, {}),
    "max_reject_rate": (images_that_are_not_there, {}),
    "no train image": (only_a_test_split, {"attention": FIT}),
}


@pytest.mark.parametrize("told", MISTAKES)
def test_a_source_that_cannot_be_built_from_costs_no_finished_dataset(corpus, reference, tmp_path, told):
    write, changes = MISTAKES[told]
    out, other = tmp_path / "out", tmp_path / "other"
    shutil.copytree(reference, out)
    write(other)
    with pytest.raises(DataError, match=told):
        make(other, out, **changes)
    assert digests(out) == digests(reference)
    assert validate(Dataset(out)) == []
    before = (out / "dataset.json").stat().st_ino
    make(corpus, out)
    assert (out / "dataset.json").stat().st_ino == before, "there was something to do, after all"


@pytest.mark.parametrize("first", [1, 2])
def test_a_finished_dataset_is_replaced_whole_or_not_at_all(corpus, reference, tmp_path, power_cut, first):
    changed = {"splits": {"train": 0.5, "validate": 0.5}}
    out, new, at = tmp_path / "out", tmp_path / "new", first
    shutil.copytree(reference, out)
    make(corpus, new, **changed)
    stood = 0
    while power_cut(lambda: make(corpus, out, **changed), at):
        if (out / "dataset.json").exists():
            assert validate(Dataset(out)) == []
            assert digests(out) == digests(reference)
            stood += 1
        at += 2
    assert digests(out) == digests(new)
    assert stood > 3, "the dataset went before all was read"


def test_a_key_that_is_too_short_is_a_mistake_and_nothing_is_written(corpus, tmp_path):
    (tmp_path / "short.key").write_bytes(b"x" * 31)
    with pytest.raises(UsageError, match="has 31 bytes, at least 32"):
        make(corpus, tmp_path / "out", privacy={"key_file": str(tmp_path / "short.key")})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [".build", "dataset.json"])
def test_a_folder_of_another_program_is_not_taken_for_ours(corpus, tmp_path, name):
    project = tmp_path / "project"
    (project / "samples").mkdir(parents=True)
    (project / "samples" / "mine.txt").write_text("precious")
    (project / "README.md").write_text("precious")
    (project / name).mkdir() if name == ".build" else (project / name).write_text('{"name": "of another tool"}')
    for fresh in (False, True):
        with pytest.raises(UsageError, match="holds no dataset of ours"):
            make(corpus, project, fresh=fresh)
    assert (project / "samples" / "mine.txt").read_text() == (project / "README.md").read_text() == "precious"


def test_a_source_inside_the_output_is_a_mistake(corpus, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    shutil.copytree(corpus, out / "samples" / "source")
    for root in (out / "samples" / "source", out / "samples" / "source" / "studies.csv"):
        with pytest.raises(UsageError, match="inside the output"):
            make(root, out, fresh=True)
    assert (out / "samples" / "source" / "studies.csv").exists()


def test_an_output_inside_the_source_is_fine(corpus, reference, tmp_path):
    root = tmp_path / "studies"
    shutil.copytree(corpus, root)
    out = root / "out"
    for _ in range(2):
        make(root, out)
        assert digests(out) == digests(reference)


@pytest.mark.parametrize(("images", "broken", "most"), [(100, 29, 0.29), (24, 3, 0.125)])
def test_as_many_rejects_as_allowed_are_allowed(corpus, tmp_path, images, broken, most):
    root = tmp_path / "studies"
    good = Picture("good", 32, "frontal", named=False)
    pictures = [good] * (images - broken) + [Picture("empty", 32, "frontal", named=False)] * broken
    told = list(manifests.SENTENCES)
    entries = [Entry(n, n, "train", f"FINDINGS: {told[n % 5]}", tuple(pictures[n::10])) for n in range(10)]
    manifests.write_manifest(entries, root)
    manifest, _ = make(root, tmp_path / "out", engine={"max_reject_rate": most})
    assert sum(n for reason, n in manifest.counts.rejects.items() if reason.startswith("image")) == broken
    with pytest.raises(DataError, match="max_reject_rate"):
        make(root, tmp_path / "out", engine={"max_reject_rate": most - 1e-6})
    assert (tmp_path / "out" / "dataset.json").exists(), "nothing was changed, so the dataset still stands"


def test_a_unit_whose_images_are_all_rejected_leaves_no_shard(tmp_path):
    root = tmp_path / "studies"
    told = list(manifests.SENTENCES)
    entries = [
        Entry(
            n,
            n,
            "test" if n >= 8 else "train",
            f"FINDINGS: {told[n % 5]}",
            (Picture("truncated" if n >= 8 else "good", 32, "frontal", named=True),),
        )
        for n in range(10)
    ]
    manifests.write_manifest(entries, root)
    make(root, tmp_path / "out")
    dataset = Dataset(tmp_path / "out")
    assert validate(dataset) == []
    assert {s.split for s in dataset.manifest.shards} == {"train"}
    assert dataset.manifest.counts.rejects == {"image-truncated": 2, "study-without-usable-image": 2}


def test_a_source_without_a_train_split_cannot_be_fitted_on(tmp_path):
    root = tmp_path / "studies"
    told = list(manifests.SENTENCES)
    good = (Picture("good", 32, "frontal", named=True),)
    manifests.write_manifest([Entry(n, n, "test", f"FINDINGS: {told[n % 5]}", good) for n in range(8)], root)
    with pytest.raises(DataError, match="no train image"):
        make(root, tmp_path / "out", attention=FIT)


def test_a_huge_report_is_rejected_and_costs_nothing_else(tmp_path):
    root = tmp_path / "studies"
    told = list(manifests.SENTENCES)
    good = (Picture("good", 32, "frontal", named=True),)
    entries = [Entry(n, n, "train", f"FINDINGS: {told[n % 5]}", good) for n in range(8)]
    manifests.write_manifest(entries, root)
    rows = read_table(root)
    rows.append({**rows[0], "study_id": "huge", "patient_id": "9", "image_id": "huge"})
    rows[-1]["report"] = "FINDINGS: " + "No pleural effusion. " * 60_000
    write_json_lines(root, rows)
    manifest, _ = make(root, tmp_path / "out")
    assert manifest.counts.rejects == {"report-too-large": 2}
    assert validate(Dataset(tmp_path / "out")) == []


def read_table(root):
    """The rows of the manifest, which goes."""
    with (root / "studies.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (root / "studies.csv").unlink()
    return rows


def write_json_lines(root, rows):
    (root / "studies.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def test_characters_that_no_file_can_hold_cost_their_row_only(tmp_path):
    root = tmp_path / "studies"
    told = list(manifests.SENTENCES)
    good = (Picture("good", 32, "frontal", named=True),)
    manifests.write_manifest([Entry(n, n, "train", f"FINDINGS: {told[n % 5]}", good) for n in range(8)], root)
    rows = read_table(root)
    for column in ("report", "patient_id", "study_id", "image", "image_id", "view"):
        rows.append({**rows[0], "study_id": f"{column} study", "image_id": f"{column} image"})
        rows[-1][column] += " \ud800 \0 \x1b[31m"
    write_json_lines(root, rows)
    manifest, _ = make(root, tmp_path / "out", engine={"max_reject_rate": 1.0})
    assert validate(Dataset(tmp_path / "out")) == []
    assert manifest.counts.samples >= 8
