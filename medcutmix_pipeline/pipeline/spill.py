"""What is too much to hold at once: dealt into buckets on disk, and taken back bucket by bucket.

The files are working files of one run: nobody reads them after a crash, so nothing is flushed or renamed. A bucket's
file is open only while something is appended, so that their number is not bounded by how many a process may open.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medcutmix_pipeline.pipeline.failing_at import failing_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Item = TypeVar("Item")
Result = TypeVar("Result")
Content = TypeVar("Content")
Buckets = npt.NDArray[np.int64]


class _Spill(ABC, Generic[Content]):
    """Buckets as files in a folder of their own. Several threads may add at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._lock = folder, threading.Lock()

    def _add(self, bucket: Buckets, content: Content) -> None:
        """Deal the rows of `content` to buckets; those of one bucket stay in their order."""
        order = np.argsort(bucket, kind="stable")
        content = self._taken(content, order)
        sorted_ = bucket[order]
        begins = np.flatnonzero(np.diff(sorted_, prepend=-1))
        for begin, end in pairwise([*begins.tolist(), sorted_.size]):
            raw = self._bytes(content, begin, end)
            path = self._path(int(sorted_[begin]))
            with self._lock, failing_at(path), path.open("ab") as out:
                out.write(raw)

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket:06d}"

    @abstractmethod
    def _taken(self, content: Content, order: Buckets) -> Content:
        """The rows in this order."""

    @abstractmethod
    def _bytes(self, content: Content, begin: int, end: int) -> Any:
        """The rows from `begin` to before `end`, as they are written."""

    def close(self) -> None:
        """Remove the folder, when every bucket was taken."""
        self._folder.rmdir()


class NumberSpill(_Spill[npt.NDArray[np.void]]):
    """Records of numbers in buckets.

    Args:
        folder: made where it is missing.
        columns: names and numpy types.
    """

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._dtype = np.dtype(list(columns.items()))

    def add(self, bucket: Buckets, **columns: npt.NDArray[Any]) -> None:
        """Append records to the buckets that `bucket` names, int64 [N]."""
        records = np.empty(bucket.size, dtype=self._dtype)
        for name, column in columns.items():
            records[name] = column
        self._add(bucket, records)

    def take(self, bucket: int) -> npt.NDArray[np.void]:
        """The records of a bucket, which is then gone; none where nothing was added."""
        path = self._path(bucket)
        if not path.exists():
            return np.empty(0, dtype=self._dtype)
        records: npt.NDArray[np.void] = np.fromfile(path, dtype=self._dtype)
        path.unlink()
        return records

    def _taken(self, content: npt.NDArray[np.void], order: Buckets) -> npt.NDArray[np.void]:
        return content[order]

    def _bytes(self, content: npt.NDArray[np.void], begin: int, end: int) -> Any:
        return content[begin:end].tobytes()


class RowSpill(_Spill[pa.Table]):
    """Rows of an Arrow table in buckets: each addition to a bucket is a stream of Arrow's IPC format behind others."""

    def add(self, bucket: Buckets, rows: pa.Table) -> None:
        """Append rows to the buckets that `bucket` names, int64 [N]."""
        self._add(bucket, rows)

    def take(self, bucket: int) -> pa.Table:
        """The rows of a bucket, which is then gone; it must not be empty."""
        path, tables = self._path(bucket), []
        with pa.OSFile(str(path)) as file:
            size = file.size()
            while file.tell() < size:
                tables.append(pa.ipc.open_stream(file).read_all())
        path.unlink()
        return pa.concat_tables(tables).combine_chunks()

    def _taken(self, content: pa.Table, order: Buckets) -> pa.Table:
        return content.combine_chunks().take(pa.array(order))

    def _bytes(self, content: pa.Table, begin: int, end: int) -> Any:
        out = pa.BufferOutputStream()
        with pa.ipc.new_stream(out, content.schema) as writer:
            writer.write_table(content.slice(begin, end - begin))
        return out.getvalue()


def in_turn(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """The results of some work in the order of the items; never more than one waits for each thread.

    Args:
        work: lets go of Python's lock for most of its time, as Arrow and numpy do.
        threads: how many work at a time.
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Any] = deque()
    try:
        for item in items:
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
