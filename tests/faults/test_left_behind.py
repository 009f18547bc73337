"""What a killed build leaves running, and what a disk does to finished files, taints nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medcutmix_pipeline.dataset.open import Dataset
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline import engine
from medcutmix_pipeline.pipeline.lock import exclusive
from medcutmix_pipeline.pipeline.secrets import KEY_VARIABLE, load_key
from medcutmix_pipeline.pipeline.work import read_part
from tests.builds import digests, run_build
from tests.pipeline import fitted_once

CHANGES = {
    "source": {"limit": 30},
    "attention": {"fit": {"image_size": 32, "steps": 2, "batch": 8, "width": 16, "networks": 1, "max_images": 16}},
    "shards": {"samples_per_shard": 40, "image_size": 40, "pixel": True},
}
WITHOUT_FIT = {**CHANGES, "attention": {"encoder": fitted_once.NAME}}
OTHER = {**CHANGES, "plans": {"alpha": 3.0}, "ingest": {"studies_per_part": 20}}


def everything(out):
    """Every file, `.build` included, with its time of change."""
    return {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}


@pytest.fixture
def work_seen(monkeypatch):
    """Every piece of work of a serial build with its arguments, to be done once more when the build is long over."""
    seen = []

    def watch(name):
        work = getattr(engine, name)

        def watched(*arguments):
            seen.append((work, arguments))
            return work(*arguments)

        monkeypatch.setattr(engine, name, watched)

    for name in ("read_part", "write_unit", "bake_unit"):
        watch(name)
    call = engine.SerialEngine.call

    def called(self, work, *arguments):
        seen.append((work, arguments))
        return call(self, work, *arguments)

    monkeypatch.setattr(engine.SerialEngine, "call", called)
    return seen


def test_work_that_outlives_its_build_changes_nothing(studies, tmp_path, work_seen, monkeypatch):
    """Every piece of work of a first build ends in the middle of a second one, and once more when that is over."""
    out, hindered = tmp_path / "out", []
    run_build(studies, out, **CHANGES)
    late = list(work_seen)

    def come_late():
        for work, arguments in late:
            with pytest.raises(FileNotFoundError):
                work(*arguments)
            hindered.append(work.__name__)

    def interfering(context, task):
        if not hindered:
            come_late()
        return read_part(context, task)

    monkeypatch.setattr(engine, "read_part", interfering)
    run_build(studies, out, **OTHER)
    assert set(hindered) == {"read_part", "write_unit", "bake_unit", "train"}
    before = everything(out)
    come_late()
    assert everything(out) == before
    monkeypatch.undo()
    run_build(studies, tmp_path / "new", **OTHER)
    assert digests(out) == digests(tmp_path / "new")


@pytest.fixture
def fitted(built, monkeypatch):
    """An encoder that was really fitted, once for all of these builds."""
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_bit_that_flips_in_a_finished_file_is_noticed_and_the_file_made_again(studies, fitted, tmp_path):
    out = tmp_path / "out"
    run_build(studies, out, **WITHOUT_FIT)
    content = digests(out)
    shard = Dataset(out).manifest.shards[0].name
    for name in ("sentences/part-00000.parquet", f"shards/{shard}.tar", f"pixel/{shard}.tar"):
        flip_a_bit(out / name)
        assert digests(out) != content
        _, told = run_build(studies, out, **WITHOUT_FIT)
        assert f"{name} is gone or not as it was written: it is made again" in told
        assert digests(out) == content


def test_an_encoder_in_which_a_bit_flips_is_fitted_again(studies, built, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(built, out)
    flip_a_bit(out / "encoder" / "model.safetensors")
    run_build(studies, out)
    assert digests(out) == digests(built)


HOLD = """
import sys
from pathlib import Path
from medcutmix_pipeline.pipeline.lock import exclusive

with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of an output."""
    lock = tmp_path / "out" / ".build" / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_build_is_told_who_holds_the_output(studies, tmp_path, holder):
    with pytest.raises(UsageError, match=rf"already running \(process {holder.pid} on \S+\)"):
        run_build(studies, tmp_path / "out", **CHANGES)


def test_the_lock_of_a_killed_build_is_free_even_if_its_number_lives_on(studies, tmp_path, holder):
    lock = tmp_path / "out" / ".build" / "lock"
    holder.kill()
    holder.wait()
    assert str(holder.pid) in lock.read_text()
    lock.write_text(lock.read_text().replace(str(holder.pid), "1"))  # a number that surely is in use
    with exclusive(lock):
        assert "process 1 " not in lock.read_text()


def test_an_output_that_a_build_had_no_time_to_take_is_free(studies, fitted, tmp_path):
    (tmp_path / "out" / ".build").mkdir(parents=True)
    manifest, _ = run_build(studies, tmp_path / "out", **WITHOUT_FIT)
    assert manifest.counts.samples


def test_a_first_build_that_is_killed_while_it_makes_a_key_does_not_keep_the_next_from_making_one(
    tmp_path, monkeypatch
):
    """In a container the next process may well have the same number."""
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.link", killed)
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            load_key(None)
    assert load_key(None) == load_key(None)
