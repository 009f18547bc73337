"""What a build removes: all that it made of patients who are withdrawn, and nothing that is not its own."""

import csv
import shutil

import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import UsageError
from tests.builds import digests, merged, run_build
from tests.pipeline import fitted_once, manifests
from tests.pipeline.manifests import Entry, Picture

CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 6, "image_size": 40, "pixel": True},
    "ingest": {"studies_per_part": 5},
}
GOOD = (Picture("good", 32, "frontal", named=True),)
WITHDRAWN = "spondylosis"
"""A word of the reports of those patients only who are withdrawn later."""


@pytest.fixture(autouse=True)
def encoder(built, monkeypatch):
    """An encoder that was really fitted, once for all of these builds."""
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twenty-four studies of as many patients; every report of the last nine has the word."""
    root = tmp_path_factory.mktemp("corpus") / "studies"
    told = list(manifests.SENTENCES)
    reports = [f"FINDINGS: {told[n % 5]}" + f" There is {WITHDRAWN}." * (n >= 15) for n in range(24)]
    manifests.write_manifest([Entry(n, n, "train", report, GOOD) for n, report in enumerate(reports)], root)
    return root


@pytest.fixture(scope="module")
def finished(corpus, built, tmp_path_factory):
    """A dataset of all of them. Not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fitted_once.FOLDER, str(built / "encoder"))
        make(corpus, out)
    return out


def make(root, out, fresh=False, **changes):
    return run_build(root, out, fresh=fresh, **merged(CHANGES, **changes))


def without_the_withdrawn(corpus, root):
    """The same source without the studies that have the word."""
    shutil.copytree(corpus, root)
    with (root / "studies.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if WITHDRAWN not in row["report"]]
    with (root / "studies.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return root


def patients(out):
    return set(pq.read_table(out / "samples", columns=["patient_id"])["patient_id"].to_pylist())


def holding(out, words):
    """The files, `.build` included, in which one of the words is; tables are unpacked."""
    found = set()
    for path in (path for path in out.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist()).encode()
        if any(word.encode() in content for word in words):
            found.add(path.relative_to(out).as_posix())
    return found


def test_nothing_of_a_withdrawn_patient_is_left_once_the_dataset_is_built_again(corpus, finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    make(without_the_withdrawn(corpus, tmp_path / "rest"), out)
    gone = patients(finished) - patients(out)
    assert len(gone) == 9
    assert any(name.startswith(".build/candidates/") for name in holding(finished, {WITHDRAWN})), "nothing was at stake"
    assert holding(out, {WITHDRAWN, *gone}) == set()
    marks = {path.name for path in (out / ".build" / "done").iterdir()}
    make(without_the_withdrawn(corpus, tmp_path / "again"), tmp_path / "new")
    assert marks == {path.name for path in (tmp_path / "new" / ".build" / "done").iterdir()}
    _, told = make(tmp_path / "rest", out)
    assert "read: 15 studies, 15 already done" in told, "what still counts went as well"


def whole_folder(folder):
    """Every file's content, `.build` included."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OTHERS_STATE = {
    "an empty lock": {".build/lock": ""},
    "a lock with a number": {".build/lock": "4711\n"},
    "finished work": {".build/lock": "", ".build/done/task.json": '{"key": "value"}', ".build/done/list.json": "[1]"},
    "a sign of another": {".build/lock": "", ".build/medcutmix-pipeline": "a link to the tool\n"},
}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("state", OTHERS_STATE)
def test_a_build_folder_and_a_lock_of_another_program_are_no_sign_of_ours(corpus, tmp_path, state, fresh):
    project = tmp_path / "project"
    for name, content in {**OTHERS_STATE[state], "README.md": "mine", "shards/mine.txt": "mine"}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    before = whole_folder(project)
    with pytest.raises(UsageError, match="holds no dataset of ours"):
        make(corpus, project, fresh=fresh)
    assert whole_folder(project) == before


@pytest.mark.parametrize("lock", ["process 4711 on a-node.of-yours", ""], ids=["by their lock", "by their marks"])
def test_unfinished_datasets_of_earlier_releases_are_known(corpus, finished, tmp_path, lock):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / ".build" / "medcutmix-pipeline").unlink()
    (out / "dataset.json").unlink()
    (out / ".build" / "lock").write_text(lock)
    if lock:
        shutil.rmtree(out / ".build" / "done")
    make(corpus, out)
    assert digests(out) == digests(finished)


@pytest.mark.parametrize("left", ["", ".build", ".build/lock"])
def test_a_build_that_was_killed_right_at_its_start_is_in_nobodys_way(corpus, finished, tmp_path, left):
    out = tmp_path / "out"
    (out / left).parent.mkdir(parents=True, exist_ok=True)
    (out / left).touch() if left.endswith("lock") else (out / left).mkdir()
    make(corpus, out)
    assert digests(out) == digests(finished)


def test_files_that_no_build_made_stay_in_the_folders_of_a_dataset(corpus, finished, tmp_path):
    out, mine = tmp_path / "out", ("shards/mine.txt", "shards/train.tar", "plans/notes-1.parquet", "sentences/a/b.txt")
    shutil.copytree(finished, out)
    (out / "sentences" / "a").mkdir()
    for name in mine:
        (out / name).write_text("mine")
    for fresh, settings in ((False, {"shards": {"samples_per_shard": 12}}), (True, {})):
        make(corpus, out, fresh=fresh, **settings)
        assert [(out / name).read_text() for name in mine] == ["mine"] * len(mine)
        for name in mine[:3]:
            assert f"{name}: dataset.json does not know this file" in map(str, validate(Dataset(out)))
    assert {name: sha256 for name, sha256 in digests(out).items() if name not in mine} == digests(finished)


def test_starting_over_takes_the_empty_folders_and_the_fitted_encoder_away(corpus, built, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    make(corpus, out, fresh=True, shards={"pixel": False})
    assert {path.name for path in out.iterdir()} == {path.name for path in built.iterdir()} - {"encoder"}
