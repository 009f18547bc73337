"""What the pieces of work of a build are told: the context that all share, and a task for each.

Small and frozen: they travel to any process that works.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.stages.sentences.opening import open_reader

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config, SentencesConfig
    from medcutmix_pipeline.stages.sentences import ReportReader


STATE_VERSION = 13
"""Part of every key: raise it when the same rows and settings are to give other bytes, or marks look otherwise."""


@dataclass(frozen=True)
class Context:
    """What every piece of work needs to know; small, and the same for all.

    `attempt` is the name of this one run of the build, which no other shares.
    """

    out: Path
    config: Config
    key: bytes
    public_ids: bool
    attempt: str
    encoder_size: int = 0

    @property
    def layout(self) -> Layout:
        """The paths of the output."""
        return Layout(self.out)

    @property
    def staging(self) -> Path:
        """Where pieces of work write their files. It goes when the attempt is over, and only the build makes it."""
        return self.layout.scratch / self.attempt

    @property
    def encoder_folder(self) -> Path | None:
        """The folder of the fitted encoder, or None where a published one is used."""
        return self.out / "encoder" if self.config.attention.encoder == "fit" else None

    @property
    def reader(self) -> ReportReader:
        """The reader of reports, loaded once in a process for the same lexicon."""
        return _reader(self.config.sentences, _stamp(self.config.sentences.lexicon))


def part_name(part: int) -> str:
    """The name under which the reading of a part is marked done."""
    return f"part-{part:05d}"


@dataclass(frozen=True)
class PartTask:
    """Read one part of the corpus."""

    part: int
    key: str

    @property
    def name(self) -> str:
        """The name under which it is marked done."""
        return part_name(self.part)


@dataclass(frozen=True)
class IngestTask:
    """Ingest some rows of a table of placed samples."""

    table: Path
    rows: range

    def halves(self) -> tuple[IngestTask, IngestTask]:
        """The same rows as two tasks."""
        half = len(self.rows) // 2
        return IngestTask(self.table, self.rows[:half]), IngestTask(self.table, self.rows[half:])


@dataclass(frozen=True)
class UnitTask:
    """Make one shard."""

    unit: str
    split: str
    samples: int
    key: str

    @property
    def name(self) -> str:
        """The name under which it is marked done."""
        return self.unit

    def ingest(self, layout: Layout) -> IngestTask:
        """The first step of making it."""
        return IngestTask(layout.placed(self.unit), range(self.samples))


@lru_cache(maxsize=2)
def _reader(config: SentencesConfig, _lexicon_stamp: tuple[int, int] | None) -> ReportReader:
    return open_reader(config)


def _stamp(file: str | None) -> tuple[int, int] | None:
    """Changes when the file does."""
    if file is None or not Path(file).is_file():
        return None
    status = Path(file).stat()
    return status.st_size, status.st_mtime_ns
