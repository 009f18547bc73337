"""Files are whole or not there."""

import errno
import hashlib
import os
import pickle
import resource
import stat

import numpy as np
import pyarrow as pa
import pytest

from medcutmix_pipeline.pipeline.atomic import atomic_file, write_bytes, write_parquet
from medcutmix_pipeline.pipeline.spill import NumberSpill


def test_what_is_written_is_hashed_and_counted(tmp_path):
    with atomic_file(tmp_path / "a" / "f", tmp_path / "scratch") as (out, written):
        out.write(b"one")
        out.write(memoryview(b"two"))
    content = (tmp_path / "a" / "f").read_bytes()
    assert (content, written.bytes, written.sha256) == (b"onetwo", 6, hashlib.sha256(b"onetwo").hexdigest())


def test_a_failure_leaves_the_old_file_and_no_scrap(tmp_path):
    write_bytes(b"old", tmp_path / "f", tmp_path / "scratch")

    def fail_half_way():
        with atomic_file(tmp_path / "f", tmp_path / "scratch") as (out, _):
            out.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.fixture
def small_files():
    """Files may have no more than a hundred bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def spilled(tmp_path):
    NumberSpill(tmp_path / "spill", {"n": "<i8"}).add(np.zeros(100, np.int64), n=np.arange(100))


WRITING = {
    "a small file, which waits in a buffer": lambda at: write_bytes(b"x" * 200, at / "f", at / "scratch"),
    "a large file": lambda at: write_bytes(b"x" * 100_000, at / "f", at / "scratch"),
    "a table": lambda at: write_parquet(pa.table({"a": list(range(1000))}), at / "f", at / "scratch"),
    "a bucket": spilled,
}


@pytest.mark.parametrize("what", WRITING)
def test_a_write_that_fails_says_which_file_it_was(tmp_path, small_files, what):
    with pytest.raises(OSError, match="too large") as failure:
        WRITING[what](tmp_path)
    assert failure.value.filename.startswith(str(tmp_path))
    assert pickle.loads(pickle.dumps(failure.value)).filename == failure.value.filename, "workers tell it, too"


@pytest.mark.parametrize("at", [1, 2])
def test_a_flush_that_fails_says_which_file_or_folder_it_was(tmp_path, monkeypatch, at):
    calls = []

    def flush(handle):
        calls.append(handle)
        if len(calls) == at:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(OSError, match="Input/output") as failure:
        write_bytes(b"", tmp_path / "f", tmp_path / "scratch")
    assert failure.value.filename.startswith(str(tmp_path))


def test_a_read_that_fails_while_a_file_is_written_is_not_put_down_to_that_file(tmp_path):
    def read():
        with atomic_file(tmp_path / "f", tmp_path / "scratch"):
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as failure:
        read()
    assert failure.value.filename is None


def test_files_have_the_mode_that_the_umask_asks_for(tmp_path):
    before = os.umask(0o077)
    try:
        write_bytes(b"", tmp_path / "f", tmp_path / "scratch")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_equal_tables_give_equal_bytes_whatever_their_chunks(tmp_path):
    whole = pa.table({"a": list(range(1000))})
    pieces = pa.concat_tables([whole.slice(0, 10), whole.slice(10)])
    first = write_parquet(whole, tmp_path / "a.parquet", tmp_path)
    second = write_parquet(pieces, tmp_path / "b.parquet", tmp_path)
    assert first == second
