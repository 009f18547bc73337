"""Where things stand in an output folder, and the state from which a build goes on after it was cut off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.pipeline.atomic import remove, write_json

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS = ("shards", "plans", "samples", "sentences", "rejects", "pixel")


@dataclass(frozen=True)
class Layout:
    """The paths of a dataset in the making."""

    out: Path

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
        """Files in the making."""
        return self.build / "scratch"

    @property
    def manifest(self) -> Path:
        """`dataset.json`, which makes a dataset of the folder."""
        return self.out / "dataset.json"

    def listing(self, part: int) -> Path:
        """The studies of one part as the source lists them."""
        return self.work / "listing" / f"part-{part:05d}.parquet"

    def candidates(self, part: int) -> Path:
        """The candidates for samples of one part."""
        return self.build / "candidates" / f"part-{part:05d}.parquet"

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

    def done(self, name: str) -> Path:
        """The mark of a finished piece of work."""
        return self.build / "done" / f"{name}.json"

    def begin(self, name: str, key: str | None = None) -> None:
        """Take the mark away before any file of a piece of work is replaced.

        Else a crash half-way would leave the mark of an earlier configuration beside files of this one, and a return to
        that configuration would take them for its own.

        Args:
            key: where the work is one file and its key tells every byte of it, a mark of this very key may stay; so a
                worker that outlives a killed build takes nothing away from the build that goes on.
        """
        if key is None or self._mark(name).get("key") != key:
            remove(self.done(name))

    def mark_done(self, name: str, key: str, facts: dict[str, Any]) -> None:
        """Say that a piece of work is finished; to be called last, when all of its files stand."""
        write_json({"key": key, **facts}, self.done(name), self.scratch)

    def facts(self, name: str, key: str | None = None) -> dict[str, Any] | None:
        """What a finished piece of work said of itself, or None where it is not finished, or not under this key.

        A file that it names and that is gone or has another size makes it unfinished.
        """
        facts = self._mark(name)
        if not facts or (key is not None and facts.get("key") != key):
            return None
        for file, size in facts.get("files", {}).items():
            path = self.out / file
            if not path.is_file() or path.stat().st_size != size:
                return None
        return facts

    def _mark(self, name: str) -> dict[str, Any]:
        """The mark of a piece of work, empty where there is none."""
        try:
            facts: dict[str, Any] = json.loads(self.done(name).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return facts

    def files(self, *paths: Path) -> dict[str, int]:
        """Names relative to the output and sizes, for `facts` to check."""
        return {str(path.relative_to(self.out)): path.stat().st_size for path in paths}

    def is_ours(self) -> bool:
        """Whether the folder was made by a build, finished or not: other tools know a dataset.json or .build, too."""
        if self.lock.is_file():
            return True
        try:
            manifest = json.loads(self.manifest.read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(manifest, dict) and {"format_version", "tool_version", "shards"} <= manifest.keys()

    def clear(self) -> None:
        """Remove what builds write, and nothing else. The lock stays: it is held."""
        remove(self.manifest)
        for name in (*_FOLDERS, "encoder"):
            shutil.rmtree(self.out / name, ignore_errors=True)
        for name in ("README.md", "run.json"):
            (self.out / name).unlink(missing_ok=True)
        for path in self.build.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path != self.lock:
                path.unlink()

    def tidy(self) -> None:
        """Remove what a build leaves in the making when it is killed: it may name patients."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def remove_strays(self, expected: set[Path]) -> None:
        """Remove files of an earlier configuration from the dataset's folders."""
        for kind in _FOLDERS:
            for path in sorted((self.out / kind).glob("*")):
                if path not in expected and path.is_file():
                    path.unlink()
        with contextlib.suppress(OSError):  # it is not there, or something stands in it
            (self.out / "pixel").rmdir()


def digest(*parts: object) -> str:
    """sha256 over the JSON of some values: the key of a piece of work."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
