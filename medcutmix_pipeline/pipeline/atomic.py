"""Files that are whole or not there: written under another name, hashed on the way, flushed, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Written:
    """What was written: size in bytes and sha256, known once the file is closed."""

    bytes: int = 0
    sha256: str = ""


class _HashingFile(io.RawIOBase):
    """A write-only stream that hashes what passes through."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.count = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.count

    def write(self, data: Any) -> int:
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
            ever stands beside finished files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    temporary = scratch / f"{path.name}.{uuid.uuid4().hex}"
    written = Written()
    try:
        with temporary.open("xb") as raw:
            stream = _HashingFile(cast("BinaryIO", raw))
            yield cast("BinaryIO", stream), written
            raw.flush()
            os.fsync(raw.fileno())
        written.bytes, written.sha256 = stream.count, stream.digest.hexdigest()
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(table: pa.Table, path: Path, scratch: Path) -> Written:
    """Write a table so that equal tables give equal bytes."""
    with atomic_file(path, scratch) as (out, written):
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
    """Indented JSON, keys in the order given."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def write_bytes(content: bytes, path: Path, scratch: Path) -> Written:
    """Write a small file."""
    with atomic_file(path, scratch) as (out, written):
        out.write(content)
    return written


def move_folder(folder: Path, final: Path) -> None:
    """Put a folder of plain files in the place of another, its files flushed."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)
    shutil.rmtree(final, ignore_errors=True)
    folder.replace(final)
    _sync_folder(final.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, before anything that is written afterwards."""
    if path.exists():
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on POSIX the folder itself has to be flushed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
