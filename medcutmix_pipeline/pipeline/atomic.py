"""Files that are whole or not there: written under another name, hashed on the way, flushed, then renamed.

The two steps can be taken apart: any process may write a file under a name that nobody looks at (`staged_file`), and
the one that holds the output's lock gives it its own (`put`). So a worker that outlives its build changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.failing_at import failing_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass
class Written:
    """What was written: size in bytes and sha256, known once the file is closed."""

    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Staged:
    """A file that is written and flushed, and waits for its name; size in bytes and sha256 of what was written."""

    path: Path
    temporary: Path
    bytes: int
    sha256: str


class _HashingFile(io.RawIOBase):
    """A write-only stream that hashes what passes through."""

    def __init__(self, raw: BinaryIO, path: Path) -> None:
        self._raw, self._path = raw, path
        self.digest = hashlib.sha256()
        self.count = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.count

    def write(self, data: Any) -> int:
        with failing_at(self._path):
            self._raw.write(data)
        self.digest.update(data)
        size = memoryview(data).nbytes
        self.count += size
        return size


@contextlib.contextmanager
def atomic_file(path: Path, scratch: Path) -> Iterator[tuple[BinaryIO, Written]]:
    """Open a file that appears under `path` only when the block ends without an exception.

    Args:
        path: the final name; its folder is made where it is missing.
        scratch: a folder on the same file system for the file in the making, so that nothing half-written
            ever stands beside finished files; made where it is missing.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    temporary = scratch / _unique(path.name)
    try:
        with _written_file(temporary) as (out, written):
            yield out, written
        put([Staged(path, temporary, written.bytes, written.sha256)])
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_file(path: Path, staging: Path, staged: list[Staged]) -> Iterator[tuple[BinaryIO, Written]]:
    """Open a file that is added to `staged` when the block ends without an exception, to be `put` under `path`.

    Args:
        path: the final name.
        staging: a folder on the same file system. It is not made here: when the build that made it is over, so is this.
        staged: where to add it.
    """
    temporary = staging / _unique(path.name)
    try:
        with _written_file(temporary) as (out, written):
            yield out, written
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    staged.append(Staged(path, temporary, written.bytes, written.sha256))


def staged_folder(folder: Path, final: Path) -> list[Staged]:
    """The files of a folder, flushed, to be `put` under the same names into another folder."""
    staged = []
    for path in sorted(folder.iterdir()):
        with failing_at(path), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        staged.append(Staged(final / path.name, path, path.stat().st_size, sha256))
    return staged


def put(files: Iterable[Staged]) -> None:
    """Give files their final names, and make that durable; folders are made where they are missing."""
    folders: list[Path] = []
    for file in files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.temporary.replace(file.path)
        folders.append(file.path.parent)
    for folder in dict.fromkeys(folders):
        _sync_folder(folder)


@contextlib.contextmanager
def _written_file(temporary: Path) -> Iterator[tuple[BinaryIO, Written]]:
    written = Written()
    raw = temporary.open("xb")
    try:
        stream = _HashingFile(cast("BinaryIO", raw), temporary)
        yield cast("BinaryIO", stream), written
        with failing_at(temporary):
            raw.flush()
            os.fsync(raw.fileno())
    finally:
        with failing_at(temporary):  # it tries once more to write what could not be written
            raw.close()
    written.bytes, written.sha256 = stream.count, stream.digest.hexdigest()


def _unique(name: str) -> str:
    return f"{name}.{uuid.uuid4().hex}"


def write_parquet(table: pa.Table, path: Path, scratch: Path) -> Written:
    """Write a table so that equal tables give equal bytes."""
    with atomic_file(path, scratch) as (out, written):
        _write_table(table, out)
    return written


def stage_parquet(table: pa.Table, path: Path, staging: Path, staged: list[Staged]) -> Written:
    """Write what `write_parquet` writes, to be `put`."""
    with staged_file(path, staging, staged) as (out, written):
        _write_table(table, out)
    return written


def parquet_bytes(table: pa.Table) -> bytes:
    """The bytes that `write_parquet` writes."""
    out = io.BytesIO()
    _write_table(table, out)
    return out.getvalue()


def _write_table(table: pa.Table, out: BinaryIO) -> None:
    pq.write_table(table, out, compression="zstd", version="2.6", row_group_size=64 * 1024)


def write_json(content: Any, path: Path, scratch: Path) -> Written:
    """Write indented JSON, keys in the order given."""
    return write_bytes(json_bytes(content), path, scratch)


def json_bytes(content: Any) -> bytes:
    """Indented JSON, keys in the order given. ValueError at a float that is not finite, which JSON does not know."""
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_bytes(content: bytes, path: Path, scratch: Path) -> Written:
    """Write a small file."""
    with atomic_file(path, scratch) as (out, written):
        out.write(content)
    return written


def remove(path: Path) -> None:
    """Remove a file, if it is there, before anything that is written afterwards."""
    if path.exists():
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on POSIX the folder itself has to be flushed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with failing_at(folder):
            os.fsync(handle)
    finally:
        os.close(handle)
