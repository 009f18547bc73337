"""A source's files, local or remote, seen through one interface that never leaves the source's root.

Local folders are scanned with one `scandir` each and links are resolved only where there are any, so that a tree of
some hundred thousand files is listed in seconds.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.sources.reading import REMOTE, ReadFailedError, filesystem, protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its path below the root, what `read_bytes` takes, and what changes when the file does.

    `problem` is a reason code where the file cannot be used: `image-missing`, `path-outside-root`, `path-unsupported`.
    """

    path: str
    uri: str
    fingerprint: str = ""
    problem: str | None = None


class Tree(Protocol):
    """The files below a root."""

    outside: bool
    """Whether a listed folder held a link to a folder outside the root. No link to a folder is followed."""

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts."""

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""

    def find(self, reference: str) -> Entry:
        """The file that a source names, below the root or at an URL of its own.

        Never raises for what is wrong with it.
        """

    def open(self, path: str) -> IO[bytes]:
        """A file below the root, for reading."""


def open_tree(root: str) -> Tree:
    """The tree below a folder.

    Raises:
        UsageError: there is no such folder, or its protocol is not served.
    """
    scheme = protocol(root)
    if scheme is None:
        if not Path(root).is_dir():
            raise UsageError(f"there is no folder {root}")
        return LocalTree(os.path.realpath(root))
    tree = RemoteTree(scheme, root)
    if not tree.exists():
        raise UsageError(f"there is no folder {root}")
    return tree


def _presentable(path: str) -> tuple[str, str | None]:
    """A path as text that can be stored; names that are not UTF-8 cannot be, and are a problem."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace"), "path-unsupported"
    return path, None


def _fingerprint(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


class LocalTree:
    """A folder of this machine; `root` is a real path."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.outside = False
        self._inside = root.rstrip(os.sep) + os.sep
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts."""
        waiting = [(folder, item) for item in reversed(self._scan(folder))]
        while waiting:
            parent, item = waiting.pop()
            path = posixpath.join(parent, item.name)
            if item.is_dir(follow_symlinks=False):
                waiting.extend((path, below) for below in reversed(self._scan(path)))
            elif item.is_symlink():
                yield from self._linked(path)
            elif item.is_file(follow_symlinks=False):
                shown, problem = _presentable(path)
                yield Entry(shown, self._inside + shown, _fingerprint(item.stat(follow_symlinks=False)), problem)

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""
        return [i.name for i in self._scan(folder) if i.is_dir(follow_symlinks=False)]

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""
        return [i.name for i in self._scan(folder) if i.is_file()]

    def find(self, reference: str) -> Entry:
        """The file that a source names. Never raises for what is wrong with it."""
        scheme = protocol(reference)
        if scheme == "file":
            reference = reference[len("file://") :]
        elif scheme is not None:
            return _find_url(reference, scheme)
        shown, problem = _presentable(reference)
        if problem or "\0" in reference:
            return Entry(shown.replace("\0", ""), "", problem="path-unsupported")
        folder, name = posixpath.split(posixpath.join(self.root, reference))
        try:
            path = posixpath.join(self._real_folder(folder), name)
            if name in ("", ".", ".."):
                path = os.path.realpath(path)
            if path.startswith(self._inside) and stat.S_ISLNK(os.lstat(path).st_mode):
                path = os.path.realpath(path)
            if not path.startswith(self._inside):
                return Entry(reference, "", problem="path-outside-root")
            status = os.lstat(path)
        except OSError as error:
            return Entry(reference, "", problem=_listing_problem(error))
        if not stat.S_ISREG(status.st_mode):
            return Entry(reference, "", problem="image-missing")
        return Entry(reference, path, _fingerprint(status))

    def open(self, path: str) -> IO[bytes]:
        """A file below the root, for reading."""
        return (Path(self.root) / path).open("rb")

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(posixpath.join(self.root, folder)) as items:
                return sorted(items, key=lambda item: item.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise UsageError("a folder of the source may not be read; check its permissions") from None
        except OSError as error:
            raise ReadFailedError(f"the storage failed while a folder was listed ({error.strerror})") from None

    def _linked(self, path: str) -> Iterator[Entry]:
        """A link to a file is followed where it stays inside; one to a folder is not: files would be listed twice."""
        target = os.path.realpath(posixpath.join(self.root, path))
        if Path(target).is_dir():
            self.outside |= not (target + os.sep).startswith(self._inside)
            return
        yield self.find(path)


def _listing_problem(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "image-unreadable"
    return "image-missing"


class RemoteTree:
    """A prefix of an object store or another remote file system."""

    def __init__(self, scheme: str, root: str) -> None:
        self.outside = False
        self._files = filesystem(scheme)
        self._scheme = scheme
        self._root: str = self._files._strip_protocol(root).rstrip("/")
        self._listing = lru_cache(maxsize=256)(self._list)

    def exists(self) -> bool:
        """Whether there is anything at the root."""
        return bool(self._files.isdir(self._root))

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts."""
        found: dict[str, dict[str, Any]] = self._files.find(posixpath.join(self._root, folder).rstrip("/"), detail=True)
        for full in sorted(found, key=lambda path: path.split("/")):
            path = full[len(self._root) :].lstrip("/")
            yield Entry(path, self._uri(full), _remote_fingerprint(found[full]))

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""
        return sorted(
            n for n, i in self._listing(posixpath.join(self._root, folder)).items() if i["type"] == "directory"
        )

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""
        return sorted(n for n, i in self._listing(posixpath.join(self._root, folder)).items() if i["type"] == "file")

    def find(self, reference: str) -> Entry:
        """The file that a source names. Never raises for what is wrong with it."""
        scheme = protocol(reference)
        if scheme is not None:
            return _find_url(reference, scheme)
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
        file: IO[bytes] = self._files.open(posixpath.join(self._root, path), "rb")
        return file

    def _uri(self, full: str) -> str:
        return full if protocol(full) else f"{self._scheme}://{full.lstrip('/')}"

    def _list(self, folder: str) -> dict[str, dict[str, Any]]:
        try:
            return {
                posixpath.basename(i["name"].rstrip("/")): i for i in self._files.ls(folder.rstrip("/"), detail=True)
            }
        except (FileNotFoundError, NotADirectoryError):
            return {}


def _remote_fingerprint(info: dict[str, Any]) -> str:
    """Size, and the store's own mark of a version or time of change where it gives one."""
    mark = info.get("ETag") or info.get("etag") or info.get("md5Hash") or info.get("LastModified") or info.get("mtime")
    return f"{info.get('size', '')}-{mark or info.get('created') or ''}".replace('"', "")


def _find_url(url: str, scheme: str) -> Entry:
    """A file at an URL of its own. It is not looked at: a listing must not cost a request for each of its rows."""
    if scheme not in REMOTE or "::" in url:
        return Entry(url, "", problem="path-outside-root")
    return Entry(url, url)
