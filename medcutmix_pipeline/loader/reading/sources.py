"""Where shards are: local folders, globs, lists, HTTP and fsspec URLs; and reading one whole."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.home import at_home
from medcutmix_pipeline.loader.reading.buffers import fresh
from medcutmix_pipeline.loader.reading.fetch import read_url, reason, shown
from medcutmix_pipeline.loader.reading.manifest import Contents, Manifest, ShardRef, read_contents, together
from medcutmix_pipeline.loader.reading.places import names_shards, shards_at
from medcutmix_pipeline.loader.reading.tar import ShardError, read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

    from medcutmix_pipeline.loader.reading.buffers import Block


@dataclass(frozen=True)
class Shards:
    """The shards of one or several datasets, and what their manifests tell together (empty without one).

    They are sorted by name; where folders have shards of the same names, by folder and then by name.
    """

    refs: tuple[ShardRef, ...]
    manifest: Manifest


def find_shards(
    where: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], split: str | None, largest: int = 1 << 30
) -> Shards:
    """The shards at a place.

    A shard has the name of its file. Where several folders have shards of the same names, all get the number of their
    folder in front ("0/train-000000"), counted in the order in which folders are named: wherever they are moved to, and
    whatever they are called, the names stay.

    Args:
        where: a dataset's folder (path or URL); shards: a .tar, a glob or a {000000..000123} range; or a list of any of
            those, local or remote. The manifest of each dataset is looked for beside its folder of shards; without it
            every shard is read once to count its samples.
        split: the split that is taken from datasets' folders; None: all. Shards that are named are taken as named.
        largest: bytes of the largest shard that is accepted.

    Raises:
        DataError: nothing is there, a dataset is unfinished or of another format, or a shard cannot be counted or is
            too large.
        UsageError: a dataset has no such split.
    """
    given = [where] if isinstance(where, str | os.PathLike) else list(where)
    places = [at_home(place) for place in given]
    datasets: dict[str, Contents] = {}
    urls: dict[str, None] = {}
    for place in places:
        named = shards_at(place) if names_shards(place) else _of_dataset(place.rstrip("/"), split, datasets)
        urls.update(dict.fromkeys(named))
    if not urls:
        raise DataError(f"no shard is at {', '.join(map(shown, places[:3])) or 'the places of an empty list'}")
    refs = []
    for name, url in _named(urls):
        known = _contents_beside(url, datasets).refs.get(_stem(url))
        refs.append(_counted(name, url, largest) if known is None else _told(known, name, url, largest))
    return Shards(tuple(refs), together(datasets[folder].manifest for folder in _folders(urls) if folder in datasets))


def read_shard_bytes(
    ref: ShardRef, largest: int, verify: bool, take: Callable[[int], Block] = fresh, stopped: Event | None = None
) -> memoryview:
    """A shard's bytes, in one sequential read; `take` gives the memory where the size is known.

    Once `stopped` is set a remote read ends soon, with a CancelledError.

    Raises:
        ShardError: it cannot be read, is larger than `largest` bytes, or (with `verify`) has another sha256 than the
            manifest says.
    """
    try:
        data = read_url(ref.url, largest, take, stopped)
    except FileNotFoundError:
        raise ShardError(f"shard {ref.name} is not there ({shown(ref.url)})") from None
    except (OSError, ValueError) as why:
        raise ShardError(f"shard {ref.name} cannot be read: {reason(why)}") from None
    if verify and ref.sha256 is not None and hashlib.sha256(data).hexdigest() != ref.sha256:
        raise ShardError(f"shard {ref.name} has another sha256 than dataset.json says: download or build it again")
    return data


def _of_dataset(root: str, split: str | None, datasets: dict[str, Contents]) -> Iterable[str]:
    """The URLs of the shards of a dataset's split; what its manifest tells is put under its folder of shards."""
    contents = read_contents(root)
    if contents is None:
        raise DataError(f"{shown(root)} holds no finished dataset: there is no dataset.json in it")
    datasets[f"{root}/shards"] = contents
    chosen = [ref.url for ref in contents.refs.values() if split is None or _split(ref) == split]
    if not chosen:
        known = ", ".join(sorted({_split(ref) for ref in contents.refs.values()}))
        raise UsageError(f"{root} has no shards of the split {split!r}; it has: {known or 'none'}")
    return chosen


def _contents_beside(url: str, datasets: dict[str, Contents]) -> Contents:
    """What is known of the dataset in whose `shards/` a shard lies, looked up once; empty where there is none."""
    folder = _folder(url)
    root, _, last = folder.rpartition("/")
    if last != "shards" or shown(url) != url:
        return Contents()
    if folder not in datasets:
        datasets[folder] = read_contents(root if root or folder.startswith("/") else ".") or Contents()
    return datasets[folder]


def _named(urls: Iterable[str]) -> list[tuple[str, str]]:
    """Names of shards and their URLs, in the order of the names."""
    stems = {url: _stem(url) for url in urls}
    if len(set(stems.values())) == len(stems):
        return sorted((stem, url) for url, stem in stems.items())
    number = {folder: i for i, folder in enumerate(_folders(urls))}
    named: dict[tuple[int, str, int], str] = {}
    times: Counter[tuple[int, str]] = Counter()
    for url, stem in stems.items():
        place = number[_folder(url)], stem
        named[*place, times[place]] = url
        times[place] += 1
    # only URLs that differ in what follows the path meet again
    return [(f"{i}/{stem}" + (f"-{again}" if again else ""), named[i, stem, again]) for i, stem, again in sorted(named)]


def _folders(urls: Iterable[str]) -> list[str]:
    """The folders in which shards lie, in the order in which they were named."""
    return list(dict.fromkeys(map(_folder, urls)))


def _told(known: ShardRef, name: str, url: str, largest: int) -> ShardRef:
    """A shard with the facts that its manifest tells. Memory is taken by them, so too large ones are not accepted."""
    if known.size > largest:
        raise ShardError(f"shard {name} is larger than {largest} bytes: raise max_shard_bytes if you trust the dataset")
    return replace(known, name=name, url=url)


def _counted(name: str, url: str, largest: int) -> ShardRef:
    if "://" in url:
        data = read_shard_bytes(ShardRef(name, url, 0, 0), largest, verify=False)
        return ShardRef(name, url, len(read_members(data, name)), len(data))
    try:
        found = Path(url).stat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a file")
        if found.st_size > largest:
            raise ValueError(f"it is larger than {largest} bytes")
        with (
            Path(url).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            return ShardRef(name, url, len(read_members(view, name)), len(view))
    except (OSError, ValueError) as why:
        raise ShardError(f"shard {name} cannot be read: {reason(why)}") from None


def _split(ref: ShardRef) -> str:
    return ref.name.rsplit("-", 1)[0]


def _folder(url: str) -> str:
    return shown(url).rpartition("/")[0]


def _stem(url: str) -> str:
    return shown(url).rpartition("/")[2].removesuffix(".tar")
