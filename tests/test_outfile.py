"""A file that a command writes for a person appears whole or not at all, and what went wrong is told as what it is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.outfile import whole_file
from tests.commands.calls import call, refused

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (FULL, DataError),
        (PermissionError(errno.EACCES, "Permission denied"), UsageError),
        (PermissionError(errno.EACCES, "Permission denied", "studies.csv"), PermissionError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["a full disk", "no permission", "another file", "interrupted"],
)
def test_what_ends_the_writing_leaves_the_old_file_and_is_told_as_what_it_is(tmp_path, why, told):
    file = tmp_path / "kept.csv"
    file.write_text("old")

    def write_half():
        with whole_file(file) as part:
            part.write_text("half")
            raise why

    with pytest.raises(told):
        write_half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_settings_that_find_a_full_disk_can_be_written_by_the_same_call_later(capsys, tmp_path, monkeypatch):
    def half(path, text, **_):
        path.write_bytes(text[:10].encode())
        raise FULL

    file = tmp_path / "build.yaml"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", half)
        refused(call(capsys, "init", file), 1, f"cannot write to {file}: No space left on device")
    assert not list(tmp_path.iterdir())
    assert call(capsys, "init", file).code == 0
