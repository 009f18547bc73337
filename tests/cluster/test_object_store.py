"""A dataset in an object store is the same as in a folder, whole or not there, and nothing is sent or made twice."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.cli import run
from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.loader.reading.sources import find_shards, read_shard_bytes
from medcutmix_pipeline.pipeline.build import _Build
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.pipeline.storage import lease
from medcutmix_pipeline.pipeline.storage.mirror import Mirror
from medcutmix_pipeline.pipeline.storage.store import Store
from medcutmix_pipeline.sources.reading import filesystem
from tests.builds import digests, run_build
from tests.cluster.s3 import S3, forget_clients


@pytest.fixture(scope="module")
def s3():
    """An S3 server, and an environment that leads to it."""
    server = S3()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        forget_clients()
        yield server
    forget_clients()
    server.close()


@pytest.fixture
def bucket(s3, request):
    """A bucket of the test's own."""
    return s3.bucket("test-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16])


@pytest.fixture
def work(built, tmp_path):
    """A working folder in which all is done, so that a build has only to bring it into the store."""
    return shutil.copytree(built, tmp_path / "work")


@pytest.fixture
def build(studies, tmp_path):
    """Build the studies into an URL."""

    def run(url, **changes):
        engine = changes.pop("engine", {"work_dir": str(tmp_path / "work")})
        return run_build(changes.pop("root", studies), url, changes.pop("fresh", False), engine=engine, **changes)

    return run


def forget_units(work):
    """Have the shards made again, and nothing before them."""
    for mark in (work / ".build" / "done").glob("*-??????.json"):
        mark.unlink()


def dataset_in(s3, bucket, prefix="set/"):
    """sha256 of every object that belongs to the dataset itself."""
    objects = {name.removeprefix(prefix): content for name, content in s3.objects(bucket).items()}
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in objects.items()
        if not name.startswith(".build/") and name != "run.json"
    }


def shards_sent(s3):
    return sorted({path.rpartition("/")[2] for path in s3.puts if "/shards/" in path})


def is_shard(method, path):
    return method == "PUT" and path.endswith(".tar")


def test_the_store_holds_the_bytes_of_a_folder_and_nothing_of_the_source(s3, bucket, build, built, studies):
    store = Store(f"s3://{bucket}/set")
    for old in (
        "dataset.json",
        "shards/train-000099.tar",
        ".build/medcutmix-pipeline",
        ".build/done/train-000099.json",
    ):
        store.write(old, b"of an earlier build")
    build(f"s3://{bucket}/set", fresh=True)
    assert dataset_in(s3, bucket) == digests(built)
    everything = b"\n".join(name.encode() + content for name, content in s3.objects(bucket).items())
    assert str(studies).encode() not in everything
    assert lease.NAME not in {name.removeprefix("set/") for name in s3.objects(bucket)}


def test_a_finished_build_sends_nothing_again_and_a_lost_working_folder_costs_a_download(
    s3, bucket, build, built, work
):
    build(f"s3://{bucket}/set")
    for lost in (False, True):
        if lost:
            shutil.rmtree(work)
        s3.puts.clear()
        _, told = build(f"s3://{bucket}/set")
        assert not [path for path in s3.puts if "/.build/" not in path]
        assert told.count("already done") == 3
        assert dataset_in(s3, bucket) == digests(built)


def test_an_object_that_was_changed_or_deleted_is_sent_again(s3, bucket, build, built, work):
    build(f"s3://{bucket}/set")
    first, second = sorted(name for name in s3.objects(bucket) if "/shards/" in name)[:2]
    store = Store(f"s3://{bucket}")
    store.write(first, b"somebody else's")
    store.remove([second])
    store.write("set/shards/stray-000000.tar", b"of another configuration")
    s3.puts.clear()
    build(f"s3://{bucket}/set")
    assert shards_sent(s3) == sorted(name.rpartition("/")[2] for name in (first, second))
    assert dataset_in(s3, bucket) == digests(built)


