"""A prefix of an object store, through fsspec: small and large objects that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fsspec

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.sources.reading import protocol
from medcutmix_pipeline.sources.remote_errors import telling

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""Protocols of stores whose objects appear whole or not at all; tests know s3."""

TRIAL = ".build/check-"
"""How the names of objects begin that were written to see whether they can be; they stay where deletion is denied."""

_AGAIN = "; run the same command again to go on"


class StoreError(DataError):
    """An object store failed or refused in the middle of the work; running it again goes on from there."""


@dataclass(frozen=True)
class Stored:
    """An object: its size in bytes, and the store's own mark of its content, which changes when the object does."""

    size: int
    mark: str


class Store:
    """Objects below a URL such as `s3://bucket/prefix`, named relative to it.

    Credentials, region and endpoint are those of the environment (AWS_PROFILE, AWS_ENDPOINT_URL, …).

    Raises:
        UsageError: the protocol is none of `STORES`, its package is not installed, or no bucket is named.
        StoreError: from every method, where the store fails or refuses.
    """

    def __init__(self, url: str) -> None:
        scheme = protocol(url) or ""
        if scheme not in STORES:
            raise UsageError(
                f"{scheme}:// is no place for a dataset; give a folder, or one of {', '.join(sorted(STORES))}"
            )
        self.url = url.rstrip("/")
        try:
            # Listings of another process's objects must not be remembered.
            self._files: Any = fsspec.filesystem(scheme, use_listings_cache=False)
        except ImportError:
            raise UsageError(
                f"{scheme}:// needs a package that is not installed: pip install 'medcutmix-pipeline[s3]'"
                if scheme.startswith("s3")
                else f"{scheme}:// needs its fsspec package, which is not installed"
            ) from None
        self._root: str = self._files._strip_protocol(url).strip("/")
        if not self._root:
            raise UsageError(f"{url} names no bucket: give {scheme}://BUCKET/PREFIX")

    def check(self) -> None:
        """Write, read, list and delete a small object, so that a store that refuses is known before any work.

        Raises:
            UsageError: it refuses, and why.
        """
        name, content = f"{TRIAL}{uuid.uuid4().hex}", b"written to see whether it can be\n"
        try:
            self.write(name, content)
            came_back = self.read(name) == content and name in self.objects(".build")
            self.remove([name])
        except StoreError as why:
            told = str(why).removesuffix(_AGAIN)
            raise UsageError(f"{told} (a build lists, reads, writes and deletes objects there)") from None
        if not came_back:
            raise UsageError(f"{self.url} does not give back what was just written to it")

    def objects(self, below: str = "") -> dict[str, Stored]:
        """Every object, or those below a folder, in one listing."""
        with self._telling():
            found = self._files.find(self._path(below).rstrip("/"), detail=True)
        start = len(self._root) + 1
        return {path[start:]: _stored(info) for path, info in found.items() if path.startswith(f"{self._root}/")}

    def put(self, path: Path, name: str) -> Stored:
        """Upload a file; the object appears whole or not at all."""
        size = path.stat().st_size
        with self._telling():
            self._files.put_file(os.fspath(path), self._path(name))
            stored = _stored(self._files.info(self._path(name)))
        if stored.size != size:
            raise StoreError(f"{self.url}: {stored.size:,} bytes of {name} arrived, {size:,} were sent{_AGAIN}")
        return stored

    def fetch(self, name: str, path: Path) -> None:
        """Download an object to a file, whose folder is made where it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._telling():
            self._files.get_file(self._path(name), os.fspath(path))

    def write(self, name: str, content: bytes) -> None:
        """Write a small object."""
        with self._telling():
            self._files.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object unless there is one of that name; whether it was written."""
        with self._telling():
            try:
                self._files.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def read(self, name: str) -> bytes | None:
        """A small object's content, or None where there is none of that name."""
        with self._telling():
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def remove(self, names: Iterable[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        with self._telling():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _telling(self) -> AbstractContextManager[None]:
        return telling(lambda why: StoreError(f"{self.url}: {why}{_AGAIN}"))


def _stored(info: dict[str, Any]) -> Stored:
    mark = info.get("ETag") or info.get("etag") or info.get("md5Hash") or info.get("mtime") or ""
    return Stored(int(info.get("size") or 0), str(mark).strip('"'))
