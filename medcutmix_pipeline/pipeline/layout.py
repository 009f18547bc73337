"""Where things stand in an output folder, and the state from which a build goes on after it was cut off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.hashing import file_sha256
from medcutmix_pipeline.pipeline.atomic import Staged, put, remove, write_json
from medcutmix_pipeline.pipeline.contents import CARD, DONE, FOLDERS, MANIFEST, RUN_REPORT, SIGN, belongs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a piece of work hands to the build: what it says of itself, and files that wait for their names.

    Attributes:
        name: under which it is marked done.
        key: tells its input, its settings and its code.
        facts: JSON.
        files: all that it wrote.
    """

    name: str
    key: str
    facts: dict[str, Any]
    files: list[Staged] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """The paths of a dataset in the making.

    `waiting` tells where a file is to be read that has not got its name yet.
    """

    out: Path
    waiting: Mapping[Path, Path] = field(default_factory=dict, compare=False)

    @property
    def build(self) -> Path:
        """State that outlives a crash; holds no identifier of the source."""
        return self.out / ".build"

    @property
    def lock(self) -> Path:
        """Held by the build that is running."""
        return self.build / "lock"

    @property
    def work(self) -> Path:
        """Working files with addresses of the source; deleted when the dataset is finished."""
        return self.build / "work"

    @property
    def scratch(self) -> Path:
        """Files in the making; those of workers in a folder that bears the name of the attempt."""
        return self.build / "scratch"

    @property
    def manifest(self) -> Path:
        """`dataset.json`, which makes a dataset of the folder."""
        return self.out / MANIFEST

    def listing(self, part: int) -> Path:
        """The studies of one part as the source lists them."""
        return self.work / "listing" / f"part-{part:05d}.parquet"

    def candidates(self, part: int) -> Path:
        """The candidates for samples of one part."""
        path = self.build / "candidates" / f"part-{part:05d}.parquet"
        return self.waiting.get(path, path)

    def sentences(self, part: int) -> Path:
        """The sentence bank of one part."""
        return self.out / "sentences" / f"part-{part:05d}.parquet"

    def placed(self, unit: str) -> Path:
        """The samples of one unit, in the order of its shard."""
        return self.work / "placed" / f"{unit}.parquet"

    def part_rejects(self, part: int) -> Path:
        """What reading one part rejected."""
        return self.build / "rejects" / f"part-{part:05d}.parquet"

    def unit_rejects(self, unit: str) -> Path:
        """What ingesting one unit rejected."""
        return self.build / "rejects" / f"{unit}.parquet"

    def shard(self, unit: str) -> Path:
        """The tar of one unit."""
        return self.out / "shards" / f"{unit}.tar"

    def pixel(self, unit: str) -> Path:
        """The tar of one unit's pixel mixes."""
        return self.out / "pixel" / f"{unit}.tar"

    def table(self, kind: str, unit: str) -> Path:
        """The plans or samples table of one unit."""
        return self.out / kind / f"{unit}.parquet"

    @property
    def begun(self) -> bool:
        """Whether a piece of work is marked done."""
        return any((self.out / DONE).glob("*.json"))

    def done(self, name: str) -> Path:
        """The mark of a finished piece of work."""
        return self.out / DONE / f"{name}.json"

    def commit(self, outcome: Outcome) -> dict[str, Any]:
        """Give the files of a piece of work their names, and mark it done; returns the facts of the mark.

        Only the process that holds the lock may call this. The mark goes before any file is replaced: else a crash
        half-way would leave the mark of an earlier configuration beside files of this one, and a return to that
        configuration would take them for its own. It comes back when all files stand.
        """
        remove(self.done(outcome.name))
        put(outcome.files)
        files = {str(f.path.relative_to(self.out)): [f.bytes, f.sha256] for f in outcome.files}
        facts = {**outcome.facts, "files": files}
        write_json({"key": outcome.key, **facts}, self.done(outcome.name), self.scratch)
        return facts

    def facts(self, name: str, key: str | None = None) -> dict[str, Any] | None:
        """What a finished piece of work said of itself, or None where it is not finished, or not under this key."""
        facts = self._mark(name)
        return facts if facts and key in (None, facts.get("key")) else None

    def damaged(self, facts: dict[str, Any]) -> str | None:
        """The first file of a finished piece of work that is gone or holds other bytes than were written; or None.

        Reads all of them.
        """
        for name, (size, sha256) in facts["files"].items():
            path = self.out / name
            if not path.is_file() or path.stat().st_size != size:
                return str(name)
            if file_sha256(path) != sha256:
                return str(name)
        return None

    def _mark(self, name: str) -> dict[str, Any]:
        """The mark of a piece of work, empty where there is none."""
        try:
            facts = json.loads(self.done(name).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def files(self) -> Iterator[Path]:
        """The files here that belong to the dataset or to its state, but for `dataset.json`."""
        for folder in FOLDERS:
            paths = sorted((self.out / folder).glob("*"))
            yield from (path for path in paths if belongs(f"{folder}/{path.name}") and path.is_file())
        yield from (path for name in (CARD, RUN_REPORT) if (path := self.out / name).is_file())

    def clear(self) -> None:
        """Remove what builds write, and nothing else. The lock stays: it is held; and so does the sign."""
        remove(self.manifest)
        for path in self.files():
            path.unlink()
        for path in self.build.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path not in (self.lock, self.out / SIGN):
                path.unlink()
        self._remove_empty(FOLDERS)

    def tidy(self) -> None:
        """Remove what a build leaves in the making when it is killed: it may name patients.

        The folders lose their names first, so that no worker of a killed build that still runs adds to them meanwhile.
        """
        for folder in (self.work, self.scratch):
            gone = folder.with_name(f"{folder.name}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def remove_strays(self, expected: set[Path]) -> None:
        """Remove what earlier configurations left in the folders of the dataset and of its state.

        Args:
            expected: what is not to be removed there.
        """
        for path in self.files():
            if path not in expected and path.parent != self.out:
                path.unlink()
        self._remove_empty(["pixel"])

    def _remove_empty(self, folders: Iterable[str]) -> None:
        for folder in folders:
            with contextlib.suppress(OSError):  # it is not there, or something stands in it
                (self.out / folder).rmdir()


def digest(*parts: object) -> str:
    """sha256 over the JSON of some values: the key of a piece of work."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
