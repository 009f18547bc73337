"""Where shards are: local folders, globs, lists, HTTP and fsspec URLs; and reading one whole."""

from __future__ import annotations

import glob
import hashlib
import json
import mmap
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.loader.reading.buffers import fresh
from medcutmix_pipeline.loader.reading.fetch import read_url, reason, shown
from medcutmix_pipeline.loader.reading.tar import ShardError, read_members
from medcutmix_pipeline.version import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from medcutmix_pipeline.loader.reading.buffers import Block

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_MANIFEST = 64 << 20
_SMALLEST_SAMPLE = 3072  # image, text and record: a block of header and one of content each


@dataclass(frozen=True)
class ShardRef:
    """A shard that is to be read: its name, its path or URL, how many samples and bytes it has, and its sha256.

    The hash is None where no manifest tells it.
    """

    name: str
    url: str
    samples: int
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Shards:
    """The shards of a dataset, sorted by name, and what its manifest tells (empty without one)."""

    refs: tuple[ShardRef, ...]
    manifest: dict[str, Any]


def find_shards(
    where: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], split: str | None, largest: int = 1 << 30
) -> Shards:
    """The shards at a place.

    Args:
        where: a dataset's folder (path or URL); or shards: a .tar, a glob, a {000000..000123} range, or a list of
            those, local or remote. The dataset's manifest is looked for beside the shards' folder; without it every
            shard is read once to count its samples.
        split: the split that is taken from a dataset's folder; None: all. Shards that are named are taken as named.
        largest: bytes of the largest shard that is read to be counted.

    Raises:
        DataError: nothing is there, the dataset is unfinished or of another format, or a shard cannot be counted.
        UsageError: the dataset has no such split.
    """
    given = [where] if isinstance(where, str | os.PathLike) else list(where)
    places = [os.fspath(place) for place in given]
    if len(places) == 1 and not _names_shards(places[0]):
        return _dataset(places[0].rstrip("/"), split)
    urls = sorted(set(_expand(places)), key=lambda url: (_stem(url), url))
    if not urls:
        raise DataError(f"no shard is at {', '.join(map(shown, places[:3])) or 'the places of an empty list'}")
    names = [_stem(url) for url in urls]
    if len(set(names)) < len(names):
        names = urls
    manifest = _manifest_beside(urls[0])
    known = {ref.name: ref for ref in _refs(manifest, "")} if manifest else {}
    refs = [
        ShardRef(name, url, known[name].samples, known[name].size, known[name].sha256)
        if name in known
        else _counted(name, url, largest)
        for name, url in zip(names, urls, strict=True)
    ]
    return Shards(tuple(refs), manifest)


def read_shard_bytes(ref: ShardRef, largest: int, verify: bool, take: Callable[[int], Block] = fresh) -> memoryview:
    """A shard's bytes, in one sequential read; `take` gives the memory for a local one.

    Raises:
        ShardError: it cannot be read, is larger than `largest` bytes, or (with `verify`) has another sha256 than the
            manifest says.
    """
    try:
        data = read_url(ref.url, largest, take)
    except FileNotFoundError:
        raise ShardError(f"shard {ref.name} is not there ({shown(ref.url)})") from None
    except (OSError, ValueError) as why:
        raise ShardError(f"shard {ref.name} cannot be read: {reason(why)}") from None
    if verify and ref.sha256 is not None and hashlib.sha256(data).hexdigest() != ref.sha256:
        raise ShardError(f"shard {ref.name} has another sha256 than dataset.json says: download or build it again")
    return data


def _dataset(root: str, split: str | None) -> Shards:
    manifest = _read_manifest(f"{root}/dataset.json")
    if manifest is None:
        raise DataError(f"{shown(root)} holds no finished dataset: there is no dataset.json in it")
    refs = list(_refs(manifest, root))
    chosen = [ref for ref in refs if split is None or ref.name.rsplit("-", 1)[0] == split]
    if not chosen:
        known = sorted({ref.name.rsplit("-", 1)[0] for ref in refs})
        raise UsageError(f"{root} has no shards of the split {split!r}; it has: {', '.join(known) or 'none'}")
    return Shards(tuple(sorted(chosen, key=lambda ref: ref.name)), manifest)


def _refs(manifest: dict[str, Any], root: str) -> Iterable[ShardRef]:
    try:
        names = set()
        for told in manifest["shards"]:
            name, samples, size, digest = told["name"], told["samples"], told["bytes"], told["sha256"]["tar"]
            fits = [type(value) for value in (name, samples, size, digest)] == [str, int, int, str]
            if not fits or not _NAME.fullmatch(name) or name in names or not 0 <= samples <= size // _SMALLEST_SAMPLE:
                raise ValueError
            names.add(name)
            yield ShardRef(name, f"{root}/shards/{name}.tar", samples, size, digest)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{shown(root) or 'the manifest'}: dataset.json does not list shards as asked") from None


def _read_manifest(url: str) -> dict[str, Any] | None:
    """The manifest, or None where there is none."""
    try:
        content = json.loads(bytes(read_url(url, _LARGEST_MANIFEST)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as why:
        raise DataError(f"{shown(url)} cannot be read as a dataset's manifest: {reason(why)}") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        told = repr(version)[:20]
        raise DataError(f"{shown(url)} has format version {told}, this release reads version {FORMAT_VERSION}")
    manifest: dict[str, Any] = content
    diseases = manifest.get("diseases", [])
    if type(diseases) is not list or any(type(disease) is not str for disease in diseases):
        raise DataError(f"{shown(url)} does not list diseases as the format asks")
    return manifest


def _manifest_beside(url: str) -> dict[str, Any]:
    """The manifest of the dataset in whose `shards/` a shard lies; empty where there is none."""
    folder, _, _ = url.rpartition("/")
    root, _, last = folder.rpartition("/")
    if last != "shards" or "?" in url:
        return {}
    return _read_manifest(f"{root}/dataset.json" if root or folder.startswith("/") else "dataset.json") or {}


def _counted(name: str, url: str, largest: int) -> ShardRef:
    if "://" in url:
        data = read_shard_bytes(ShardRef(name, url, 0, 0), largest, verify=False)
        return ShardRef(name, url, len(read_members(data, name)), len(data))
    try:
        if not stat.S_ISREG(Path(url).stat().st_mode):
            raise ValueError("it is not a file")
        with (
            Path(url).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            return ShardRef(name, url, len(read_members(view, name)), len(view))
    except (OSError, ValueError) as why:
        raise ShardError(f"shard {name} cannot be read: {reason(why)}") from None


def _expand(places: Sequence[str]) -> Iterable[str]:
    for place in places:
        braces = _BRACES.search(place)
        if braces:
            first, last = braces[1], braces[2]
            span = range(int(first), int(last) + 1)
            yield from _expand(
                [place[: braces.start()] + str(n).zfill(len(first)) + place[braces.end() :] for n in span]
            )
        elif not glob.has_magic(place) or place.startswith(("http://", "https://")):
            yield place
        else:
            system, path = fsspec.core.url_to_fs(place)
            yield from (system.unstrip_protocol(p) if "://" in place else p for p in system.glob(path))


def _names_shards(place: str) -> bool:
    return place.split("?")[0].endswith(".tar") or (glob.has_magic(place) and not Path(place).is_dir())


def _stem(url: str) -> str:
    return url.split("?")[0].rpartition("/")[2].removesuffix(".tar")