@pytest.mark.parametrize(
    "lost", [pytest.param(False, marks=pytest.mark.slow), True], ids=["folder kept", "folder lost"]
)
def test_a_store_that_fails_in_the_middle_leaves_no_dataset_and_costs_no_work(s3, bucket, build, built, work, lost):
    forget_units(work)
    sent = []

    def second_shard(method, path):
        sent.extend([path] if is_shard(method, path) else [])
        return len(set(sent)) > 1 and is_shard(method, path) and path != sent[0]

    with (
        s3.refuse(second_shard, "500 Internal Server Error", b"InternalError"),
        pytest.raises(DataError, match="again"),
    ):
        build(f"s3://{bucket}/set")
    assert "set/dataset.json" not in s3.objects(bucket)
    with pytest.raises(DataError, match="no finished dataset"):
        Dataset(f"s3://{bucket}/set")
    with pytest.raises(DataError, match="no finished dataset"):
        find_shards(f"s3://{bucket}/set", None)
    if lost:
        shutil.rmtree(work)
    s3.puts.clear()
    build(f"s3://{bucket}/set")
    assert sent[0].rpartition("/")[2] not in shards_sent(s3)
    assert dataset_in(s3, bucket) == digests(built)


def test_a_change_of_settings_takes_the_dataset_away_first_and_leaves_no_stray(s3, bucket, build, work):
    build(f"s3://{bucket}/set")
    with s3.refuse(is_shard), pytest.raises(DataError):
        build(f"s3://{bucket}/set", shards={"samples_per_shard": 400})
    assert "set/dataset.json" not in s3.objects(bucket)
    build(f"s3://{bucket}/set", shards={"samples_per_shard": 400})
    assert len([name for name in s3.objects(bucket) if "/shards/" in name]) == 2
    assert validate(Dataset(f"s3://{bucket}/set")) == []


@pytest.mark.parametrize("lost", ["nothing", "the working folder", "its dataset.json"])
def test_a_build_that_turns_out_to_be_a_mistake_costs_no_published_dataset(s3, bucket, build, built, work, lost):
    build(f"s3://{bucket}/set")
    if lost == "the working folder":
        shutil.rmtree(work)
    elif lost == "its dataset.json":
        (work / "dataset.json").unlink()
    with pytest.raises(DataError, match="no two studies share a finding"):
        build(f"s3://{bucket}/set", pairing={"exclude": Dataset(built).manifest.diseases})
    assert dataset_in(s3, bucket) == digests(built)


def test_a_store_that_refuses_is_told_in_one_line_before_any_work(s3, bucket, studies, tmp_path, monkeypatch):
    def attempt(url):
        engine = {"work_dir": str(tmp_path / "work")}
        with pytest.raises(UsageError) as told:
            run_build(studies, url, engine=engine)
        assert not (tmp_path / "work").exists()
        assert "\n" not in str(told.value)
        return str(told.value)

    assert "there is no such bucket" in attempt("s3://no-such-bucket/set")
    for method in ("PUT", "GET", "DELETE"):
        with s3.refuse(lambda asked, _, method=method: asked == method):
            assert "access is denied" in attempt(f"s3://{bucket}/set")
    assert "names no bucket" in attempt("s3://")
    assert "no place for a dataset" in attempt("https://host/set")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_clients()
    assert "no server answers" in attempt(f"s3://{bucket}/set")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    forget_clients()
    store = Store(f"s3://{bucket}")
    store.write("set/holiday.jpg", b"not ours")
    assert "no dataset of ours" in attempt(f"s3://{bucket}/set")
    with pytest.raises(UsageError, match="--work"):
        run_build(studies, f"s3://{bucket}/other")


def test_two_builds_into_one_prefix_the_second_is_told_who_holds_it(s3, bucket, build):
    store = Store(f"s3://{bucket}/set")
    with lease.leased(store), pytest.raises(UsageError, match=f"already running \\(process {os.getpid()} on "):
        build(f"s3://{bucket}/set")
    with lease.leased(store):  # what ended gave its hold back
        pass


