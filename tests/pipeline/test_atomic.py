"""Files are whole or not there."""

import hashlib
import os
import stat

import pyarrow as pa
import pytest

from medcutmix_pipeline.pipeline.atomic import atomic_file, write_bytes, write_parquet


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
