"""A local folder.

Folders are scanned with one `scandir` each and links are resolved only where there are any, so that a tree of some
hundred thousand files is listed in seconds.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.sources.reading import ReadFailedError, protocol
from medcutmix_pipeline.sources.trees import Entry, find_url, is_added

if TYPE_CHECKING:
    from collections.abc import Iterator


class LocalTree:
    """A folder of this machine; `root` is a real path."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.outside = False
        self._inside = root.rstrip(os.sep) + os.sep
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts, but for those that macOS adds."""
        waiting = [(folder, item) for item in reversed(self._scan(folder))]
        while waiting:
            parent, item = waiting.pop()
            path = posixpath.join(parent, item.name)
            if item.is_dir(follow_symlinks=False):
                waiting.extend((path, below) for below in reversed(self._scan(path)))
            elif is_added(item.name):
                continue
            elif item.is_symlink():
                yield from self._linked(path)
            elif item.is_file(follow_symlinks=False):
                shown, problem = _presentable(path)
                yield Entry(shown, self._inside + shown, _fingerprint(item.stat(follow_symlinks=False)), problem)

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""
        return [i.name for i in self._scan(folder) if i.is_dir(follow_symlinks=False)]

    def links_out(self, folder: str = "") -> list[str]:
        """The names of links in `folder` to folders outside the root, sorted."""
        links = [i.name for i in self._scan(folder) if i.is_symlink() and i.is_dir()]
        real = {name: os.path.realpath(posixpath.join(self.root, folder, name)) for name in links}
        return [name for name in links if not (real[name] + os.sep).startswith(self._inside)]

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""
        return [i.name for i in self._scan(folder) if i.is_file()]

    def find(self, reference: str) -> Entry:
        """The file that a source names. Never raises for what is wrong with it."""
        scheme = protocol(reference)
        if scheme == "file":
            reference = reference[len("file://") :]
        elif scheme is not None:
            return find_url(reference, scheme)
        shown, problem = _presentable(reference)
        if problem or "\0" in reference:
            return Entry(shown.replace("\0", ""), "", problem="path-unsupported")
        folder, name = posixpath.split(posixpath.join(self.root, reference))
        try:
            path = posixpath.join(self._real_folder(folder), name)
            if name in ("", ".", ".."):
                path = os.path.realpath(path)
            if not path.startswith(self._inside):
                return Entry(reference, "", problem="path-outside-root")
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
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


def _presentable(path: str) -> tuple[str, str | None]:
    """A path as text that can be stored; names that are not UTF-8 cannot be, and are a problem."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace"), "path-unsupported"
    return path, None


def _fingerprint(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _listing_problem(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "image-unreadable"
    return "image-missing"