@pytest.mark.parametrize("left", [{"until": 0}, {"host": None, "process": 2**22 + 1}], ids=["timed out", "dead"])
def test_the_hold_of_a_build_that_was_killed_ends(s3, bucket, left):
    store = Store(f"s3://{bucket}/set")
    with lease.leased(store):
        held = json.loads(store.read(lease.NAME))
    killed = {**held, "token": "of the killed one", "process": 1, "host": "elsewhere", **left}
    store.write(lease.NAME, json.dumps({**killed, "host": killed["host"] or held["host"]}).encode())
    with lease.leased(store) as still_held:
        still_held()
        store.write(lease.NAME, json.dumps(killed).encode())
        with pytest.raises(DataError, match="taken"):
            still_held()


def test_a_build_that_stood_still_for_too_long_does_not_take_the_prefix_back(s3, bucket):
    class Twice(list):
        """Time for two renewals, and then the end of the build."""

        def wait(self, timeout):
            self.append(timeout)
            return len(self) > 2

    store = Store(f"s3://{bucket}/set")
    with lease.leased(store) as still_held:
        lease._renew(store, "of the build that stood still", Twice())
        still_held()


def everything_told(objects):
    """All that stands in a bucket, names included; tables are unpacked."""
    told = []
    for name, content in objects.items():
        table = str(pq.read_table(io.BytesIO(content)).to_pylist()) if name.endswith(".parquet") else ""
        told += [name.encode(), content, table.encode()]
    return b"\n".join(told)


def test_nothing_of_a_withdrawn_patient_is_left_and_what_no_build_made_is_let_be(s3, bucket, build, built, work):
    build(f"s3://{bucket}/set")
    Store(f"s3://{bucket}").write("set/shards/notes.txt", b"somebody's own")
    (work / "shards" / "mine.txt").write_text("of this machine")
    build(f"s3://{bucket}/set", source={"limit": 40})
    pseudonyms = [
        set(pq.read_table(out / "samples", columns=["patient_id"])["patient_id"].to_pylist()) for out in (built, work)
    ]
    gone = pseudonyms[0] - pseudonyms[1]
    assert len(gone) > 10
    objects = s3.objects(bucket)
    told = everything_told(objects)
    assert not [patient for patient in gone if patient.encode() in told]
    assert objects["set/shards/notes.txt"] == b"somebody's own"
    assert "set/shards/mine.txt" not in objects


def test_a_build_that_lost_its_hold_leaves_what_the_other_has_finished(s3, bucket, build, work, tmp_path, monkeypatch):
    url, encode, others = f"s3://{bucket}/set", _Build.encode, []

    def stand_still(own, fit_rows):
        """The hold of the first build runs out, and another build comes and goes before it wakes up."""
        if not others:
            others.append(shutil.copytree(work, tmp_path / "other"))
            shutil.rmtree(others[0] / ".build" / "work")
            shutil.rmtree(others[0] / ".build" / "scratch")
            store = Store(url)
            store.write(lease.NAME, json.dumps({**json.loads(store.read(lease.NAME)), "until": 0}).encode())
            build(url, engine={"work_dir": str(others[0])})
            others.append(s3.objects(bucket))
        return encode(own, fit_rows)

    monkeypatch.setattr(_Build, "encode", stand_still)
    with pytest.raises(DataError, match="another build has taken"):
        build(url, shards={"samples_per_shard": 400})
    assert "set/dataset.json" in others[1]
    assert s3.objects(bucket) == others[1]


