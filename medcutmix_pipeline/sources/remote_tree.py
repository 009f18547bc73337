"""A prefix of an object store, or a folder of another file system that fsspec reaches."""

from __future__ import annotations

import io
import posixpath
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from medcutmix_pipeline.sources.reading import ReadFailedError, filesystem, protocol
from medcutmix_pipeline.sources.remote_errors import telling
from medcutmix_pipeline.sources.trees import Entry, find_url, is_added

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from _typeshed import WriteableBuffer


_BUFFER = 1 << 16


class _Told(io.RawIOBase):
    """A remote file in whose reading the store may fail long after it has been opened: that is told as everywhere."""

    def __init__(self, file: IO[bytes], telling: Callable[[], AbstractContextManager[None]]) -> None:
        self._file, self._telling = file, telling

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer)
        with self._telling():
            data = self._file.read(len(into))
        into[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class RemoteTree:
    """A prefix of an object store or another remote file system."""

    def __init__(self, scheme: str, root: str) -> None:
        self.outside = False
        self._files = filesystem(scheme)
        self._scheme = scheme
        self._named = root
        self._root: str = self._files._strip_protocol(root).rstrip("/")
        self._listing = lru_cache(maxsize=256)(self._list)

    def exists(self) -> bool:
        """Whether there is anything at the root."""
        with self._telling():
            return bool(self._files.isdir(self._root))

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts, but for those that macOS adds."""
        with self._telling():
            found: dict[str, dict[str, Any]] = self._files.find(
                posixpath.join(self._root, folder).rstrip("/"), detail=True
            )
        for full in sorted(found, key=lambda path: path.split("/")):
            path = full[len(self._root) :].lstrip("/")
            if is_added(posixpath.basename(path)):
                continue
            yield Entry(path, self._uri(full), _remote_fingerprint(found[full]))

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""
        return sorted(
            n for n, i in self._listing(posixpath.join(self._root, folder)).items() if i["type"] == "directory"
        )

    def links_out(self, folder: str = "") -> list[str]:
        """None: an object store has no links."""
        return []

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""
        return sorted(n for n, i in self._listing(posixpath.join(self._root, folder)).items() if i["type"] == "file")

    def find(self, reference: str) -> Entry:
        """The file that a source names. Never raises for what is wrong with it."""
        scheme = protocol(reference)
        if scheme is not None:
            return find_url(reference, scheme)
        path = posixpath.normpath(reference)
        if path.startswith(("/", "..")) or "\0" in path:
            return Entry(reference.replace("\0", ""), "", problem="path-outside-root")
        full = posixpath.join(self._root, path)
        info = self._listing(posixpath.dirname(full)).get(posixpath.basename(full))
        if info is None or info["type"] != "file":
            return Entry(reference, "", problem="image-missing")
        return Entry(reference, self._uri(full), _remote_fingerprint(info))

    def open(self, path: str) -> IO[bytes]:
        """A file below the root, for reading."""
        with self._telling():
            file: IO[bytes] = self._files.open(posixpath.join(self._root, path), "rb")
        return io.BufferedReader(_Told(file, self._telling), _BUFFER)

    def _uri(self, full: str) -> str:
        return full if protocol(full) else f"{self._scheme}://{full.lstrip('/')}"

    def _list(self, folder: str) -> dict[str, dict[str, Any]]:
        with self._telling():
            try:
                found = self._files.ls(folder.rstrip("/"), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        return {posixpath.basename(i["name"].rstrip("/")): i for i in found}

    def _telling(self) -> AbstractContextManager[None]:
        return telling(lambda why: ReadFailedError(f"cannot read {self._named}: {why}"))


def _remote_fingerprint(info: dict[str, Any]) -> str:
    """Size, and the store's own mark of a version or time of change where it gives one."""
    mark = info.get("ETag") or info.get("etag") or info.get("md5Hash") or info.get("LastModified") or info.get("mtime")
    return f"{info.get('size', '')}-{mark or info.get('created') or ''}".replace('"', "")
