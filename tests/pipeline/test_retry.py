"""`--retry-rejects` takes up what was rejected and was mended without a trace, and nothing else."""

import os
import shutil

import pytest

from medcutmix_pipeline import build as building_from_python
from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.engine import CrashError, SerialEngine
from medcutmix_pipeline.sources import reading
from tests.builds import SETTINGS, digests, merged, run_build
from tests.pipeline import fitted_once

CHANGES = {"attention": {"encoder": fitted_once.NAME}, "shards": {"samples_per_shard": 16, "image_size": 48}}
FIT = {"encoder": "fit", "fit": {"image_size": 32, "steps": 2, "batch": 8, "width": 16, "networks": 1}}


@pytest.fixture(autouse=True)
def encoder(built, monkeypatch):
    """An encoder that was really fitted, once for all of these builds."""
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))


@pytest.fixture
def corpus(studies, tmp_path):
    """Thirty studies of a copy of the generated ones; the views of some images are not told."""
    root = tmp_path / "studies"
    shutil.copytree(studies, root)
    head, *lines = (root / "studies.csv").read_text().splitlines()
    lines = [line.rsplit(",", 1)[0] + "," if n % 7 == 2 else line for n, line in enumerate(lines[:40])]
    (root / "studies.csv").write_text("\n".join([head, *lines]) + "\n")
    return root


def make(root, out, retry_rejects=False, **changes):
    return run_build(root, out, retry_rejects=retry_rejects, **merged(CHANGES, **changes))


def damage_without_a_trace(path):
    """Other bytes of the same number, under the same time; returns what undoes it in the same way."""
    good, status = path.read_bytes(), path.stat()

    def write(content):
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    write(b"\xff" * len(good))
    return lambda: write(good)


def listed(root, column, where):
    """Files that the table names, of rows chosen by their number."""
    rows = [line.split(",") for line in (root / "studies.csv").read_text().splitlines()[1:]]
    return [root / row[column] for n, row in enumerate(rows) if where(n)]


WHAT = {
    "an image whose view is told": lambda root: listed(root, 0, lambda n: n in (3, 11, 24)),
    "an image whose view is looked for": lambda root: listed(root, 0, lambda n: n in (2, 9)),
    "a report": lambda root: listed(root, 1, lambda n: n in (5, 20)),
}


@pytest.mark.parametrize(
    ("what", "fit"),
    [(what, False) for what in WHAT]
    + [pytest.param(what, True, marks=[] if what.endswith("told") else pytest.mark.slow) for what in WHAT],
)
def test_what_was_mended_without_a_trace_gives_what_a_new_build_gives(corpus, tmp_path, what, fit):
    settings = {"attention": FIT} if fit else {}
    mend = [damage_without_a_trace(path) for path in WHAT[what](corpus)]
    before, _ = make(corpus, tmp_path / "out", **settings)
    assert before.counts.rejects
    for undo in mend:
        undo()
    same, _ = make(corpus, tmp_path / "out", **settings)
    assert same.counts == before.counts, "nothing shows that anything was mended"
    make(corpus, tmp_path / "out", retry_rejects=True, **settings)
    make(corpus, tmp_path / "new", **settings)
    assert digests(tmp_path / "out") == digests(tmp_path / "new")
    assert validate(Dataset(tmp_path / "out")) == []
    assert not Dataset(tmp_path / "out").manifest.counts.rejects


def test_where_nothing_was_mended_only_rejects_are_read_and_nothing_is_written(corpus, tmp_path, monkeypatch):
    victims = [path for choose in WHAT.values() for path in choose(corpus)]
    for path in victims:
        damage_without_a_trace(path)
    make(corpus, tmp_path / "out")
    before = stamps(tmp_path / "out")
    read, opened = [], reading._read_local

    def noting(path, *arguments):
        read.append(path)
        return opened(path, *arguments)

    monkeypatch.setattr(reading, "_read_local", noting)
    _, told = make(corpus, tmp_path / "out", retry_rejects=True)
    assert set(map(str, victims)) <= set(read)
    beside = {path for path in read if path not in set(map(str, victims))}
    assert all(path.endswith(".txt") for path in beside), "reports of studies of which another file was rejected"
    assert len(beside) <= 5
    assert "rejected inputs" in told
    assert stamps(tmp_path / "out") == before


def stamps(out):
    """What would be another if a file were written again; of the files that cost anything, and of the manifest."""
    files = [out / "dataset.json", *(p for kind in ("shards", "plans", "samples") for p in (out / kind).iterdir())]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_a_build_that_stopped_for_its_rejects_goes_on_when_they_were_mended(corpus, tmp_path):
    victims = listed(corpus, 0, lambda n: n % 2 == 0 and n % 7 != 2)
    mend = [damage_without_a_trace(path) for path in victims]
    with pytest.raises(DataError, match="max_reject_rate"):
        make(corpus, tmp_path / "out")
    for undo in mend:
        undo()
    with pytest.raises(DataError, match="max_reject_rate"):
        make(corpus, tmp_path / "out")
    make(corpus, tmp_path / "out", retry_rejects=True)
    make(corpus, tmp_path / "new")
    assert digests(tmp_path / "out") == digests(tmp_path / "new")


def test_a_reader_that_crashes_on_a_reject_now_has_its_parts_read_by_the_build(corpus, tmp_path, monkeypatch):
    damage_without_a_trace(listed(corpus, 1, lambda n: n == 5)[0])
    before, _ = make(corpus, tmp_path / "out")
    monkeypatch.setattr(SerialEngine, "call", raising(CrashError("crashed")))
    after, told = make(corpus, tmp_path / "out", retry_rejects=True)
    [read] = [line for line in told.splitlines() if line.startswith("read:")]
    assert "already done" not in read
    assert after.counts == before.counts


def test_what_else_keeps_rejects_from_being_looked_at_is_told(corpus, tmp_path, monkeypatch):
    damage_without_a_trace(listed(corpus, 1, lambda n: n == 5)[0])
    make(corpus, tmp_path / "out")
    monkeypatch.setattr(SerialEngine, "call", raising(FileNotFoundError("of a part")))
    with pytest.raises(FileNotFoundError, match="of a part"):
        make(corpus, tmp_path / "out", retry_rejects=True)


def raising(error):
    def call(*_):
        raise error

    return call


def test_from_python_rejects_are_taken_up_where_that_is_asked_for(corpus, tmp_path):
    [undo] = [damage_without_a_trace(path) for path in listed(corpus, 1, lambda n: n == 5)]
    settings = merged(SETTINGS, **CHANGES)
    call = {"out": tmp_path / "out", "source": "phantom", "root": corpus, "quiet": True}
    assert building_from_python(settings, **call).manifest.counts.rejects
    undo()
    assert building_from_python(settings, **call).manifest.counts.rejects, "nothing shows that it was mended"
    assert not building_from_python(settings, retry_rejects=True, **call).manifest.counts.rejects