def test_uploads_that_wait_while_the_hold_is_lost_are_not_sent(s3, bucket, work):
    store = Store(f"s3://{bucket}/set")
    mirror = Mirror(store, Layout(work))
    facts = Layout(work).facts("part-00000")
    with mirror.held():
        store.write(lease.NAME, b'{"token": "of another build", "until": 0}')
        mirror.offer("part-00000", facts["files"])
        with pytest.raises(DataError, match="another build has taken"):
            mirror.publish(None)
    assert set(s3.objects(bucket)) == {f"set/{lease.NAME}"}


@pytest.mark.parametrize("what", ["/done/", "/shards/"], ids=["marks", "shards"])
def test_a_fetch_that_was_cut_off_goes_on(s3, bucket, build, built, work, what):
    url, asked = f"s3://{bucket}/set", []

    def listening(after):
        def fits(method, path):
            wanted = method == "GET" and what in path and not path.endswith("/")
            asked.extend([path] if wanted else [])
            return wanted and len(asked) > after

        return s3.refuse(fits)

    build(url)
    shutil.rmtree(work)
    with listening(2), pytest.raises(DataError, match="denied"):
        build(url)
    first, asked[:] = asked[:2], []
    with listening(1000):
        _, told = build(url)
    for stage in ("read: 90 studies, 90", "fit: 12 steps, 12", "shards: 128 samples, 128"):
        assert f"{stage} already done" in told, "work was done again"
    assert asked, "nothing was left to be fetched"
    assert what == "/done/" or not set(first) & set(asked), "what had come was fetched again"
    assert dataset_in(s3, bucket) == digests(built)


def test_a_store_that_once_denied_deletion_can_be_used_when_it_allows_it(s3, bucket, build, built, work):
    url = f"s3://{bucket}/set"
    for _ in range(2):
        with s3.refuse(lambda method, _: method == "DELETE"), pytest.raises(UsageError, match="access is denied"):
            build(url)
    assert len([name for name in s3.objects(bucket) if "/check-" in name]) == 2
    build(url)
    assert dataset_in(s3, bucket) == digests(built)
    assert not [name for name in s3.objects(bucket) if "/check-" in name]


def test_validate_inspect_and_the_loader_read_it_from_there(s3, bucket, build, built, work, capsys):
    url = f"s3://{bucket}/set"
    build(url)
    for command in (("validate",), ("inspect",), ("inspect", "--random", "1")):
        told = []
        for place in (str(built), url):
            assert run([command[0], place, *command[1:]]) == 0
            told.append(capsys.readouterr().out.replace(place, "PLACE"))
        assert told[0] == told[1]
    near, far = (find_shards(place, "train") for place in (str(built), url))
    assert [ref.sha256 for ref in far.refs] == [ref.sha256 for ref in near.refs]
    first = far.refs[0]
    assert read_shard_bytes(first, 1 << 30, verify=True) == read_shard_bytes(near.refs[0], 1 << 30, verify=True)
    dataset = Dataset(url)
    sample = next(iter(dataset.samples))["sample_id"]
    assert dataset.member(sample).record == Dataset(built).member(sample).record


def test_studies_are_read_from_the_store_as_from_a_folder(s3, bucket, build, built, studies, tmp_path):
    Store(f"s3://{bucket}/studies")._files.put(str(studies), f"{bucket}/studies", recursive=True)
    build(f"s3://{bucket}/set", root=f"s3://{bucket}/studies")
    assert {n: d for n, d in dataset_in(s3, bucket).items() if not n.startswith("studies/")} == digests(built)
    with s3.refuse(lambda _, path: path.endswith(".png")), pytest.raises(DataError, match="may they be read"):
        run_build(f"s3://{bucket}/studies", tmp_path / "denied")
    with pytest.raises(UsageError, match="no folder"):
        run_build(f"s3://{bucket}/nothing", tmp_path / "nothing")
    filesystem.cache_clear()  # with its listings, which a new process does not have
    forget_clients()
    with s3.refuse(lambda method, _: method == "GET"), pytest.raises(DataError, match="access is denied"):
        run_build(f"s3://{bucket}/studies", tmp_path / "nothing")
